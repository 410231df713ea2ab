"""What became of every frame: the counts always add up.

received = wanted + not_wanted + skipped_busy + skipped_stale + corrupt, at any moment: a frame is counted
as not wanted when its packet arrives, and moved when more is known about it.
"""

from enum import Enum


class Fate(Enum):
    """What became of a frame."""

    NOT_WANTED = "not_wanted"  # no run was due with it
    WANTED = "wanted"  # a window that somebody ran on had it
    BUSY = "skipped_busy"  # a run was due with it, and no worker was free
    STALE = "skipped_stale"  # it was in a window that nobody came to run on
    CORRUPT = "corrupt"  # it could not be decoded


class Accounting:
    """Counts frames by fate."""

    def __init__(self) -> None:
        self.received = 0
        self._by_fate = dict.fromkeys(Fate, 0)

    def arrived(self, fate: Fate = Fate.NOT_WANTED) -> None:
        """A frame's packet was read."""
        self.received += 1
        self._by_fate[fate] += 1

    def moved(self, before: Fate, after: Fate) -> None:
        """More is known of a frame that was counted under `before`."""
        self._by_fate[before] -= 1
        self._by_fate[after] += 1

    def of(self, fate: Fate) -> int:
        """How many frames ended so."""
        return self._by_fate[fate]
