"""Several processes for one stateless algorithm: windows go to whichever is free, in order."""

import importlib.util
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError, KindError
from agent.ipc.foreign import Raised
from agent.offline.child import Answer, Setup, Task
from agent.offline.runner import ForeignError, Returned
from algos import BaseAlgo, Frames

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_CHILD = "from agent.offline.child import main; main()"
_GRACE_S = 5.0


class ProcessRunner:
    """Runs an algorithm in processes of its own; see `Runner`.

    One that dies takes the run with it that it was at, and is replaced.
    """

    def __init__(self, algorithm: BaseAlgo, name: str, count: int) -> None:
        """Raise ConfigError when the class is not where another process finds it."""
        self._setup = _setup(algorithm, name)
        self._count = count
        self._free: queue.Queue[_Child] = queue.Queue()
        self._children: list[_Child] = []
        self._threads = ThreadPoolExecutor(max_workers=count, thread_name_prefix=f"infer-{name}")

    def begin(self) -> None:
        """See `Runner.begin`: once in each process, when all have come to their end with the last source."""
        if not self._children:
            self._children = [_Child(self._setup) for _ in range(self._count)]
            for child in self._children:
                self._free.put(child)
        taken = [self._free.get() for _ in self._children]
        try:
            for child in taken:
                child.begin()
            for child in taken:
                child.begun()
        finally:
            for child in taken:
                self._free.put(child)

    def submit(self, frames: Callable[[], Frames]) -> Future[Returned]:
        """See `Runner.submit`."""
        return self._threads.submit(self._run, frames)

    def close(self) -> None:
        """See `Runner.close`."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.end()

    def _run(self, frames: Callable[[], Frames]) -> Returned:
        window = frames()
        child = self._free.get()
        try:
            return child.run(window)
        except (EOFError, OSError):
            child.end()
            raise KindError(
                f"the process of {self._setup.algorithm} ended in this run: {child.why}"
            ) from None
        finally:
            if child.ended:
                self._children.remove(child)
                child = _Child(self._setup)
                self._children.append(child)
                with suppress(EOFError, OSError):
                    child.begin()
                    child.begun()
            self._free.put(child)


class _Child:
    """One process, asked one thing at a time."""

    def __init__(self, setup: Setup) -> None:
        self._memory = os.memfd_create("vedette-infer", os.MFD_CLOEXEC)
        ours, theirs = Pipe()
        life, self._life = os.pipe()
        self._connection: Connection[Any, Any] = ours
        numbers = (theirs.fileno(), life, self._memory)
        command = [sys.executable, "-c", _CHILD, *map(str, numbers)]
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs this
            command, pass_fds=numbers, env=os.environ | {"PYTHONPATH": paths}
        )
        theirs.close()
        os.close(life)
        self._size = 0
        self._ready = False
        self._setup = setup
        with suppress(OSError):  # it is gone already: the next question finds out
            self._connection.send(setup)

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    @property
    def why(self) -> str:
        """How it ended."""
        code = self._process.poll()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def begin(self) -> None:
        """Ask for `init()`."""
        if not self._ready:
            self._raise(self._connection.recv())
            self._ready = True
        self._connection.send(None)

    def begun(self) -> None:
        """Wait for it. Raises ForeignError."""
        self._raise(self._connection.recv())

    def run(self, frames: Frames) -> Returned:
        """Run on a window. Raises ForeignError, and EOFError when the process has ended."""
        size = sum(frame.nbytes for frame in frames)
        if size > self._size:
            os.ftruncate(self._memory, size)
            self._size = size
        place = 0
        for frame in frames:
            place += _write_all(self._memory, frame.data.cast("B"), place)
        shapes = [frame.shape for frame in frames]
        self._connection.send(Task(shapes, frames.times, frames.numbers, frames.stream, frames.pixel_format))
        answer = self._connection.recv()
        self._raise(answer)
        assert isinstance(answer, Answer)  # noqa: S101  for the type checker
        return Returned(answer.result, answer.run_s)

    def end(self) -> None:
        """End the process, and let go of everything."""
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
            self._connection.close()
            os.close(self._memory)
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _raise(self, answer: object) -> None:
        if isinstance(answer, Raised):
            raise ForeignError(answer)


def _write_all(descriptor: int, data: memoryview, place: int) -> int:
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], place + written)
    return written


def _setup(algorithm: BaseAlgo, name: str) -> Setup:
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
    in_file = member.__module__.startswith("vedette_algorithm_")
    return Setup(
        paths=_absolute(sys.path),
        module=member.__module__,
        file=file if in_file else "",
        name=member.__name__,
        algorithm=name,
        params=algorithm.params.model_dump(),
    )


def _absolute(paths: Sequence[str]) -> list[str]:
    return [str(Path(path).absolute()) for path in paths]
