"""What is known of one stream: fed by its capture process, read as its status."""

import time
from dataclasses import dataclass, field

from agent.config.streams import StreamConfig
from agent.contract.status import FrameCounts, Origin, StreamState, StreamStatus
from agent.errors import Cause
from agent.ipc.messages import Counts, Opened, Trouble

_COUNTED = ("received", "wanted", "not_wanted", "skipped_busy", "skipped_stale", "corrupt")
_RATE_SPELL_S = 5.0  # rates are measured over spells of about this length


def now_us() -> int:
    """Wall time, microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class _Rates:
    """Frames and bits a second, measured between two counts."""

    at_s: float = 0.0
    received: int = 0
    decoded: int = 0
    received_bytes: int = 0
    fps: float | None = None
    fps_decoded: float | None = None
    bitrate_bps: float | None = None

    def count(self, counts: Counts, now_s: float) -> None:
        elapsed_s = now_s - self.at_s
        if self.at_s and elapsed_s < _RATE_SPELL_S and self.fps is not None:
            return
        if self.at_s and elapsed_s > 0.0:
            self.fps = round((counts.received - self.received) / elapsed_s, 2)
            self.fps_decoded = round((counts.decoded - self.decoded) / elapsed_s, 2)
            self.bitrate_bps = round(8 * (counts.received_bytes - self.received_bytes) / elapsed_s)
        self.at_s, self.received, self.decoded = now_s, counts.received, counts.decoded
        self.received_bytes = counts.received_bytes


@dataclass(slots=True, eq=False)
class StreamRun:
    """One wanted stream. Counters go on over the lives of its capture processes."""

    config: StreamConfig
    origin: Origin
    source: str  # redacted
    state: StreamState = StreamState.OPENING
    since_us: int = field(default_factory=now_us)
    cause: Cause | None = None
    error: str | None = None
    retry_in_s: float | None = None
    opened: Opened | None = None
    generation: int = 0
    next_frame: int = 0
    refusal: str | None = None  # why it cannot run as it is configured
    _before: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_COUNTED, "reopened"), 0))
    _counts: Counts | None = None
    _rates: _Rates = field(default_factory=_Rates)

    @property
    def live(self) -> bool:
        """Whether it gives frames."""
        return self.opened is not None

    @property
    def finished(self) -> bool:
        """Whether it was played to its end, and is not to be opened again."""
        return self.state is StreamState.ENDED

    def to(self, state: StreamState) -> None:
        """A change of state."""
        if state is not self.state:
            self.state = state
            self.since_us = now_us()

    def on_started(self) -> None:
        """A capture process begins."""
        if self.state not in (StreamState.RETRYING, StreamState.OPENING):
            self.to(StreamState.OPENING)

    def on_opened(self, opened: Opened) -> None:
        """The source is open."""
        self.opened, self.generation = opened, opened.generation
        self.cause = self.error = self.retry_in_s = None
        self.to(StreamState.RUNNING)

    def on_trouble(self, trouble: Trouble) -> None:
        """The source gives no frames, and is opened again after a while."""
        self.cause, self.error = Cause(trouble.cause), trouble.text
        self.opened, self.retry_in_s = None, round(trouble.retry_in_s, 1)
        self.to(StreamState.RETRYING)

    def on_ended(self) -> None:
        """Played to its end."""
        self.opened, self.retry_in_s = None, None
        self.cause, self.error = Cause.ENDED, None
        self.to(StreamState.ENDED)

    def on_counts(self, counts: Counts) -> None:
        """The process' totals."""
        self._counts = counts
        self.next_frame = counts.next_frame
        self._rates.count(counts, time.monotonic())

    def on_exit(self, reason: str, *, asked: bool) -> None:
        """The capture process is gone: the next one counts on from here."""
        if self._counts is not None:
            for name in self._before:
                self._before[name] += getattr(self._counts, name)
        self._counts, self._rates, self.opened = None, _Rates(), None
        if not asked and not self.finished:
            self.cause, self.error = Cause.TIMEOUT, f"the capture process {reason}"
            self.to(StreamState.RETRYING)

    def refuse(self, why: str | None) -> None:
        """It cannot run as it is configured; None: it can."""
        self.refusal = why
        if why is not None:
            self.error, self.cause, self.retry_in_s = why, None, None
            self.to(StreamState.REFUSED)
        elif self.state is StreamState.REFUSED:
            self.error = None
            self.to(StreamState.OPENING)

    def status(self) -> StreamStatus:
        """As it is published."""
        counts, opened, rates = self._counts, self.opened, self._rates
        total = {
            name: before + (getattr(counts, name) if counts is not None else 0)
            for name, before in self._before.items()
        }
        running = self.state is StreamState.RUNNING
        return StreamStatus(
            id=self.config.id,
            state=self.state,
            since=self.since_us,
            origin=self.origin,
            source=self.source,
            cause=self.cause,
            error=self.error,
            retry_in_s=self.retry_in_s,
            backend=opened.backend if opened else None,
            hwaccel=opened.hwaccel if opened else None,
            hwaccel_note=(opened.hwaccel_note or None) if opened else None,
            width=opened.width if opened else None,
            height=opened.height if opened else None,
            codec=opened.codec if opened else None,
            fps=rates.fps if running else None,
            fps_decoded=rates.fps_decoded if running else None,
            bitrate_bps=rates.bitrate_bps if running else None,
            generation=self.generation,
            reopened=total["reopened"],
            frames=FrameCounts(**{name: total[name] for name in _COUNTED}),
        )
