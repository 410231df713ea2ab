"""All that runs on this device: what is wanted goes in, results and status come out."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.config.tables import LimitsConfig, RecordingsConfig
from agent.contract.status import Origin, StreamState
from agent.errors import KindError, NoRoomError, SecretError
from agent.frames import FrameFormat
from agent.ipc.message import Message
from agent.ipc.messages import (
    Counts,
    Ended,
    Filled,
    Opened,
    SnapshotTaken,
    Trouble,
)
from agent.supervise.admission import Admission
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.catalog import Catalog
from agent.supervise.children import Children
from agent.supervise.crews import Crews
from agent.supervise.decide import ChildSpec, Phase
from agent.supervise.dispatch import Dispatcher
from agent.supervise.keeper import Keeper
from agent.supervise.outside import Outside
from agent.supervise.pairs import Pairs
from agent.supervise.pools import WINDOWS_PER_PAIR
from agent.supervise.recorders import Recorders
from agent.supervise.snapshots import Snapshots
from agent.supervise.specs import CAPTURE, RECORDER, capture_spec, frame_format, worker_specs
from agent.supervise.streams import StreamRun
from agent.supervise.takers import Taker
from agent.worker.args import Codec

_log = log.get_logger("site")

Wanted = Mapping[str, tuple[StreamConfig, Origin]]
WantedAlgorithms = Mapping[str, tuple[AlgorithmConfig, Origin]]


class Site:
    """Streams, algorithms, their children and their windows; `async with` ends them all at its exit."""

    def __init__(
        self,
        outside: Outside,
        catalog: Catalog,
        *,
        codec: Codec,
        limits: LimitsConfig,
        recordings: RecordingsConfig,
        state_dir: Path | None,
        log_settings: Callable[[], tuple[str, log.Style]],
    ) -> None:
        """Without a `state_dir` no window is kept, and nothing is recorded."""
        self.streams: dict[str, StreamRun] = {}
        self.algorithms: dict[str, AlgorithmRun] = {}
        self._outside = outside
        self._catalog = catalog
        self._codec: Codec = codec
        self.children = Children(self, log_settings)
        self._dispatcher = Dispatcher(self.children.post)
        self.snapshots = Snapshots(self.children.post)
        self._pairs = Pairs(self._dispatcher, self.children.post)
        self.admission = Admission(limits, self.streams, self.algorithms)
        keep = recorded = None
        if state_dir is not None:
            keep, recorded = state_dir / "crashes", recordings.folder or state_dir / "recordings"
        self._keeper = Keeper(keep, self._dispatcher, log_settings)
        self._recorders = Recorders(recordings, recorded, self.children, self._dispatcher, outside)
        self._crews = Crews(
            self.algorithms,
            self.children,
            self._dispatcher,
            self._pairs,
            outside,
            self._keeper,
            self._recorders,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.children.__aexit__(*error)
        await self._keeper.close()
        self._dispatcher.close()

    # --- what is wanted ---

    def want(self, streams: Wanted, algorithms: WantedAlgorithms) -> None:
        """These streams and algorithms and no others, from now on; what does not change is not touched."""
        for name in self.streams.keys() - streams.keys():
            del self.streams[name]
        for config, origin in streams.values():
            self._want_stream(config, origin)
        for name in self.algorithms.keys() - algorithms.keys():
            self._set_workers(self.algorithms.pop(name).workers(), ())
        for algorithm, made_by in algorithms.values():
            self._want_algorithm(algorithm, made_by)
        for run in self.streams.values():
            run.allow()
        self.settle()

    def _want_stream(self, config: StreamConfig, origin: Origin) -> None:
        run = self.streams.get(config.id)
        source = self._outside.redact(config.source)
        if run is None:
            run = self.streams[config.id] = StreamRun(config, origin, source)
        elif run.config != config:
            run.config, run.source = config, source
            if run.finished:
                run.to(StreamState.OPENING)
        run.origin = origin
        if config.paused:
            run.to(StreamState.PAUSED)
            run.cause = run.error = run.retry_in_s = None
        elif run.state is StreamState.PAUSED:
            run.to(StreamState.OPENING)

    def _want_algorithm(self, config: AlgorithmConfig, origin: Origin) -> None:
        run = self.algorithms.get(config.id)
        if run is None:
            run = self.algorithms[config.id] = AlgorithmRun(config, origin, self._outside.redact)
            self._set_workers((), run.workers())
        elif run.config != config:
            before = run.workers()
            run.config = config
            self._set_workers(before, run.workers())
        run.origin = origin

    def _set_workers(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        for name in before:
            if name not in after:
                self._dispatcher.remove_worker(name)
        for name in after:
            if name not in before:
                self._dispatcher.add_worker(name)

    def settle(self) -> None:
        """Bring pairs and children in line with what is wanted and possible."""
        specs: list[ChildSpec] = []
        for stream in self.streams.values():
            if stream.config.paused or stream.finished or stream.refusal:
                continue
            try:
                url = self._outside.expand(stream.config.source)
            except SecretError as err:
                stream.refuse(str(err))
                continue
            specs.append(capture_spec(stream.config, url, self._outside.rules(stream.config)))
        for algorithm in self.algorithms.values():
            algorithm.serve(self.streams)
        self._recorders.settle(self.algorithms)
        touched = self._pairs.settle(self._takers())
        for algorithm in self.algorithms.values():
            specs += self._algorithm_specs(algorithm)
        self.children.want(tuple(specs))
        for stream_id in touched:
            self._provide(self.streams[stream_id])
        self._crews.refresh_all()
        self._outside.on_change()

    def _takers(self) -> dict[str, Taker]:
        return {**self.algorithms, **self._recorders.takers}

    def _algorithm_specs(self, run: AlgorithmRun) -> tuple[ChildSpec, ...]:
        run.refusal = None
        if not run.streams:
            return ()
        try:
            kind = self._catalog.find(run.config.kind)
        except KindError as err:
            run.refusal = str(err)
            return ()
        return worker_specs(run, kind, self._codec) + self._recorders.specs(run, kind)

    def _provide(self, run: StreamRun) -> None:
        try:
            self._pairs.provide(run)
        except NoRoomError as err:
            _log.warning("stream.refused", stream=run.config.id, error=str(err))
            run.refuse(str(err))
            self.settle()

    # --- what can be asked ---

    def format_of(self, stream: str, config: AlgorithmConfig) -> FrameFormat | None:
        """The format of an algorithm's frames on a stream, None as long as its size is not known."""
        run = self.streams.get(stream)
        if config.size is None and (run is None or run.opened is None):
            return None
        size = (run.opened.width, run.opened.height) if run is not None and run.opened else (0, 0)
        return frame_format(config, size)

    def recorded_bytes(self, stream: str) -> int:
        """Shared memory that a recorder of this stream needs; 0 as long as its size is not known."""
        run = self.streams.get(stream)
        if run is None or run.opened is None:
            return 0
        return WINDOWS_PER_PAIR * FrameFormat(run.opened.width, run.opened.height, "bgr24").slot_bytes

    def restart_algorithm(self, algorithm: str) -> None:
        """Start the workers anew, also after too many failures."""
        self._crews.restart(algorithm)
        self._recorders.restart(algorithm)
        self.settle()

    def lent_bytes(self) -> int:
        """Shared memory in use."""
        return self._dispatcher.lent_bytes()

    def segments(self) -> list[dict[str, object]]:
        """The same, piece by piece, for people."""
        return self._dispatcher.segments()

    def tick(self) -> None:
        """Look at every child: limits of time, and what else no event tells."""
        now_ns = time.monotonic_ns()
        self._crews.tick(now_ns)
        self._recorders.tick(now_ns)
        self.admission.measure(now_ns / 1e9)
        self.children.reconcile()
        self._crews.refresh_all()
        if again := [run for run in self.streams.values() if run.may_be_allowed(now_ns / 1e9)]:
            for refused in again:
                refused.allow()
            self.settle()

    # --- what children say ---

    def first_args(self, spec: ChildSpec) -> tuple[object, ...]:
        """Where the predecessor left off; the streams of a worker."""
        if spec.name.startswith(CAPTURE):
            run = self.streams[spec.name.removeprefix(CAPTURE)]
            return ((run.generation, run.next_frame),)
        if spec.name.startswith(RECORDER):
            return ()
        return (tuple(pair.stream for pair in self._dispatcher.pairs_of(spec.name)),)

    def on_state(self, name: str) -> None:
        """A child's phase has changed."""
        phase = self.children.phase(name)
        if name.startswith(CAPTURE):
            stream = name.removeprefix(CAPTURE)
            if phase is Phase.STARTING:
                self.streams[stream].on_started()
                self._pairs.post_samples(stream, self._takers())
        elif name.startswith(RECORDER):
            self._recorders.on_state(name)
        else:
            self._crews.on_state(name)
        self._outside.on_change()

    def on_message(self, name: str, message: Message) -> bool:
        """Route what a child said; whether it shows that the child works as it should."""
        if name.startswith(CAPTURE):
            return self._on_capture(name.removeprefix(CAPTURE), message)
        if name.startswith(RECORDER):
            return self._recorders.on_message(name, message)
        return self._crews.on_message(name, message)

    def _on_capture(self, stream: str, message: Message) -> bool:
        if isinstance(message, Filled):
            self._dispatcher.filled(stream, message)
            return True
        run = self.streams.get(stream)
        if run is None:
            return False
        match message:
            case Counts():
                run.on_counts(message)
                return message.healthy
            case Opened():
                run.on_opened(message)
                _log.info("stream.opened", stream=stream, codec=message.codec, width=message.width)
                self._provide(run)
            case Trouble():
                run.on_trouble(message)
                _log.warning("stream.trouble", stream=stream, cause=message.cause, error=message.text)
                self._pairs.silence(stream)
            case Ended():
                run.on_ended()
                _log.info("stream.ended", stream=stream)
                self._pairs.silence(stream)
                self.settle()
            case SnapshotTaken():
                self.snapshots.taken(message)
                return True
            case _:
                _log.warning("child.nonsense", child=stream, message=type(message).__name__)
        self._outside.on_change()
        return False

    def on_exit(self, name: str, reason: str, *, asked: bool) -> None:
        """A child is gone: its windows come back, its status says why."""
        if name.startswith(CAPTURE):
            stream = name.removeprefix(CAPTURE)
            self._pairs.stream_gone(stream)
            self.snapshots.stream_gone(stream)
            if stream in self.streams:
                self.streams[stream].on_exit(reason, asked=asked)
        elif name.startswith(RECORDER):
            self._recorders.on_exit(name, reason, asked=asked)
        else:
            self._crews.on_exit(name, reason, asked=asked)
        self._outside.on_change()
