"""Who runs an algorithm: a thread of its own, beside reading and beside the others.

Algorithms spend their time in libraries that let go of the interpreter: so threads use all cores, and an
instance stays where its author can look at it.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from agent.errors import VedetteError
from agent.ipc.foreign import Raised
from agent.worker.split import calling
from algos import Frames


@dataclass(frozen=True, slots=True)
class Returned:
    """What a run returned, and how long it took."""

    result: Any
    run_s: float


class ForeignError(VedetteError):
    """What an algorithm raised in a process of its own."""

    code = "algorithm"

    def __init__(self, raised: Raised) -> None:
        super().__init__(f"{raised.error}\n{raised.trace}")
        self.raised = raised


class Runner(Protocol):
    """Takes windows in order; what they give comes when it comes."""

    def begin(self) -> None:
        """Call `init()`: a new source begins. Raises what it raises."""

    def submit(self, frames: Callable[[], Frames]) -> Future[Returned]:
        """Run on a window that is being made; the future has what that or `run()` raised."""

    def close(self) -> None:
        """Wait for the run that is going on; those that have not begun are forgotten."""


class ThreadRunner:
    """Runs one instance in one thread."""

    def __init__(self, algorithm: Any, name: str) -> None:  # noqa: ANN401  any object with run()
        self._algorithm = algorithm
        self._call = calling(algorithm)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"infer-{name}")

    def begin(self) -> None:
        """See `Runner.begin`."""
        init = getattr(self._algorithm, "init", None)
        if init is not None:
            self._thread.submit(init).result()

    def submit(self, frames: Callable[[], Frames]) -> Future[Returned]:
        """See `Runner.submit`."""
        return self._thread.submit(_timed, self._call, frames)

    def close(self) -> None:
        """See `Runner.close`."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _timed(call: Callable[[Frames], Any], frames: Callable[[], Frames]) -> Returned:
    window = frames()
    began_s = time.perf_counter()
    result = call(window)
    return Returned(result, time.perf_counter() - began_s)
