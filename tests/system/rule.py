"""What the sampling rule says of real-time results, on a machine that may be busy.

A run that is due when no worker is free is served late, with the newest frame there is then, or left out and
counted: so the grid is followed exactly, and nearly all frames are those on it.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

MOST = 0.8  # of the frames are the ones on the grid; all are on a machine that has nothing else to do


def assert_on_grid(frames: Sequence[int], skipped: Sequence[int], period: int, wrap: int) -> None:
    """`frames` are the newest of each window, `period` frames apart but for what was `skipped` before each.

    Numbers begin again after `wrap`, a multiple of `period`.
    """
    anchor, hits = Counter(number % period for number in frames).most_common(1)[0]
    assert hits >= MOST * len(frames), (frames, skipped)
    runs = [(number - anchor) % wrap // period for number in frames]
    steps = [(after - before) % (wrap // period) for before, after in pairwise(runs)]
    assert steps == [1 + count for count in skipped[1:]], (frames, skipped)
