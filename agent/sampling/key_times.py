"""When key frames come: what may be waited for, and where a group of pictures will end."""

import collections
import math

from agent.sampling.rules import TOLERANCE_S

ASSUMED_S = 2.0  # from key frame to key frame, as long as only one was seen: what most cameras do
_LATE = 0.125  # share of the usual time by which one may be late
_GAPS = 3  # the longest of the last few counts: an extra key frame at a change of scene promises nothing


class KeyTimes:
    """The key frames of one stream, and when the next ones are to be expected."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._gaps_s: collections.deque[float] = collections.deque(maxlen=_GAPS)

    @property
    def interval_s(self) -> float | None:
        """Seconds from key frame to key frame; None as long as fewer than two were seen."""
        return max(self._gaps_s, default=None)

    @property
    def last_s(self) -> float | None:
        """The presentation time of the last key frame."""
        return self._last_s

    def arrived(self, pts_s: float) -> None:
        """A key frame at `pts_s`."""
        if self._last_s is not None and pts_s > self._last_s:
            self._gaps_s.append(pts_s - self._last_s)
        self._last_s = pts_s

    def begin_generation(self) -> None:
        """The source was opened anew; how far apart key frames are has not changed, as far as is known."""
        self._last_s = None

    def next_s(self, time_s: float) -> float:
        """The first key frame at or after `time_s` and after the last one, as far as can be foreseen."""
        if self._last_s is None:
            return time_s
        period_s = self.interval_s or ASSUMED_S
        overdue_s = time_s - self._last_s - period_s
        if self._gaps_s and 0.0 < overdue_s <= _LATE * period_s:
            return time_s  # it may come at any moment
        periods = max(1, math.ceil((time_s - self._last_s - TOLERANCE_S) / period_s))
        return self._last_s + periods * period_s
