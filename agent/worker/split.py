"""The body of a process that runs windows of a stateless algorithm, for an inference (`agent.offline`).

It is no copy of the process that started it, and never runs that one's program again. It lies here since it
needs neither decoder nor OpenCV, which would be most of its start.
"""

import ctypes
import io
import math
import mmap
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from agent.ipc.foreign import Raised, call_foreign
from agent.worker import kinds, stream_infer
from algos import BaseAlgo, Frames

_PR_SET_PDEATHSIG = 1
_FILE_MODULE = "vedette_algorithm_"  # how `kinds.load` calls the module of a file


@dataclass(frozen=True, slots=True)
class Setup:
    """Which instance to make."""

    paths: Sequence[str]  # where modules are
    instance: bytes  # see `packed`
    stand_in: bool  # whether `import stream_infer` is answered by ours


@dataclass(frozen=True, slots=True)
class Task:
    """One window; its pixels lie in the shared memory, one array behind the other."""

    shapes: Sequence[tuple[int, ...]]
    times: Sequence[float]
    numbers: Sequence[int]
    stream: str
    pixel_format: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a window gave."""

    result: Any
    run_s: float


def packed(instance: object) -> bytes:
    """An instance as it is, for another process. Raises what its parts raise that cannot be sent."""
    out = io.BytesIO()
    _Packer(out).dump(instance)
    return out.getvalue()


class _Packer(pickle.Pickler):
    """Names classes of one-file kinds by their file: their modules cannot be imported."""

    def reducer_override(self, obj: Any) -> Any:  # noqa: ANN401  of pickle
        if isinstance(obj, type) and obj.__module__.startswith(_FILE_MODULE):
            file = getattr(sys.modules.get(obj.__module__), "__file__", None)
            return _member, (obj.__module__, str(file), obj.__qualname__)
        return NotImplemented


def _member(module: str, file: str, name: str) -> object:
    """A class of a one-file kind, which is loaded when it is first asked for."""
    if module not in sys.modules:
        kinds.load(f"file:{file}")
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def main() -> None:
    """Serve until who started this is gone; the arguments are descriptors: questions, life, pixels."""
    descriptor, life, memory = map(int, sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this
    # The kernel's, since a thread may have to wait for code that keeps the interpreter to itself; the
    # thread's, in case that the other one ended before.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    with Connection(descriptor) as connection:
        setup: Setup = connection.recv()
        sys.path[:] = setup.paths
        instance = call_foreign(lambda: _instance(setup))
        connection.send(instance if isinstance(instance, Raised) else None)
        while not isinstance(instance, Raised):
            try:
                asked: Task | None = connection.recv()
            except EOFError:
                return
            if asked is None:  # a source begins
                begun = call_foreign(getattr(instance, "init", _nothing))
                answer: object = begun if isinstance(begun, Raised) else None
            else:
                answer = _run(instance, asked, memory)
            connection.send_bytes(_sendable(answer))


def _instance(setup: Setup) -> Any:  # noqa: ANN401  any object with run()
    if setup.stand_in:
        stream_infer.install()
    return pickle.loads(setup.instance)  # noqa: S301  from the process that started this one


def _nothing() -> None:
    """The `init` of a class without one."""


def calling(algorithm: Any) -> Callable[[Frames], Any]:  # noqa: ANN401  any object with run()
    """How an instance is run: one that is not of `algos` gets a list of arrays that it may paint on."""
    if isinstance(algorithm, BaseAlgo):
        return algorithm.run
    return lambda frames: algorithm.run([frame.copy() for frame in frames])


def _run(instance: Any, task: Task, memory: int) -> Answer | Raised:  # noqa: ANN401  any object with run()
    # Not closed here: the algorithm may keep an array, though what is in it changes.
    mapped = mmap.mmap(memory, os.fstat(memory).st_size, prot=mmap.PROT_READ)
    arrays, place = [], 0
    for shape in task.shapes:
        size = math.prod(shape)
        arrays.append(np.frombuffer(mapped, np.uint8, size, place).reshape(shape))
        place += size
    frames = Frames(
        arrays, times=task.times, numbers=task.numbers, stream=task.stream, pixel_format=task.pixel_format
    )
    began_s = time.perf_counter()
    result = call_foreign(lambda: calling(instance)(frames))
    run_s = time.perf_counter() - began_s
    return result if isinstance(result, Raised) else Answer(result, run_s)


def _sendable(answer: object) -> bytes:
    sent = call_foreign(lambda: bytes(ForkingPickler.dumps(answer)))
    if isinstance(sent, Raised):
        words = f"what run() returned cannot leave its process, return plain values: {sent.error}"
        return bytes(ForkingPickler.dumps(Raised(words, sent.trace)))
    return sent


def _end_with(life: int) -> None:
    """End at once when the other end of this pipe is closed."""
    while os.read(life, 1):
        pass
    os._exit(1)
