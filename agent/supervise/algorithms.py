"""What is known of one algorithm: fed by its workers, read as its status."""

import collections
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.config.algorithms import AlgorithmConfig
from agent.contract.status import TRACEBACK_BYTES, AlgorithmState, AlgorithmStatus, Origin
from agent.ipc.messages import Done, Failed, StartFailed
from agent.supervise.streams import now_us

_RECENT_RUNS = 100
_ERROR_CHARS = 500


@dataclass(slots=True, eq=False)
class AlgorithmRun:
    """One wanted algorithm. Counters go on over the lives of its workers."""

    config: AlgorithmConfig
    origin: Origin
    redact: Callable[[str], str]
    state: AlgorithmState = AlgorithmState.IDLE
    since_us: int = field(default_factory=now_us)
    version: str = ""
    streams: tuple[str, ...] = ()
    ready: set[str] = field(default_factory=set)
    refusal: str | None = None  # why it cannot run as it is configured
    retry_in_s: float | None = None
    runs: int = 0
    results: int = 0
    failures: int = 0
    unpackable: int = 0
    timeouts: int = 0
    crashes: int = 0
    restarts: int = 0
    skipped: int = 0
    error: str | None = None
    trace: str | None = None
    error_us: int | None = None
    _started: set[str] = field(default_factory=set)
    _recent_ms: collections.deque[float] = field(
        default_factory=lambda: collections.deque(maxlen=_RECENT_RUNS)
    )

    def workers(self) -> tuple[str, ...]:
        """The names of its workers."""
        return tuple(f"worker/{self.config.id}/{n}" for n in range(self.config.workers))

    def to(self, state: AlgorithmState) -> None:
        """A change of state."""
        if state is not self.state:
            self.state = state
            self.since_us = now_us()

    def on_started(self, worker: str) -> None:
        """A worker process begins."""
        self.restarts += worker in self._started
        self._started.add(worker)

    def on_done(self, done: Done, skipped: int) -> None:
        """A run gave a result."""
        self._ran(done.run_ns, skipped)
        self.results += 1

    def on_failed(self, failed: Failed, skipped: int) -> None:
        """A run raised, or its result cannot be packed."""
        self._ran(failed.run_ns, skipped)
        if failed.packed:
            self.failures += 1
        else:
            self.unpackable += 1
        self.fault(failed.error, failed.trace)

    def on_start_failed(self, failed: StartFailed) -> None:
        """The kind cannot be loaded, or `init` raised."""
        self.fault(failed.error, failed.trace)

    def on_timeout(self) -> None:
        """A run took longer than `timeout_s`: its worker was killed."""
        self.timeouts += 1
        self.fault(f"a run took longer than timeout_s = {self.config.timeout_s:g} s and was killed", "")

    def on_crash(self, reason: str) -> None:
        """A worker ended by itself."""
        self.crashes += 1
        self.fault(f"the worker {reason}", "")

    def fault(self, error: str, trace: str) -> None:
        """The last error, for people: redacted and bounded."""
        self.error = self.redact(error)[:_ERROR_CHARS]
        self.trace = self.redact(trace)[-TRACEBACK_BYTES:] or None
        self.error_us = now_us()

    def _ran(self, run_ns: int, skipped: int) -> None:
        self.runs += 1
        self.skipped += skipped
        self._recent_ms.append(run_ns / 1e6)

    def status(self) -> AlgorithmStatus:
        """As it is published."""
        recent = self._recent_ms
        return AlgorithmStatus(
            id=self.config.id,
            kind=self.config.kind,
            version=self.version or None,
            state=self.state,
            since=self.since_us,
            origin=self.origin,
            streams=self.streams,
            workers=len(self.ready),
            retry_in_s=self.retry_in_s,
            runs=self.runs,
            results=self.results,
            failures=self.failures,
            unpackable=self.unpackable,
            timeouts=self.timeouts,
            crashes=self.crashes,
            restarts=self.restarts,
            skipped=self.skipped,
            run_ms_mean=round(statistics.fmean(recent), 3) if recent else None,
            run_ms_max=round(max(recent), 3) if recent else None,
            error=self.refusal or self.error,
            traceback=self.trace,
            error_time=self.error_us,
        )
