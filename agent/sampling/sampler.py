"""One algorithm's view of one stream: what is due, what was asked for, what was left out."""

from dataclasses import dataclass

from agent.sampling.rules import Due, Sampling


@dataclass(frozen=True, slots=True)
class Take:
    """A window to hand over: the ticket that asked for it, and how many due runs it leaves out."""

    ticket: int
    skipped: int


class Sampler:
    """Pairs due runs with wants: a window goes out when a run is due, one is wanted, and it is full.

    A want that comes before its run is due waits for it. A run that is due before anybody wants it stays
    due, and is served with the newest frame there is then: several overdue runs are one run.
    """

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._ticket: int | None = None
        self._restart()

    def _restart(self) -> None:
        self._due = Due(self.sampling.interval_s)
        self._overdue = 0
        self._last_pts_s: float | None = None
        self._played = 0

    def begin_generation(self) -> None:
        """The source was opened anew: windows and due times start again; a want stays."""
        self._restart()

    def frame(self, pts_s: float) -> bool:
        """A frame was played; returns whether it is a sampled one: a run has become due with it."""
        due = self._due.reached(pts_s)
        self._played += 1
        self._last_pts_s = pts_s
        self._overdue += due
        if self._played <= self.sampling.span:
            # Until the first window can be full nothing is left out: the run waits.
            self._overdue = min(1, self._overdue)
        return due > 0

    def want(self, ticket: int) -> None:
        """Somebody will be free for the next window that is due."""
        self._ticket = ticket

    def take(self) -> Take | None:
        """The window to hand over now, its newest frame being the last one played; None if there is none."""
        if self._ticket is None or self._overdue == 0 or not self.full:
            return None
        take = Take(self._ticket, self._overdue - 1)
        self._ticket = None
        self._overdue = 0
        return take

    @property
    def full(self) -> bool:
        """Whether enough frames were played for a window."""
        return self._played >= self.sampling.span

    @property
    def wanted(self) -> bool:
        """Whether a want is waiting."""
        return self._ticket is not None

    def until_next_s(self) -> float:
        """Seconds of stream time from the last played frame to the next due run."""
        return 0.0 if self._last_pts_s is None else self._due.until_next_s(self._last_pts_s)
