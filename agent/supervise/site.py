"""All that runs on this device: what is wanted goes in, results and status come out."""

import time
from collections.abc import Callable, Mapping
from typing import Self

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.config.tables import LimitsConfig
from agent.contract.status import AlgorithmState, Origin, StreamState
from agent.errors import KindError, NoRoomError, SecretError
from agent.frames import FrameFormat
from agent.ipc.message import Message
from agent.ipc.messages import (
    Counts,
    Done,
    Ended,
    Failed,
    Filled,
    Opened,
    Ready,
    SnapshotTaken,
    StartFailed,
    Trouble,
)
from agent.supervise.admission import Admission
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.catalog import Catalog
from agent.supervise.children import Children
from agent.supervise.decide import ChildSpec, Phase
from agent.supervise.dispatch import Dispatcher
from agent.supervise.outside import Outcome, Outside
from agent.supervise.pairs import Pairs
from agent.supervise.snapshots import Snapshots
from agent.supervise.specs import CAPTURE, WORKER, capture_spec, frame_format, worker_specs
from agent.supervise.streams import StreamRun
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
        log_settings: Callable[[], tuple[str, log.Style]],
    ) -> None:
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
        self._explained: set[str] = set()  # workers whose end is known to be a fault already reported

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.children.__aexit__(*error)
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
            if run.state is StreamState.REFUSED:
                run.refuse(None)  # there may be room now, or the secret
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
            specs.append(capture_spec(stream.config, url))
        touched = self._pairs.settle(self.streams, self.algorithms)
        for algorithm in self.algorithms.values():
            specs += self._algorithm_specs(algorithm)
        self.children.want(tuple(specs))
        for stream_id in touched:
            self._provide(self.streams[stream_id])
        for name in self.algorithms:
            self._refresh(name)
        self._outside.on_change()

    def _algorithm_specs(self, run: AlgorithmRun) -> tuple[ChildSpec, ...]:
        run.refusal = None
        if not run.streams:
            return ()
        try:
            kind = self._catalog.find(run.config.kind)
        except KindError as err:
            run.refusal = str(err)
            return ()
        return worker_specs(run, kind, self._codec)

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

    def restart_algorithm(self, algorithm: str) -> None:
        """Start the workers anew, also after too many failures."""
        run = self.algorithms[algorithm]
        run.error = run.trace = run.error_us = None
        for worker in run.workers():
            self.children.restart(worker)
        self.settle()

    def lent_bytes(self) -> int:
        """Shared memory in use."""
        return self._dispatcher.lent_bytes()

    def tick(self) -> None:
        """Look at every child: limits of time, and what else no event tells."""
        now_ns = time.monotonic_ns()
        for run in self.algorithms.values():
            for worker in run.workers():
                if self._dispatcher.running_ns(worker, now_ns) > run.config.timeout_s * 1e9:
                    run.on_timeout()
                    self._explained.add(worker)
                    self.children.kill(worker, "a run took too long and was killed")
            run.measure(now_ns / 1e9)
        self.admission.measure(now_ns / 1e9)
        self.children.reconcile()
        for name in self.algorithms:
            self._refresh(name)

    # --- what children say ---

    def first_args(self, spec: ChildSpec) -> tuple[object, ...]:
        """Where the predecessor left off; the streams of a worker."""
        if spec.name.startswith(CAPTURE):
            run = self.streams[spec.name.removeprefix(CAPTURE)]
            return ((run.generation, run.next_frame),)
        return (tuple(pair.stream for pair in self._dispatcher.pairs_of(spec.name)),)

    def on_state(self, name: str) -> None:
        """A child's phase has changed."""
        phase = self.children.phase(name)
        if name.startswith(CAPTURE):
            stream = name.removeprefix(CAPTURE)
            if phase is Phase.STARTING:
                self.streams[stream].on_started()
                self._pairs.post_samples(stream, self.algorithms)
        elif (run := self._run_of(name)) is not None:
            if phase is Phase.STARTING:
                run.on_started(name)
            elif phase is Phase.STOPPING:
                run.ready.discard(name)
                self._dispatcher.worker_stops(name)
            self._refresh(run.config.id)
        self._outside.on_change()

    def on_message(self, name: str, message: Message) -> bool:
        """Route what a child said; whether it shows that the child works as it should."""
        if name.startswith(CAPTURE):
            return self._on_capture(name.removeprefix(CAPTURE), message)
        return self._on_worker(name, message)

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

    def _on_worker(self, name: str, message: Message) -> bool:
        run = self._run_of(name)
        match message:
            case Done() | Failed():
                window = self._dispatcher.done(name, message)
                if window is None or run is None or window.pair not in self._pairs:
                    return True
                if isinstance(message, Failed):
                    run.on_failed(message, window.skipped)
                    _log.warning("run.failed", algorithm=run.config.id, error=run.error)
                    self._outside.on_change()
                else:
                    run.on_done(message, window.skipped)
                    self._outside.on_result(
                        Outcome(window, run.config.kind, run.version, message.data, message.json)
                    )
                return True
            case Ready(version) if run is not None:
                run.version = version
                run.ready.add(name)
                self._dispatcher.worker_ready(name)
            case StartFailed() if run is not None:
                run.on_start_failed(message)
                self._explained.add(name)
                self.children.failed(name, f"could not start: {run.error}")
            case _:
                _log.warning("child.nonsense", child=name, message=type(message).__name__)
        if run is not None:
            self._refresh(run.config.id)
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
        else:
            if (lost := self._dispatcher.worker_gone(name)) is not None:
                _log.warning("window.lost", worker=name, stream=lost.pair.stream, reason=reason)
            if (run := self._run_of(name)) is not None:
                run.ready.discard(name)
                if not asked and name not in self._explained:
                    run.on_crash(reason)
                self._refresh(run.config.id)
            self._explained.discard(name)
        self._outside.on_change()

    def _run_of(self, worker: str) -> AlgorithmRun | None:
        return self.algorithms.get(worker.removeprefix(WORKER).rpartition("/")[0])

    def _refresh(self, algorithm: str) -> None:
        """The state of an algorithm, from that of its workers."""
        run = self.algorithms.get(algorithm)
        if run is None:
            return
        workers = run.workers()
        waits = [wait for name in workers if (wait := self.children.retry_in_s(name)) is not None]
        run.retry_in_s = round(min(waits), 1) if waits else None
        if run.refusal:
            run.to(AlgorithmState.REFUSED)
        elif not run.streams:
            run.to(AlgorithmState.IDLE)
        elif any(self.children.is_broken(name) for name in workers):
            run.retry_in_s = None
            run.to(AlgorithmState.BROKEN)
        elif run.ready:
            run.to(AlgorithmState.RUNNING)
        elif waits or run.crashes or run.timeouts:
            run.to(AlgorithmState.RETRYING)
        else:
            run.to(AlgorithmState.STARTING)
