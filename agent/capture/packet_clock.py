"""The times of packets, in seconds, where a container gives them, and filled in where it does not."""

from fractions import Fraction


class PacketClock:
    """Turns ticks into seconds; a file that begins again goes on in time without a gap."""

    def __init__(self, time_base: Fraction, step_s: float) -> None:
        self._time_base = time_base
        self._step_s = step_s  # between two frames, where the container does not say
        self._last_dts_s: float | None = None
        self._begin_s: float | None = None  # of this lap: the first and the end of the last frame shown
        self._end_s = 0.0
        self.lap = 0
        self.shift_s = 0.0  # added to the container's times in this lap

    @property
    def idle(self) -> bool:
        """Whether no packet came in this lap."""
        return self._begin_s is None

    def times(self, pts: int | None, dts: int | None, duration: int | None) -> tuple[float | None, float]:
        """Presentation time (None where the container has none) and decoding time, which never falls."""
        pts_s = None if pts is None else float(pts * self._time_base) + self.shift_s
        last_s = self._last_dts_s
        if dts is not None:
            dts_s = float(dts * self._time_base) + self.shift_s
        elif last_s is not None:
            dts_s = last_s + self._step_s
        else:
            dts_s = 0.0 if pts_s is None else pts_s
        dts_s = dts_s if last_s is None else max(dts_s, last_s)
        self._last_dts_s = dts_s
        shown_s = dts_s if pts_s is None else pts_s
        lasts_s = float(duration * self._time_base) if duration else self._step_s
        self._begin_s = shown_s if self._begin_s is None else min(shown_s, self._begin_s)
        self._end_s = max(self._end_s, shown_s + lasts_s)
        return pts_s, dts_s

    def begin_lap(self) -> None:
        """The container begins again at its start."""
        if self._begin_s is not None:
            self.shift_s += self._end_s - self._begin_s
        self._begin_s = None
        self.lap += 1
