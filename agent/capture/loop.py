"""The body of a capture process: what is due and wanted is decoded and goes into slots, and nothing else."""

import selectors
import time

from agent.capture import memory
from agent.capture.accounting import Accounting, Fate
from agent.capture.lending import Lending
from agent.capture.lines import Lines
from agent.capture.playing import Playing
from agent.capture.reader import Event, Inbox, Reader, SourceFailed, SourceOpened, UnitsDropped
from agent.capture.source import SourceInfo, Unit
from agent.errors import ChannelClosedError, SourceError
from agent.frames.format import FrameFormat
from agent.frames.slots import Slots
from agent.ipc.channel import Channel
from agent.ipc.message import Message
from agent.ipc.messages import (
    Counts,
    Ended,
    Lend,
    Opened,
    Release,
    Retire,
    Sample,
    SnapshotTaken,
    Stop,
    TakeSnapshot,
    Trouble,
    Want,
)

BEAT_S = 1.0
PATIENCE_S = 0.05  # the agent is answered after this, however much was read
STUCK_MARGIN_S = 10.0


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
        self._lines = Lines(
            self._accounting, self._lending, send=channel.send, on_size=self._begin_generation
        )
        self._info: SourceInfo | None = None
        self._playing: Playing | None = None
        self._decoded = 0  # of the sources before
        self._decode_ns = 0
        self._bytes = 0
        self._reopened = 0
        self._next_beat_s = 0.0
        self._stopping = False
        self._decoded_then = 0  # at the last beat, to see whether decoding goes on
        self._untidy = False

    def run(self) -> None:
        """Until `Stop`, or until the agent is gone."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._channel, selectors.EVENT_READ)
                selector.register(self._inbox, selectors.EVENT_READ)
                while not self._stopping:
                    self._beat()
                    timeout_s = max(0.0, self._next_beat_s - time.monotonic())
                    ready = selector.select(timeout_s)
                    self._take_in()
                    if any(key.fileobj is self._channel for key, _ in ready):
                        for message, fds in self._channel.receive(block=False):
                            self._on_message(message, fds)
                    self._rest()
        except ChannelClosedError:
            return  # the agent is gone, and the reason for this process with it

    # --- what the agent says ---

    def _on_message(self, message: Message, fds: tuple[int, ...]) -> None:
        match message:
            case Sample(specs):
                self._lines.sample(specs)
            case Lend():
                frame_format = FrameFormat(message.width, message.height, message.pixel_format)
                self._lending.lend(message.pool, Slots(frame_format, message.count, fds[0], writable=True))
                self._lines.serve_all()
            case Retire(pool):
                self._lending.retire(pool)
            case Want(algorithm, ticket):
                self._lines.want(algorithm, ticket)
            case Release(ticket, used):
                self._lending.release(ticket, used=used)
                self._lines.serve_all()
            case TakeSnapshot():
                self._channel.send(self._snapshot(message))
            case Stop():
                self._stopping = True

    # --- what the reader says ---

    def _take_in(self) -> None:
        """Look at what has been read, at most so much that the agent need not wait long for an answer."""
        began_s = time.monotonic()
        while (event := self._inbox.pop()) is not None:
            self._on_event(event)
            if time.monotonic() - began_s > PATIENCE_S:
                return

    def _rest(self) -> None:
        """Say what the reader has to wake this loop for."""
        if self._playing is not None:
            self._inbox.rest_until(self._playing.rests_until_s)

    def _on_event(self, event: Event) -> None:
        match event:
            case SourceOpened(source):
                self._info = source.info
                self._lines.open(self._fps, source.info.fps)
                self._playing = Playing(
                    source,
                    self._lines,
                    self._accounting,
                    self._lines.keys,
                    next_number=self._next_frame,
                    give_up=self._reader.give_up,
                    alive=self._beat,
                )
                self._lines.stage = self._playing
                self._begin_generation(source.info.width, source.info.height)
            case SourceFailed(error, retry_in_s):
                self._close()
                if retry_in_s is None:
                    self._send_counts(healthy=False)
                    self._channel.send(Ended())
                else:
                    self._reopened += 1
                    self._channel.send(Trouble(error.cause.value, str(error), retry_in_s))
            case UnitsDropped(count):
                for _ in range(count):
                    self._accounting.arrived(Fate.BUSY)
                if self._playing is not None:
                    self._playing.lost(count)
            case _:
                self._on_unit(event)

    def _on_unit(self, unit: Unit) -> None:
        if self._playing is not None:
            self._bytes += unit.size
            self._playing.arrive(unit)

    def _close(self) -> None:
        """The source is closed; of a file, what is on its way is still shown."""
        playing = self._playing
        if playing is None or self._info is None:
            return
        if not self._info.live:
            playing.end()
        self._next_frame = playing.next_number
        self._decoded += playing.decoded
        self._decode_ns += playing.decode_ns
        playing.close()
        self._lines.drop_wants()
        self._playing = self._lines.stage = None

    def _begin_generation(self, width: int, height: int) -> None:
        """A source was opened, or its picture has another size."""
        assert self._info is not None  # noqa: S101  for the type checker: only an open source begins one
        assert self._playing is not None  # noqa: S101
        self._generation += 1
        self._lines.begin_generation(self._generation, (width, height))
        info = self._info
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

    def _snapshot(self, ask: TakeSnapshot) -> SnapshotTaken:
        def none(why: str) -> SnapshotTaken:
            return SnapshotTaken(ask.request, b"", 0, 0, 0, 0.0, 0, why)

        newest = None if self._playing is None else self._playing.newest
        if newest is None or self._playing is None:
            return none("the stream has given no frame yet")
        if not self._playing.produce([newest]) or newest.picture is None:
            return none("the newest frame cannot be decoded")
        picture = newest.picture
        try:
            jpeg = picture.jpeg(ask.quality, ask.max_width or None)
        except SourceError as err:
            return none(str(err))
        scale = min(1.0, ask.max_width / picture.width) if ask.max_width else 1.0
        return SnapshotTaken(
            ask.request,
            jpeg,
            round(picture.width * scale),
            round(picture.height * scale),
            newest.number,
            newest.pts_s,
            newest.stamp.wall_us,
            "",
        )

    # --- sign of life ---

    def _beat(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_beat_s:
            return
        self._next_beat_s = now_s + BEAT_S
        self._tidy()
        # A reader that hangs beyond all its time limits takes the beat with it: the agent then kills us.
        if self._reader.stuck_s() < self._stuck_after_s + STUCK_MARGIN_S:
            self._send_counts(healthy=self._playing is not None)

    def _tidy(self) -> None:
        """Give back the memory of what was decoded, unless decoding goes on."""
        decoded = 0 if self._playing is None else self._playing.decoded
        if decoded != self._decoded_then:
            self._decoded_then = decoded
            self._untidy = True
        elif self._untidy:
            self._untidy = False
            memory.give_back()

    def _send_counts(self, *, healthy: bool) -> None:
        of, playing = self._accounting.of, self._playing
        self._channel.send(
            Counts(
                received=self._accounting.received,
                wanted=of(Fate.WANTED),
                not_wanted=of(Fate.NOT_WANTED),
                skipped_busy=of(Fate.BUSY),
                skipped_stale=of(Fate.STALE),
                corrupt=of(Fate.CORRUPT),
                decoded=self._decoded + (playing.decoded if playing else 0),
                decode_ns=self._decode_ns + (playing.decode_ns if playing else 0),
                received_bytes=self._bytes,
                cpu_ns=time.process_time_ns(),
                reopened=self._reopened,
                next_frame=playing.next_number if playing else self._next_frame,
                key_interval_s=self._lines.keys.interval_s or 0.0,
                note=playing.note if playing else "",
                healthy=healthy,
            )
        )
