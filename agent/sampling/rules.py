"""The two rules of time: which frames are played, and when a run is due."""

import math
from dataclasses import dataclass

from agent.config.algorithms import Keyframes

TOLERANCE_S = 0.001  # containers round to a millisecond: a frame this early is on time


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames a run gets, and when; the names mean what they mean in Stream Infer."""

    frame_count: int
    frame_step: int  # 0 means 1
    interval_s: float  # 0: a run for every played frame
    keyframes: Keyframes = "never"  # whether a run may wait for a key frame, or gets no other

    @property
    def span(self) -> int:
        """Played frames from the oldest of a window to the newest, both counted."""
        return (self.frame_count - 1) * max(1, self.frame_step) + 1

    def offsets(self) -> tuple[int, ...]:
        """How many played frames before the sampled one each frame of the window is, oldest first."""
        step = max(1, self.frame_step)
        return tuple(step * back for back in range(self.frame_count - 1, -1, -1))

    @property
    def may_be_late_s(self) -> float:
        """Seconds for which a due run may wait for a key frame."""
        return self.interval_s / 2 if self.keyframes == "auto" else 0.0


class _Grid:
    """The points anchor + k * period of a timeline, crossed one after the other."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._anchor_s: float | None = None
        self._crossed = -1  # index of the last point crossed

    def cross(self, time_s: float) -> int:
        """How many points lie after those crossed before, up to `time_s`; the first time is the anchor."""
        if self._anchor_s is None:
            self._anchor_s = time_s
        index = math.floor((time_s - self._anchor_s + TOLERANCE_S) / self._period_s)
        crossed = max(0, index - self._crossed)
        self._crossed = max(self._crossed, index)
        return crossed

    def next_s(self) -> float | None:
        """The next point; None as long as there is no anchor."""
        return None if self._anchor_s is None else self._anchor_s + (self._crossed + 1) * self._period_s

    def last_s(self) -> float:
        """The last point crossed; minus infinity before the first."""
        return -math.inf if self._anchor_s is None else self._anchor_s + self._crossed * self._period_s


class Thinner:
    """Which frames are played when a stream is played at `fps`: evenly by presentation time.

    Of the frames between two points of the grid anchor + k / fps, the first is played. A source that is
    no faster than `fps` (within 2 %, since real cameras jitter) is played whole.
    """

    def __init__(self, fps: float | None, source_fps: float | None = None) -> None:
        whole = fps is None or (source_fps is not None and source_fps <= fps * 1.02)
        self._grid = None if whole or fps is None else _Grid(1.0 / fps)

    def played(self, pts_s: float) -> bool:
        """Whether the frame at `pts_s` is played; frames come in presentation order."""
        return self._grid is None or self._grid.cross(pts_s) > 0


class Due:
    """When runs are due: every `interval_s` of stream time, counted from the first played frame."""

    def __init__(self, interval_s: float) -> None:
        self._grid = _Grid(interval_s) if interval_s > 0 else None

    def reached(self, pts_s: float) -> int:
        """How many runs have become due with the played frame at `pts_s`."""
        return 1 if self._grid is None else self._grid.cross(pts_s)

    def next_s(self, pts_s: float) -> float:
        """When the next run is due, at the earliest just after the played frame at `pts_s`."""
        point_s = None if self._grid is None else self._grid.next_s()
        return pts_s if point_s is None else max(pts_s, point_s)

    def last_s(self, pts_s: float) -> float:
        """When the last run has become due, at the latest with the played frame at `pts_s`."""
        return pts_s if self._grid is None else min(pts_s, self._grid.last_s())
