"""One algorithm's view of one stream: what is due, what was asked for, what was left out."""

from dataclasses import dataclass

from agent.sampling.key_times import KeyTimes
from agent.sampling.rules import TOLERANCE_S, Due, Sampling


@dataclass(frozen=True, slots=True)
class Take:
    """A window to hand over: the ticket that asked for it, and how many due runs it leaves out."""

    ticket: int
    skipped: int


class Sampler:
    """Pairs due runs with wants: a window goes out when a run is due, one is wanted, and it is full.

    A want that comes before its run is due waits for it. A run that is due before anybody wants it stays
    due, and is served with the newest frame there is then: several overdue runs are one run.

    Where the sampling allows it (`keyframes="auto"`) a due run waits for a key frame that is to be expected
    within half an interval, and lands on the first frame after that time if none has come. The points of
    time at which runs are due stay where they are. The very first run waits for nothing.
    """

    def __init__(self, sampling: Sampling, keys: KeyTimes | None = None) -> None:
        self.sampling = sampling
        self._keys = keys or KeyTimes()
        self._ticket: int | None = None
        self._restart()

    def _restart(self) -> None:
        self._due = Due(self.sampling.interval_s)
        self._overdue = 0
        self._landed = False  # the overdue run waits for no key frame
        self._last_pts_s: float | None = None
        self._played = 0

    def begin_generation(self) -> None:
        """The source was opened anew: windows and due times start again; a want stays."""
        self._restart()

    def anchor(self, pts_s: float) -> None:
        """Count from `pts_s`, not from the first frame played from now on, which has a run all the same."""
        if self._last_pts_s is None:
            self._due.reached(pts_s)

    def frame(self, pts_s: float, *, is_key: bool = True) -> bool:
        """A frame was played; returns whether it is a sampled one: a run is due with it."""
        due = self._due.reached(pts_s)
        first = self._last_pts_s is None
        step_s = 0.0 if self._last_pts_s is None else pts_s - self._last_pts_s
        self._last_pts_s = pts_s
        self._played += 1
        if first or due:
            self._overdue += max(1, due)
            self._landed = False
        if self._played <= self.sampling.span:
            # Until the first window can be full nothing is left out: the run waits.
            self._overdue = min(1, self._overdue)
        if self._overdue == 0 or self._landed:
            return False
        self._landed = first or is_key or not self._waits(pts_s, step_s)
        return self._landed

    def _waits(self, pts_s: float, step_s: float) -> bool:
        """Whether the due run is better put off to a key frame; not when the next frame would be too late."""
        late_s = self.sampling.may_be_late_s
        if late_s == 0.0:
            return False
        limit_s = self._due.last_s(pts_s) + late_s + TOLERANCE_S
        return pts_s + step_s <= limit_s and self._keys.next_s(pts_s) <= limit_s

    def want(self, ticket: int) -> None:
        """Somebody will be free for the next window that is due."""
        self._ticket = ticket

    def drop_want(self) -> None:
        """Nobody waits for a window any more."""
        self._ticket = None

    def take(self) -> Take | None:
        """The window to hand over now, its newest frame being the last one played; None if there is none."""
        if self._ticket is None or not self.ready:
            return None
        take = Take(self._ticket, self._overdue - 1)
        self._ticket = None
        self._overdue = 0
        self._landed = False
        return take

    @property
    def full(self) -> bool:
        """Whether enough frames were played for a window."""
        return self.lacking == 0

    @property
    def lacking(self) -> int:
        """How many frames have to be played yet until there are enough for a window."""
        return max(0, self.sampling.span - self._played)

    @property
    def ready(self) -> bool:
        """Whether there is a window to hand over, if one is wanted."""
        return self._landed and self._overdue > 0 and self.full

    @property
    def wanted(self) -> bool:
        """Whether a want is waiting."""
        return self._ticket is not None

    def next_s(self) -> float | None:
        """The presentation time at which a window is next handed over, if it is wanted; as far as foreseen.

        Not later than the last played frame: at once. None: nothing was played yet.
        """
        if self._last_pts_s is None:
            return None
        return self._last_pts_s if self._overdue and self._landed else self._foreseen_s(self._last_pts_s)

    def _foreseen_s(self, pts_s: float) -> float:
        point_s = self._due.last_s(pts_s) if self._overdue else self._due.next_s(pts_s)
        return max(pts_s, self._land_s(point_s))

    def _land_s(self, point_s: float) -> float:
        """Where a run that is due at `point_s` lands."""
        if self.sampling.keyframes == "only":
            return self._keys.next_s(point_s)
        late_s = self.sampling.may_be_late_s
        if late_s == 0.0:
            return point_s
        key_s = self._keys.next_s(point_s)
        return key_s if key_s <= point_s + late_s + TOLERANCE_S else point_s
