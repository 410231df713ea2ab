"""The body of a capture process: what was read is decoded, what is due and wanted goes into slots."""

import selectors
import time
from collections.abc import Callable

from agent.capture.accounting import Accounting, Fate
from agent.capture.lending import Lending
from agent.capture.played import History, Played
from agent.capture.reader import Event, Inbox, Reader, SourceFailed, SourceOpened, UnitsDropped
from agent.capture.source import Picture, Source, Unit
from agent.errors import Cause, ChannelClosedError, SourceError
from agent.frames.format import FrameFormat
from agent.frames.slots import Slots
from agent.ipc.channel import Channel
from agent.ipc.message import Message
from agent.ipc.messages import (
    Counts,
    Ended,
    Filled,
    Lend,
    Opened,
    Release,
    Retire,
    Sample,
    SampleSpec,
    SnapshotTaken,
    Stop,
    TakeSnapshot,
    Trouble,
    Want,
)
from agent.sampling import Sampler, Sampling, Thinner

BEAT_S = 1.0
FRESH_NS = 1_000_000_000  # a want that comes late is served with a frame no older than this
STUCK_MARGIN_S = 10.0
HOPELESS_FAILURES = 500  # bad packets in a row, twenty seconds of video: the source is opened anew


class CaptureLoop:
    """Everything a capture process does between its start and `Stop`."""

    def __init__(
        self,
        channel: Channel,
        inbox: Inbox,
        reader: Reader,
        *,
        fps: float | None,
        stuck_after_s: float,
        generation: int,
        next_frame: int,
    ) -> None:
        self._channel = channel
        self._inbox = inbox
        self._reader = reader
        self._fps = fps
        self._stuck_after_s = stuck_after_s
        self._generation = generation
        self._next_frame = next_frame
        self._accounting = Accounting()
        self._lending = Lending(self._accounting)
        self._history = History()
        self._samplers: dict[str, tuple[SampleSpec, Sampler]] = {}
        self._source: Source | None = None
        self._size = (0, 0)
        self._thinner = Thinner(None)
        self._decoded = 0
        self._decode_ns = 0
        self._bytes = 0
        self._reopened = 0
        self._bad_in_a_row = 0
        self._next_beat_s = 0.0
        self._stopping = False

    def run(self) -> None:
        """Until `Stop`, or until the agent is gone."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._channel, selectors.EVENT_READ)
                selector.register(self._inbox, selectors.EVENT_READ)
                while not self._stopping:
                    self._beat()
                    timeout_s = max(0.0, self._next_beat_s - time.monotonic())
                    for key, _ in selector.select(timeout_s):
                        if key.fileobj is self._channel:
                            for message, fds in self._channel.receive(block=False):
                                self._on_message(message, fds)
                        elif (event := self._inbox.pop()) is not None:
                            self._on_event(event)
        except ChannelClosedError:
            return  # the agent is gone, and the reason for this process with it

    # --- what the agent says ---

    def _on_message(self, message: Message, fds: tuple[int, ...]) -> None:
        match message:
            case Sample(specs):
                self._sample(specs)
            case Lend():
                frame_format = FrameFormat(message.width, message.height, message.pixel_format)
                self._lending.lend(message.pool, Slots(frame_format, message.count, fds[0], writable=True))
                self._serve_all()
            case Retire(pool):
                self._lending.retire(pool)
            case Want(algorithm, ticket):
                if algorithm in self._samplers:
                    self._samplers[algorithm][1].want(ticket)
                    self._serve_late(algorithm)
            case Release(ticket, used):
                self._lending.release(ticket, used=used)
                self._serve_all()
            case TakeSnapshot():
                self._channel.send(self._snapshot(message))
            case Stop():
                self._stopping = True

    def _sample(self, specs: tuple[SampleSpec, ...]) -> None:
        kept = {spec.algorithm: self._samplers.get(spec.algorithm) for spec in specs}
        self._samplers = {}
        for spec in specs:
            before = kept[spec.algorithm]
            if before is not None and before[0][:5] == spec[:5]:
                self._samplers[spec.algorithm] = (spec, before[1])
            else:
                sampling = Sampling(spec.frame_count, spec.frame_step, spec.interval_s)
                sampler = Sampler(sampling)
                self._samplers[spec.algorithm] = (spec, sampler)
        self._history.resize(max((s.sampling.span for _, s in self._samplers.values()), default=1))

    # --- what the reader says ---

    def _on_event(self, event: Event) -> None:
        match event:
            case SourceOpened(source):
                self._source = source
                self._size = (0, 0)
                self._thinner = Thinner(self._fps, source.info.fps)
                self._begin_generation(source.info.width, source.info.height)
            case SourceFailed(error, retry_in_s):
                self._drain()
                self._source = None
                if retry_in_s is None:
                    self._send_counts(healthy=False)
                    self._channel.send(Ended())
                else:
                    self._reopened += 1
                    self._channel.send(Trouble(error.cause.value, str(error), retry_in_s))
            case UnitsDropped(count):
                for _ in range(count):
                    self._accounting.arrived(Fate.BUSY)
            case _:
                self._on_unit(event)

    def _on_unit(self, unit: Unit) -> None:
        if self._source is None:
            return
        self._accounting.arrived()
        self._bytes += unit.size
        self._decode(self._source, lambda source: source.decode(unit))

    def _drain(self) -> None:
        if self._source is not None and not self._source.info.live:
            self._decode(self._source, lambda source: source.flush())

    def _decode(self, source: Source, step: Callable[[Source], list[Picture]]) -> None:
        began_ns = time.thread_time_ns()
        try:
            pictures = step(source)
        except SourceError as err:
            self._accounting.moved(Fate.NOT_WANTED, Fate.CORRUPT)
            self._next_frame += 1
            self._bad_in_a_row += 1
            if err.cause is not Cause.CORRUPT or self._bad_in_a_row == HOPELESS_FAILURES:
                self._reader.give_up(err)
            return
        finally:
            self._decode_ns += time.thread_time_ns() - began_ns
        if pictures:
            self._bad_in_a_row = 0
        for picture in pictures:
            self._decoded += 1
            self._on_picture(picture)

    def _on_picture(self, picture: Picture) -> None:
        if (picture.width, picture.height) != self._size:
            if self._size != (0, 0):
                self._begin_generation(picture.width, picture.height)
            self._size = (picture.width, picture.height)
        frame = Played(picture, self._next_frame)
        self._next_frame += 1
        if not self._thinner.played(picture.pts_s):
            return
        self._history.append(frame)
        for algorithm, (_, sampler) in self._samplers.items():
            sampled = sampler.frame(picture.pts_s)
            if not self._serve(algorithm) and sampled and sampler.full:
                frame.settle(Fate.BUSY, self._accounting)

    def _begin_generation(self, width: int, height: int) -> None:
        assert self._source is not None  # noqa: S101  for the type checker: only an open source begins one
        self._generation += 1
        self._history.clear()
        self._lending.forget_contents()
        for _, sampler in self._samplers.values():
            sampler.begin_generation()
        info = self._source.info
        self._size = (width, height)
        self._channel.send(
            Opened(
                generation=self._generation,
                width=width,
                height=height,
                codec=info.codec,
                fps=info.fps or 0.0,
                backend=info.backend,
                hwaccel=info.hwaccel,
                hwaccel_note=info.hwaccel_note,
                live=info.live,
            )
        )

    # --- windows ---

    def _serve_all(self) -> None:
        for algorithm in self._samplers:
            self._serve_late(algorithm)

    def _serve_late(self, algorithm: str) -> None:
        newest = self._history.newest
        if newest is not None and time.monotonic_ns() - newest.picture.stamp.mono_ns < FRESH_NS:
            self._serve(algorithm)

    def _serve(self, algorithm: str) -> bool:
        """Hand over the window that is due and wanted, if there is one; whether there was."""
        spec, sampler = self._samplers[algorithm]
        frame_format = self._format(spec)
        if not sampler.wanted or not self._lending.offers(frame_format):
            return False
        window = self._history.window(sampler.sampling.offsets())
        if window is None or not self._lending.has_room(window, frame_format):
            return False
        take = sampler.take()
        if take is None:
            return False
        newest = window[-1].picture
        self._channel.send(
            Filled(
                take.ticket,
                algorithm,
                self._generation,
                self._lending.fill(take.ticket, window, frame_format),
                take.skipped,
                newest.stamp.mono_ns + int(sampler.until_next_s() * 1e9),
            )
        )
        return True

    def _format(self, spec: SampleSpec) -> FrameFormat:
        width, height = (spec.width, spec.height) if spec.width else self._size
        if spec.pixel_format == "nv12":
            width, height = width - width % 2, height - height % 2
        return FrameFormat(width, height, spec.pixel_format)

    def _snapshot(self, ask: TakeSnapshot) -> SnapshotTaken:
        newest = self._history.newest
        if newest is None:
            return SnapshotTaken(ask.request, b"", 0, 0, 0, 0.0, 0, "the stream has given no frame yet")
        picture = newest.picture
        try:
            jpeg = picture.jpeg(ask.quality, ask.max_width or None)
        except SourceError as err:
            return SnapshotTaken(ask.request, b"", 0, 0, 0, 0.0, 0, str(err))
        scale = min(1.0, ask.max_width / picture.width) if ask.max_width else 1.0
        return SnapshotTaken(
            ask.request,
            jpeg,
            round(picture.width * scale),
            round(picture.height * scale),
            newest.number,
            picture.pts_s,
            picture.stamp.wall_us,
            "",
        )

    # --- sign of life ---

    def _beat(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_beat_s:
            return
        self._next_beat_s = now_s + BEAT_S
        # A reader that hangs beyond all its time limits takes the beat with it: the agent then kills us.
        if self._reader.stuck_s() < self._stuck_after_s + STUCK_MARGIN_S:
            self._send_counts(healthy=self._source is not None)

    def _send_counts(self, *, healthy: bool) -> None:
        of = self._accounting.of
        self._channel.send(
            Counts(
                received=self._accounting.received,
                wanted=of(Fate.WANTED),
                not_wanted=of(Fate.NOT_WANTED),
                skipped_busy=of(Fate.BUSY),
                skipped_stale=of(Fate.STALE),
                corrupt=of(Fate.CORRUPT),
                decoded=self._decoded,
                decode_ns=self._decode_ns,
                received_bytes=self._bytes,
                cpu_ns=time.process_time_ns(),
                reopened=self._reopened,
                next_frame=self._next_frame,
                key_interval_s=0.0,
                note="",
                healthy=healthy,
            )
        )
