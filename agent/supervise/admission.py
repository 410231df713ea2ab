"""Whether the processor can carry what is asked: the measured costs of the site, put into the estimate."""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.config.tables import LimitsConfig
from agent.errors import NoRoomError
from agent.health.cores import BusyCores, given
from agent.sampling import Sampling
from agent.schedule.load import ASSUMED, RECORDED_FRAME_S, Load, StreamCost, Task, estimate, overloaded
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.specs import recorder_sampling
from agent.supervise.streams import StreamRun

_log = log.get_logger("load")

_LOOK_EVERY_S = 5.0

Streams = Mapping[str, StreamConfig]
Algorithms = Mapping[str, AlgorithmConfig]


class Admission:
    """Estimates, warns and refuses, as `[limits]` says."""

    def __init__(
        self,
        limits: LimitsConfig,
        streams: Mapping[str, StreamRun],
        algorithms: Mapping[str, AlgorithmRun],
    ) -> None:
        self.limits = limits
        self._streams = streams
        self._algorithms = algorithms
        self._busy = BusyCores()
        self._looked_s = 0.0
        self._told = False

    @property
    def cores(self) -> float:
        """What the agent may use."""
        return self.limits.cores or given()

    def measure(self, now_s: float) -> None:
        """Called now and then: says once when what runs already is too much."""
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        self._busy.look()
        load = self.load(
            {name: run.config for name, run in self._streams.items()},
            {name: run.config for name, run in self._algorithms.items()},
        )
        too_much = load.cores > self.cores
        if too_much and not self._told and self.limits.admission != "off":
            _log.warning("load.too_much", needs=round(load.cores, 2), cores=round(self.cores, 2))
        self._told = too_much

    def judge(self, before: tuple[Streams, Algorithms], after: tuple[Streams, Algorithms]) -> str | None:
        """What to say of a change that does not fit; None when it fits. Raises NoRoomError when strict."""
        if self.limits.admission == "off":
            return None
        now = self.load(*before)
        # What was just added has not been measured yet: then the estimate is more.
        free_cores = self.cores - max(self._used(), now.cores)
        says = overloaded(self.load(*after), now, free_cores, self.cores)
        if says is not None and self.limits.admission == "strict":
            raise NoRoomError(f'the processor cannot carry it: it {says} (limits.admission is "strict")')
        return says

    def load(self, streams: Streams, algorithms: Algorithms) -> Load:
        """The estimate for these streams and algorithms."""
        costs = self._costs(streams.values())
        return estimate(costs, self._tasks(costs, algorithms.values()))

    def _used(self) -> float:
        if self._busy.whole and self.cores >= given():
            return self._busy.cores or 0.0
        # Where only a part of the machine is ours, what others do on the rest of it does not matter.
        ours = sum(run.status().cpu or 0.0 for run in self._streams.values())
        ours += sum(run.status().cpu or 0.0 for run in self._algorithms.values())
        return ours + (self._busy.own_cores or 0.0)

    def _costs(self, streams: Iterable[StreamConfig]) -> dict[str, StreamCost]:
        measured = {name: cost for name, run in self._streams.items() if (cost := run.cost()) is not None}
        typical = _mean(measured.values()) if measured else ASSUMED
        costs = {}
        for stream in streams:
            if stream.paused:
                continue
            cost = measured.get(stream.id, typical)
            costs[stream.id] = StreamCost(
                fps=cost.fps,
                played_fps=min(cost.fps, stream.fps or cost.fps),
                key_interval_s=cost.key_interval_s,
                decode_s=cost.decode_s,
                base_cores=cost.base_cores,
            )
        return costs

    def _tasks(self, streams: Iterable[str], algorithms: Iterable[AlgorithmConfig]) -> list[Task]:
        names = tuple(streams)
        tasks: list[Task] = []
        for config in algorithms:
            for stream in names if "*" in config.streams else config.streams:
                tasks.append(_task(stream, config, self._run_s(config)))
                if config.record is not None:
                    tasks.append(_task(stream, recorder_sampling(config, stream), RECORDED_FRAME_S))
        return tasks

    def _run_s(self, config: AlgorithmConfig) -> float | None:
        """CPU seconds of a run: its own, else those of others of its kind."""
        own = self._algorithms.get(config.id)
        if own is not None and own.config.kind == config.kind and own.run_cpu_s is not None:
            return own.run_cpu_s
        same = [run.run_cpu_s for run in self._algorithms.values() if run.config.kind == config.kind]
        return max((run_s for run_s in same if run_s is not None), default=None)


def _task(stream: str, config: AlgorithmConfig, run_s: float | None) -> Task:
    sampling = Sampling(config.frame_count, config.frame_step, config.interval, config.keyframes)
    return Task(stream=stream, algorithm=config.id, sampling=sampling, run_s=run_s)


def _mean(costs: Iterable[StreamCost]) -> StreamCost:
    rows = list(costs)
    finite = [cost.key_interval_s for cost in rows if math.isfinite(cost.key_interval_s)]
    return StreamCost(
        fps=fmean(cost.fps for cost in rows),
        played_fps=fmean(cost.fps for cost in rows),
        key_interval_s=fmean(finite) if finite else ASSUMED.key_interval_s,
        decode_s=fmean(cost.decode_s for cost in rows),
        base_cores=fmean(cost.base_cores for cost in rows),
    )
