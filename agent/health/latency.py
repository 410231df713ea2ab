"""How long results take, from the capture of their newest frame to the result: as histograms."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

EDGES_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper edges of the buckets; what took longer is in one more."""


@dataclass(slots=True)
class Histogram:
    """Counts by bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES_S) + 1))
    sum_s: float = 0.0

    def observe(self, latency_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(EDGES_S, latency_s)] += 1
        self.sum_s += latency_s

    def quantile(self, share: float) -> float | None:
        """Seconds that this share of all stayed within, as far as the buckets tell; None: there are none.

        Linear within a bucket, as Prometheus does it; beyond the last edge: that edge.
        """
        rank = share * sum(self.counts)
        if rank == 0:
            return None
        below, begin_s = 0, 0.0
        for count, end_s in zip(self.counts, EDGES_S, strict=False):
            if below + count >= rank:
                return begin_s + (end_s - begin_s) * (rank - below) / count
            below, begin_s = below + count, end_s
        return begin_s


class Latencies:
    """One histogram a stream and algorithm, and one of all since it was last taken."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], Histogram] = {}
        self._recent = Histogram()

    def observe(self, stream: str, algorithm: str, latency_s: float) -> None:
        """A result is there."""
        self._pairs.setdefault((stream, algorithm), Histogram()).observe(latency_s)
        self._recent.observe(latency_s)

    def pairs(self, present: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Histogram]:
        """Histograms by stream and algorithm, of those that are present; others are forgotten."""
        kept = set(present)
        self._pairs = {pair: histogram for pair, histogram in self._pairs.items() if pair in kept}
        return self._pairs

    def take_recent(self) -> Histogram:
        """Of all results since this was last called."""
        taken, self._recent = self._recent, Histogram()
        return taken
