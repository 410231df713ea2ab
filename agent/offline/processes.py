"""Several processes for one stateless algorithm: windows go to whichever is free, in order."""

import importlib.util
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError, KindError, NoRoomError
from agent.ipc.foreign import Raised, call_foreign
from agent.offline.runner import ForeignError, Returned
from agent.worker import stream_infer
from agent.worker.split import Answer, Setup, Task, packed
from algos import Frames

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_CHILD = "from agent.worker.split import main; main()"
_GRACE_S = 5.0


class ProcessRunner:
    """Runs an algorithm in processes of its own; see `Runner`.

    One that dies takes the run with it that it was at, and is replaced.
    """

    def __init__(self, algorithm: Any, name: str, count: int) -> None:  # noqa: ANN401  any object with run()
        """Raise ConfigError when the class is not where another process finds it."""
        setup = _setup(algorithm, name)
        self._children = [_Child(setup, name) for _ in range(count)]
        self._free: queue.Queue[_Child] = queue.Queue()
        for child in self._children:
            self._free.put(child)
        self._threads = ThreadPoolExecutor(max_workers=count, thread_name_prefix=f"infer-{name}")

    def begin(self) -> None:
        """See `Runner.begin`: once in each process, when all have come to their end with the last source."""
        taken = [self._free.get() for _ in self._children]
        try:
            for child in taken:
                child.start()
            for child in taken:
                child.ask_to_begin()
            for child in taken:
                child.begun()
        finally:
            for child in taken:
                self._free.put(child)

    def submit(self, frames: Callable[[], Frames]) -> Future[Returned]:
        """See `Runner.submit`."""
        return self._threads.submit(self._run, frames)

    def close(self) -> None:
        """Forget what has not been run; a run that is going on ends with its process."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.kill()
        self._threads.shutdown(wait=True)
        for child in self._children:
            child.end()

    def _run(self, frames: Callable[[], Frames]) -> Returned:
        window = frames()
        child = self._free.get()
        try:
            return child.run(window)
        finally:
            self._free.put(child)


class _Child:
    """One process after the other, asked one thing at a time: a new one, when the last has ended."""

    def __init__(self, setup: Setup, name: str) -> None:
        self._setup = setup
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._memory = self._life = -1
        self._size = 0
        self._made = False  # the process has its instance,
        self._begun = False  # and has called its `init` for this source
        self._killed = False
        self._starting = threading.RLock()  # against being killed

    def start(self) -> None:
        """Start the process, unless it is there. Raises KindError."""
        with self._starting:
            if self._killed:
                raise KindError(f"{self._name}: this inference was closed")
            if self._process is not None:
                return
            self._made = self._begun = False
            self._size = 0
            try:
                self._connection = self._started()
                self._connection.send(self._setup)
            except OSError as err:
                raise self._ended(f"cannot be started: {err.strerror or err}") from err

    def ask_to_begin(self) -> None:
        """Ask for `init()`. Raises KindError, and ForeignError when there is no instance."""
        self._begun = False
        if not self._made:
            try:
                self._answer()
            except ForeignError:
                self.end()  # it has nothing to do
                raise
            self._made = True
        self._send(None)

    def begun(self) -> None:
        """Wait for it. Raises KindError and ForeignError."""
        self._answer()
        self._begun = True

    def run(self, frames: Frames) -> Returned:
        """Run on a window. Raises ForeignError, and KindError when the process has ended."""
        self.start()
        if not self._begun:
            self.ask_to_begin()
            self.begun()
        try:
            self._place(frames)
        except OSError as err:
            size = sum(frame.nbytes for frame in frames)
            raise NoRoomError(
                f"{self._name}: a window of {size / 1e6:.1f} MB has no room in memory: {err.strerror}"
            ) from err
        shapes = [frame.shape for frame in frames]
        self._send(Task(shapes, frames.times, frames.numbers, frames.stream, frames.pixel_format))
        answer = self._answer()
        assert isinstance(answer, Answer)  # noqa: S101  for the type checker
        return Returned(answer.result, answer.run_s)

    def kill(self) -> None:
        """End the process now, whatever it is at; another thread may wait for its answer. Starts no other."""
        with self._starting:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """End the process, and let go of everything."""
        if self._connection is not None:
            self._connection.close()
        for descriptor in (self._life, self._memory):
            if descriptor >= 0:
                os.close(descriptor)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None
        self._life = self._memory = -1

    def _started(self) -> "Connection[Any, Any]":
        self._memory = os.memfd_create("vedette-infer", os.MFD_CLOEXEC)
        life, self._life = os.pipe()
        ours, theirs = Pipe()
        numbers = (theirs.fileno(), life, self._memory)
        command = [sys.executable, "-c", _CHILD, *map(str, numbers)]
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        try:
            # The kernel ends it with the thread that starts it: such threads last until all is closed.
            self._process = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs this
                command, pass_fds=numbers, env=os.environ | {"PYTHONPATH": paths}
            )
        finally:
            theirs.close()
            os.close(life)
            if self._process is None:
                ours.close()
        return ours

    def _place(self, frames: Frames) -> None:
        size = sum(frame.nbytes for frame in frames)
        if size > self._size:
            os.ftruncate(self._memory, size)
            self._size = size
        place = 0
        for frame in frames:
            place += _write_all(self._memory, frame.data.cast("B"), place)

    def _send(self, question: object) -> None:
        assert self._connection is not None  # noqa: S101  it was started
        try:
            self._connection.send(question)
        except OSError:
            raise self._ended() from None

    def _answer(self) -> object:
        assert self._connection is not None  # noqa: S101  it was started
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(answer, Raised):
            raise ForeignError(answer)
        return answer

    def _ended(self, why: str = "") -> KindError:
        """Let go of a process that has ended; the next question starts another."""
        if self._process is not None and not why:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
            code = self._process.poll()
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            why = f"ended in this run: {how}" if self._begun else f"ended in init(): {how}"
        with self._starting:
            self.end()
        return KindError(f"the process of {self._name} {why}")


def _write_all(descriptor: int, data: memoryview, place: int) -> int:
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], place + written)
    return written


def _setup(algorithm: Any, name: str) -> Setup:  # noqa: ANN401  any object with run()
    member = type(algorithm)
    module = sys.modules.get(member.__module__)
    file = str(getattr(module, "__file__", "") or "")
    try:
        found = importlib.util.find_spec(member.__module__) is not None
    except (ValueError, ImportError):
        found = False
    if member.__module__ == "__main__" or "." in member.__qualname__ or not (found or file):
        raise ConfigError(
            f"{name}: several workers take a class that another process can import: put "
            f"{member.__name__} into a file of its own, or leave workers at 1"
        )
    instance = call_foreign(lambda: packed(algorithm))
    if isinstance(instance, Raised):
        raise ConfigError(
            f"{name}: several workers take an instance that can be sent to another process: make in init() "
            f"what cannot, or leave workers at 1 ({instance.error})"
        )
    return Setup(paths=_absolute(sys.path), instance=instance, stand_in=stream_infer.installed())


def _absolute(paths: Sequence[str]) -> list[str]:
    return [str(Path(path).absolute()) for path in paths]
