"""What is known of one stream: fed by its capture process, read as its status."""

import math
import time
from dataclasses import dataclass, field

from agent.backoff import Backoff
from agent.config.streams import StreamConfig
from agent.contract.status import FrameCounts, Origin, StreamState, StreamStatus
from agent.errors import Cause
from agent.ipc.messages import Counts, Opened, Trouble
from agent.schedule.load import ASSUMED, ASSUMED_KEY_INTERVAL_S, StreamCost

_COUNTED = ("received", "wanted", "not_wanted", "skipped_busy", "skipped_stale", "corrupt")
_RATE_SPELL_S = 5.0  # rates are measured over spells of about this length


def now_us() -> int:
    """Wall time, microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class _Rates:
    """What happens in a second, measured between two counts."""

    at_s: float = 0.0
    last: Counts | None = None
    fps: float | None = None
    fps_decoded: float | None = None
    bitrate_bps: float | None = None
    cpu: float | None = None
    decode_s: float | None = None  # of one frame: stays when nothing was decoded

    def count(self, counts: Counts, now_s: float) -> None:
        last, elapsed_s = self.last, now_s - self.at_s
        if last is not None and elapsed_s < _RATE_SPELL_S and self.fps is not None:
            return
        if last is not None and elapsed_s > 0.0:
            decoded = counts.decoded - last.decoded
            self.fps = (counts.received - last.received) / elapsed_s
            self.fps_decoded = decoded / elapsed_s
            self.bitrate_bps = 8 * (counts.received_bytes - last.received_bytes) / elapsed_s
            self.cpu = (counts.cpu_ns - last.cpu_ns) / 1e9 / elapsed_s
            if decoded:
                self.decode_s = (counts.decode_ns - last.decode_ns) / 1e9 / decoded
        self.at_s, self.last = now_s, counts


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
    _patience: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, cap_s=120.0))
    _allowed_s: float = 0.0  # when it was last allowed after a refusal, and when it is again; monotonic
    _retry_s: float = 0.0
    _before: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((*_COUNTED, "reopened", "decoded", "cpu_ns", "decode_ns"), 0)
    )
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

    def cost(self) -> StreamCost | None:
        """What it was measured to cost; None as long as it was not."""
        counts, rates = self._counts, self._rates
        if counts is None or not rates.fps or rates.cpu is None:
            return None
        decode_s = rates.decode_s if rates.decode_s is not None else ASSUMED.decode_s
        decoding = decode_s * (rates.fps_decoded or 0.0)
        return StreamCost(
            fps=rates.fps,
            played_fps=min(rates.fps, self.config.fps or rates.fps),
            # A note says that every frame is decoded, and why.
            key_interval_s=math.inf if counts.note else counts.key_interval_s or ASSUMED_KEY_INTERVAL_S,
            decode_s=decode_s,
            base_cores=max(0.0, rates.cpu - decoding),
        )

    def refuse(self, why: str) -> None:
        """It cannot run as it is configured, or not now: there may be room later, or the secret."""
        now_s = time.monotonic()
        self._patience = self._patience.after_failure(lasted_s=now_s - self._allowed_s)
        delay_s = self._patience.delay_s(1.0)
        self.refusal, self._retry_s = why, now_s + delay_s
        self.error, self.cause, self.retry_in_s = why, None, delay_s
        self.to(StreamState.REFUSED)

    def allow(self) -> None:
        """What it was refused for may be otherwise now."""
        if self.refusal is not None:
            self.refusal = self.error = self.retry_in_s = None
            self._allowed_s = time.monotonic()
            self.to(StreamState.OPENING)

    def may_be_allowed(self, now_s: float) -> bool:
        """Whether it is time to look again."""
        return self.refusal is not None and now_s >= self._retry_s

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
            fps=_rounded(rates.fps, 2) if running else None,
            fps_decoded=_rounded(rates.fps_decoded, 2) if running else None,
            bitrate_bps=_rounded(rates.bitrate_bps, 0) if running else None,
            cpu=_rounded(rates.cpu, 4) if running else None,
            cpu_s=round(total["cpu_ns"] / 1e9, 3),
            decode_s=round(total["decode_ns"] / 1e9, 3),
            decode_ms=None if rates.decode_s is None else round(rates.decode_s * 1e3, 3),
            decoded=total["decoded"],
            key_interval_s=_rounded(counts.key_interval_s, 3) or None if counts is not None else None,
            note=(counts.note or None) if counts is not None else None,
            generation=self.generation,
            reopened=total["reopened"],
            frames=FrameCounts(**{name: total[name] for name in _COUNTED}),
        )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
