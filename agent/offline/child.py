"""The body of a process that runs windows of a stateless algorithm.

It is no copy of the process that started it, and never runs that one's program again.
"""

import math
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from agent.ipc.foreign import Raised, call_foreign
from agent.worker import kinds
from algos import BaseAlgo, Frames


@dataclass(frozen=True, slots=True)
class Setup:
    """Which instance to make."""

    paths: Sequence[str]  # where modules are
    module: str
    file: str  # where the class is in a file of its own; "": in a module that can be imported
    name: str  # of the class
    algorithm: str  # id
    params: dict[str, Any]


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


def main() -> None:
    """Serve until who started this is gone; the arguments are descriptors: questions, life, pixels."""
    descriptor, life, memory = map(int, sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this
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
            answer: object
            if asked is None:  # a source begins
                begun = call_foreign(instance.init)
                answer = begun if isinstance(begun, Raised) else None
            else:
                answer = _run(instance, asked, memory)
            connection.send(answer)


def _instance(setup: Setup) -> BaseAlgo:
    if setup.file:
        found: Any = kinds.load(f"file:{setup.file}")
        member = next(one for one in found.values() if one.__name__ == setup.name)
    else:
        __import__(setup.module)
        member = getattr(sys.modules[setup.module], setup.name)
    instance: BaseAlgo = member(setup.algorithm, setup.params)
    return instance


def _run(instance: BaseAlgo, task: Task, memory: int) -> Answer | Raised:
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
    result = call_foreign(lambda: instance.run(frames))
    run_s = time.perf_counter() - began_s
    return result if isinstance(result, Raised) else Answer(result, run_s)


def _end_with(life: int) -> None:
    """End at once when the other end of this pipe is closed, whatever runs."""
    while os.read(life, 1):
        pass
    os._exit(1)
