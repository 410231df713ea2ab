"""The workers of the algorithms: what they say, what becomes of them, and the limits they have to keep."""

from collections.abc import Mapping

from agent import log
from agent.contract.status import AlgorithmState
from agent.ipc.message import Message
from agent.ipc.messages import Done, Failed, Ready, StartFailed
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.children import Children
from agent.supervise.decide import Phase
from agent.supervise.dispatch import Dispatcher
from agent.supervise.keeper import Keeper
from agent.supervise.memory import cpu_s, own_bytes
from agent.supervise.outside import Outcome, Outside
from agent.supervise.pairs import Pairs
from agent.supervise.recorders import Recorders
from agent.supervise.specs import WORKER

_log = log.get_logger("workers")

_MEASURE_S = 10.0  # how often the memory of workers without a limit is looked at


class Crews:
    """Routes between workers and what is known of their algorithms; the site's half that is foreign code."""

    def __init__(
        self,
        algorithms: Mapping[str, AlgorithmRun],
        children: Children,
        dispatcher: Dispatcher,
        pairs: Pairs,
        outside: Outside,
        keeper: Keeper,
        recorders: Recorders,
    ) -> None:
        self._algorithms = algorithms
        self._children = children
        self._dispatcher = dispatcher
        self._pairs = pairs
        self._outside = outside
        self._keeper = keeper
        self._recorders = recorders
        self._explained: set[str] = set()  # workers whose end is known to be a fault already reported
        self._measure_s = 0.0

    def tick(self, now_ns: int) -> None:
        """Look at every worker: its time and its memory."""
        all_of_them = now_ns / 1e9 >= self._measure_s
        if all_of_them:
            self._measure_s = now_ns / 1e9 + _MEASURE_S
        pids = self._children.pids()
        for run in self._algorithms.values():
            for worker in run.workers():
                if self._dispatcher.running_ns(worker, now_ns) > run.config.timeout_s * 1e9:
                    run.on_timeout()
                    self._end(worker, "a run took too long and was killed")
                elif worker in pids and (all_of_them or run.config.memory_max is not None):
                    self._weigh(run, worker, pids[worker])
                if worker in pids and all_of_them:
                    run.on_cpu(worker, cpu_s(pids[worker]))
            run.measure(now_ns / 1e9)

    def _weigh(self, run: AlgorithmRun, worker: str, pid: int) -> None:
        used, most = own_bytes(pid), run.config.memory_max
        run.memory_bytes[worker] = used
        if most is not None and used > most:
            run.on_memory(used)
            self._end(worker, "it took more than memory_max and was killed")

    def _end(self, worker: str, why: str) -> None:
        self._explained.add(worker)
        self._children.kill(worker, why)

    def restart(self, algorithm: str) -> None:
        """Start the workers anew, also after too many failures."""
        run = self._algorithms[algorithm]
        run.error = run.trace = run.error_us = None
        for worker in run.workers():
            self._children.restart(worker)

    def on_state(self, name: str) -> None:
        """A worker's phase has changed."""
        run = self.run_of(name)
        if run is None:
            return
        phase = self._children.phase(name)
        if phase is Phase.STARTING:
            run.on_started(name)
        elif phase is Phase.STOPPING:
            run.ready.discard(name)
            self._dispatcher.worker_stops(name)
        self.refresh(run.config.id)

    def on_message(self, name: str, message: Message) -> bool:
        """A worker said something; whether that shows that it works as it should."""
        run = self.run_of(name)
        match message:
            case Done() | Failed():
                self._ran(name, run, message)
                return True
            case Ready(version) if run is not None:
                run.version = version
                run.ready.add(name)
                self._dispatcher.worker_ready(name)
            case StartFailed() if run is not None:
                run.on_start_failed(message)
                self._explained.add(name)
                self._children.failed(name, f"could not start: {run.error}")
            case _:
                _log.warning("child.nonsense", child=name, message=type(message).__name__)
        if run is not None:
            self.refresh(run.config.id)
        self._outside.on_change()
        return False

    def _ran(self, name: str, run: AlgorithmRun | None, message: Done | Failed) -> None:
        window = self._dispatcher.done(name, message)
        if window is None or run is None or window.pair not in self._pairs:
            return
        if isinstance(message, Failed):
            run.on_failed(message, window.skipped)
            _log.warning("run.failed", algorithm=run.config.id, error=run.error)
            self._outside.on_change()
        else:
            run.on_done(window.pair.stream, message, window.skipped)
            self._recorders.show(window.pair, message)
            self._outside.on_result(Outcome(window, run.config.kind, run.version, message.data, message.json))

    def on_exit(self, name: str, reason: str, *, asked: bool) -> None:
        """A worker is gone: its window comes back, or is kept; the status says why."""
        run = self.run_of(name)
        keep = run is not None and run.config.on_crash == "keep" and not asked
        lost = self._dispatcher.worker_gone(name, hold=keep)
        if run is not None:
            run.on_worker_gone(name)
            if not asked and name not in self._explained:
                run.on_crash(reason)
            self.refresh(run.config.id)
        self._explained.discard(name)
        if lost is None:
            return
        _log.warning("window.lost", worker=name, stream=lost.pair.stream, reason=reason)
        if run is not None and keep:
            self._keeper.keep(run, lost, run.error or reason)

    def run_of(self, worker: str) -> AlgorithmRun | None:
        """The algorithm of a worker; None when it is no longer wanted."""
        return self._algorithms.get(worker.removeprefix(WORKER).rpartition("/")[0])

    def refresh(self, algorithm: str) -> None:
        """The state of an algorithm, from that of its workers."""
        run = self._algorithms.get(algorithm)
        if run is None:
            return
        workers = run.workers()
        waits = [wait for name in workers if (wait := self._children.retry_in_s(name)) is not None]
        run.retry_in_s = round(min(waits), 1) if waits else None
        if run.refusal:
            run.to(AlgorithmState.REFUSED)
        elif not run.streams:
            run.to(AlgorithmState.IDLE)
        elif any(self._children.is_broken(name) for name in workers):
            run.retry_in_s = None
            run.to(AlgorithmState.BROKEN)
        elif run.ready:
            run.to(AlgorithmState.RUNNING)
        elif waits or run.crashes or run.timeouts or run.memory_kills:
            run.to(AlgorithmState.RETRYING)
        else:
            run.to(AlgorithmState.STARTING)

    def refresh_all(self) -> None:
        """The states of all algorithms."""
        for name in self._algorithms:
            self.refresh(name)
