"""What is known of one algorithm: fed by its workers, read as its status."""

import collections
import statistics
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from agent.config.algorithms import AlgorithmConfig
from agent.contract.status import TRACEBACK_BYTES, AlgorithmState, AlgorithmStatus, Origin, RecordingStatus
from agent.ipc.messages import Done, Failed, StartFailed
from agent.supervise.streams import now_us

_RECENT_RUNS = 100
_CPU_SPELL_S = 5.0
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
    memory_kills: int = 0
    kept: int = 0
    restarts: int = 0
    skipped: int = 0
    error: str | None = None
    trace: str | None = None
    error_us: int | None = None
    newest: dict[str, Done] = field(default_factory=dict)  # by stream: the newest result
    recordings: dict[str, RecordingStatus] = field(default_factory=dict)  # by stream
    memory_bytes: dict[str, int] = field(default_factory=dict)  # by worker
    _worker_cpu_s: dict[str, float] = field(default_factory=dict)  # by worker, of its whole process
    _ended_cpu_s: float = 0.0
    _started: set[str] = field(default_factory=set)
    _recent_ms: collections.deque[float] = field(
        default_factory=lambda: collections.deque(maxlen=_RECENT_RUNS)
    )
    _recent_cpu_ms: collections.deque[float] = field(
        default_factory=lambda: collections.deque(maxlen=_RECENT_RUNS)
    )
    _cpu_ns: int = 0
    _measured: tuple[float, int, int] | None = None  # monotonic seconds, CPU time and runs by then
    _cpu: float | None = None
    _runs_hz: float | None = None

    def serve(self, streams: Collection[str]) -> None:
        """It runs on these streams, as far as its configuration names them."""
        asked = streams if "*" in self.config.streams else self.config.streams
        self.streams = tuple(name for name in asked if name in streams)
        self.newest = {name: done for name, done in self.newest.items() if name in self.streams}

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

    def on_done(self, stream: str, done: Done, skipped: int) -> None:
        """A run gave a result."""
        self._ran(done, skipped)
        self.newest[stream] = done
        self.results += 1

    def on_failed(self, failed: Failed, skipped: int) -> None:
        """A run raised, or its result cannot be packed."""
        self._ran(failed, skipped)
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

    def on_memory(self, used: int) -> None:
        """A worker has more memory than `memory_max`: it was killed."""
        self.memory_kills += 1
        most = (self.config.memory_max or 0) / 1e6
        self.fault(f"a worker took {used / 1e6:.0f} MB of memory, memory_max is {most:.0f} MB: killed", "")

    def on_crash(self, reason: str) -> None:
        """A worker ended by itself."""
        self.crashes += 1
        self.fault(f"the worker {reason}", "")

    def fault(self, error: str, trace: str) -> None:
        """The last error, for people: redacted and bounded."""
        self.error = self.redact(error)[:_ERROR_CHARS]
        self.trace = self.redact(trace)[-TRACEBACK_BYTES:] or None
        self.error_us = now_us()

    def _ran(self, run: Done | Failed, skipped: int) -> None:
        self.runs += 1
        self.skipped += skipped
        self._recent_ms.append(run.run_ns / 1e6)
        self._recent_cpu_ms.append(run.cpu_ns / 1e6)
        self._cpu_ns += run.cpu_ns

    def on_cpu(self, worker: str, cpu_s: float) -> None:
        """So much CPU time a worker's process has taken in all."""
        self._worker_cpu_s[worker] = max(cpu_s, self._worker_cpu_s.get(worker, 0.0))

    def on_worker_gone(self, worker: str) -> None:
        """A worker's process has ended."""
        self.ready.discard(worker)
        self.memory_bytes.pop(worker, None)
        self._ended_cpu_s += self._worker_cpu_s.pop(worker, 0.0)

    def measure(self, now_s: float) -> None:
        """Called now and then: how much CPU the runs have taken since; over spells of some seconds."""
        if self._measured is None:
            self._measured = (now_s, self._cpu_ns, self.runs)
            return
        before_s, before_ns, before_runs = self._measured
        if now_s - before_s >= _CPU_SPELL_S:
            self._cpu = (self._cpu_ns - before_ns) / 1e9 / (now_s - before_s)
            self._runs_hz = (self.runs - before_runs) / (now_s - before_s)
            self._measured = (now_s, self._cpu_ns, self.runs)

    @property
    def run_cpu_s(self) -> float | None:
        """CPU seconds of a run, the mean of the recent ones; None before the first."""
        return statistics.fmean(self._recent_cpu_ms) / 1e3 if self._recent_cpu_ms else None

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
            memory_kills=self.memory_kills,
            kept=self.kept,
            restarts=self.restarts,
            skipped=self.skipped,
            run_ms_mean=round(statistics.fmean(recent), 3) if recent else None,
            run_ms_max=round(max(recent), 3) if recent else None,
            run_cpu_ms=None if self.run_cpu_s is None else round(self.run_cpu_s * 1e3, 3),
            runs_per_s=None if self._runs_hz is None else round(self._runs_hz, 2),
            cpu=None if self._cpu is None else round(self._cpu, 4),
            cpu_s=round(self._cpu_ns / 1e9, 3),
            worker_cpu_s=round(self._ended_cpu_s + sum(self._worker_cpu_s.values()), 3),
            memory=sum(self.memory_bytes.values()) or None,
            recordings=dict(self.recordings),
            error=self.refusal or self.error,
            traceback=self.trace,
            error_time=self.error_us,
        )
