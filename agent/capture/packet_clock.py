"""The times of packets, in seconds, where a container gives them, and filled in where it does not.

They go on without a gap where a file begins again, where the clock of a camera is set, and where its counter
wraps: nobody downstream has to know of it.
"""

import math
from fractions import Fraction

_BACK_S = 1.0  # decoding times never fall: beyond this it is another clock, not a rounding
_AHEAD_S = 10.0  # beyond the time that has passed meanwhile: the clock was set, no frames are missing


class PacketClock:
    """Turns ticks into seconds; a file that begins again goes on in time without a gap."""

    def __init__(self, time_base: Fraction, step_s: float) -> None:
        self._numerator, self._denominator = time_base.numerator, time_base.denominator
        self._step_s = step_s  # between two frames, where the container does not say
        self._last_dts_s: float | None = None
        self._last_arrival_s: float | None = None
        self._begin_s: float | None = None  # of this lap, in the container's time before any jump
        self._jumped = False
        self._end_s = 0.0  # of the last frame shown
        self.lap = 0
        self.shift_s = 0.0  # added to the container's times

    @property
    def idle(self) -> bool:
        """Whether no packet came in this lap."""
        return self._begin_s is None

    def times(
        self, pts: int | None, dts: int | None, duration: int | None, arrival_s: float | None = None
    ) -> tuple[float | None, float]:
        """Presentation time (None where the container has none) and decoding time, which never falls.

        `arrival_s`: when a packet of a live source arrived, monotonic seconds.
        """
        raw_pts_s = None if pts is None else self._seconds(pts)
        raw_dts_s = raw_pts_s if dts == pts else None if dts is None else self._seconds(dts)
        lasts_s = self._seconds(duration) if duration else self._step_s
        raw_s = raw_pts_s if raw_dts_s is None else raw_dts_s
        if raw_s is not None:
            self._follow_jump(raw_s, arrival_s)
        self._last_arrival_s = arrival_s
        last_s = self._last_dts_s
        pts_s = None if raw_pts_s is None else raw_pts_s + self.shift_s
        if raw_dts_s is not None:
            dts_s = raw_dts_s + self.shift_s
        elif last_s is not None:
            dts_s = last_s + self._step_s
        else:
            dts_s = 0.0 if pts_s is None else pts_s
        dts_s = dts_s if last_s is None else max(dts_s, last_s)
        self._last_dts_s = dts_s
        shown_s = dts_s if pts_s is None else pts_s
        raw_shown_s = shown_s - self.shift_s
        if self._begin_s is None:
            self._begin_s = raw_shown_s
        elif not self._jumped:
            self._begin_s = min(raw_shown_s, self._begin_s)
        self._end_s = max(self._end_s, shown_s + lasts_s)
        return pts_s, dts_s

    def _seconds(self, ticks: int) -> float:
        # As with Fraction, to the bit: whole numbers are divided once.
        return ticks * self._numerator / self._denominator

    def _follow_jump(self, raw_s: float, arrival_s: float | None) -> None:
        if self._last_dts_s is None:
            return
        ahead_s = raw_s + self.shift_s - self._last_dts_s
        passed_s = math.inf  # a file may have a gap
        if arrival_s is not None and self._last_arrival_s is not None:
            passed_s = arrival_s - self._last_arrival_s
        if not -_BACK_S <= ahead_s <= passed_s + _AHEAD_S:
            self.shift_s += self._step_s - ahead_s
            self._jumped = True

    def begin_lap(self) -> None:
        """The container begins again at its start."""
        if self._begin_s is not None:
            self.shift_s = self._end_s - self._begin_s
        self._begin_s = None
        self._jumped = False
        self.lap += 1
