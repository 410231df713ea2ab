"""The recorders of algorithms with `record`: a process for each of their streams; it gets frames and results.

To the rest of the site a recorder is one more algorithm on the stream, with one worker and no results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.tables import RecordingsConfig
from agent.contract.status import RecordingStatus
from agent.ipc.inspecting import KindFound
from agent.ipc.message import Message
from agent.ipc.messages import Done, Ready
from agent.ipc.recording import Recorded, Show
from agent.schedule import Pair
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.children import Children
from agent.supervise.decide import ChildSpec, Phase
from agent.supervise.dispatch import Dispatcher
from agent.supervise.outside import Outside
from agent.supervise.specs import RECORDER, recorder_sampling, recorder_spec

_log = log.get_logger("recorders")


@dataclass(slots=True, eq=False)
class RecorderRun:
    """The recorder of one algorithm on one stream."""

    of: AlgorithmRun
    stream: str
    status: RecordingStatus = field(default_factory=RecordingStatus)
    ready: bool = False

    @property
    def config(self) -> AlgorithmConfig:
        """Its sampling, as that of an algorithm."""
        return recorder_sampling(self.of.config, self.stream)

    @property
    def streams(self) -> tuple[str, ...]:
        """The one that it records."""
        return (self.stream,)

    @property
    def name(self) -> str:
        """Of its process."""
        return f"{RECORDER}{self.of.config.id}/{self.stream}"

    def workers(self) -> tuple[str, ...]:
        """Its process."""
        return (self.name,)

    def tell(self, **changes: object) -> None:
        """Its status is another one, and that of its algorithm with it."""
        self.status = self.status.model_copy(update=changes)
        self.of.recordings[self.stream] = self.status


class Recorders:
    """Which recorders there are, and what they say."""

    def __init__(
        self,
        config: RecordingsConfig,
        folder: Path | None,
        children: Children,
        dispatcher: Dispatcher,
        outside: Outside,
    ) -> None:
        """Without a `folder` nothing is recorded."""
        self._config = config
        self._folder = folder
        self._children = children
        self._dispatcher = dispatcher
        self._outside = outside
        self._by_name: dict[str, RecorderRun] = {}

    @property
    def takers(self) -> Mapping[str, RecorderRun]:
        """All of them, by the id of their sampling."""
        return {run.config.id: run for run in self._by_name.values()}

    def settle(self, algorithms: Mapping[str, AlgorithmRun]) -> None:
        """Make the recorders those of these algorithms, on the streams that they run on."""
        wanted: dict[str, RecorderRun] = {}
        for algorithm in algorithms.values():
            recorded = algorithm.config.record is not None and self._folder is not None
            streams = algorithm.streams if recorded else ()
            for run in (RecorderRun(algorithm, stream) for stream in streams):
                known = self._by_name.get(run.name)
                wanted[run.name] = known if known is not None and known.of is algorithm else run
            for stream in algorithm.recordings.keys() - set(streams):
                del algorithm.recordings[stream]
        for name in self._by_name.keys() - wanted.keys():
            self._dispatcher.remove_worker(name)
        for name in wanted.keys() - self._by_name.keys():
            self._dispatcher.add_worker(name)
        self._by_name = wanted

    def specs(self, algorithm: AlgorithmRun, kind: KindFound) -> tuple[ChildSpec, ...]:
        """The processes that record an algorithm."""
        if self._folder is None:
            return ()
        return tuple(
            recorder_spec(algorithm.config, run.stream, kind, self._config, self._folder)
            for run in self._by_name.values()
            if run.of is algorithm
        )

    def restart(self, algorithm: str) -> None:
        """Start those of an algorithm anew, also after too many failures."""
        for run in self._by_name.values():
            if run.of.config.id == algorithm:
                self._children.restart(run.name)

    def tick(self, now_ns: int) -> None:
        """End those that hang: `draw` is foreign code, and has the time that a run has."""
        for name, run in self._by_name.items():
            limit_s = run.of.config.timeout_s
            if self._dispatcher.running_ns(name, now_ns) > limit_s * 1e9:
                self._children.kill(name, f"was at one picture for more than {limit_s:g} s and was killed")

    def show(self, pair: Pair, done: Done) -> None:
        """An algorithm gave a result for a stream: it is to be drawn from now on."""
        run = self._by_name.get(f"{RECORDER}{pair.algorithm}/{pair.stream}")
        if run is not None and run.ready:
            self._children.post(run.name, Show(done.data, b"" if done.data else done.json))

    # --- what they say ---

    def on_state(self, name: str) -> None:
        """A recorder's phase has changed."""
        if self._children.phase(name) is Phase.STOPPING:
            if name in self._by_name:
                self._by_name[name].ready = False
            self._dispatcher.worker_stops(name)

    def on_message(self, name: str, message: Message) -> bool:
        """A recorder said something; whether that shows that it works as it should."""
        run = self._by_name.get(name)
        match message:
            case Done():
                window = self._dispatcher.done(name, message)
                if run is not None and window is not None:
                    run.tell(frames=run.status.frames + 1, skipped=run.status.skipped + window.skipped)
                return True
            case Ready() if run is not None:
                run.ready = True
                run.tell()
                self._dispatcher.worker_ready(name)
            case Recorded(file, error) if run is not None:
                run.tell(file=file or None, error=self._outside.redact(error) or None)
            case _ if run is not None:
                _log.warning("child.nonsense", child=name, message=type(message).__name__)
        self._outside.on_change()
        return False

    def on_exit(self, name: str, reason: str, *, asked: bool) -> None:
        """A recorder is gone, and its window comes back; the next one goes on with a new file."""
        self._dispatcher.worker_gone(name)
        run = self._by_name.get(name)
        if run is not None:
            run.ready = False
            broken = " too often: it is left alone" if self._children.is_broken(name) else ""
            error = run.status.error if asked else f"the recorder {reason}{broken}"
            run.tell(file=None, error=error)
        self._outside.on_change()
