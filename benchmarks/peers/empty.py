"""Algorithms that are measured with: one that does nothing, and one that keeps the interpreter busy."""

from typing import ClassVar

from algos import BaseAlgo, Frames

_TURNS = 150_000


class Empty(BaseAlgo):
    """Looks at one value."""

    def run(self, frames: Frames) -> int:
        """A window came."""
        return int(frames[-1][0, 0, 0])


class Busy(BaseAlgo):
    """Counts in plain Python, some five milliseconds long."""

    stateless: ClassVar[bool] = True

    def run(self, frames: Frames) -> int:
        """A window came."""
        total = len(frames)
        for turn in range(_TURNS):
            total += turn & 1
        return total
