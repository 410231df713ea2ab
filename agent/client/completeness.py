"""Whether a subscriber has heard every result of a device: `seq` is gapless in each epoch."""

from dataclasses import dataclass, field

MAX_RANGES = 1000
"""Ranges kept; of more, the oldest are given up and stay missing for good."""


@dataclass(slots=True)
class Completeness:
    """The results heard in one epoch of one device, from the first that was heard on."""

    epoch: int
    heard: int = 0
    repeated: int = 0
    first: int = 0
    last: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)  # both ends included
    given_up: int = 0
    announced: int = 0  # dropped on the device, which says so

    @property
    def missing_count(self) -> int:
        """Results that have not come, were made after the first that did, and nobody knows why."""
        return self.given_up + sum(last - first + 1 for first, last in self.missing)

    def explain(self, first: int, last: int) -> int:
        """The device says that it has dropped these; how many of them were missing."""
        rest: list[tuple[int, int]] = []
        for begin, end in self.missing:
            parts = ((begin, min(end, first - 1)), (max(begin, last + 1), end))
            rest += (
                [part for part in parts if part[0] <= part[1]]
                if begin <= last and first <= end
                else [(begin, end)]
            )
        explained = sum(end - begin + 1 for begin, end in self.missing) - sum(
            end - begin + 1 for begin, end in rest
        )
        self.missing = rest
        self.announced += explained
        return explained

    def missing_of(self, first: int, last: int) -> list[tuple[int, int]]:
        """What is still missing of these."""
        return [(max(a, first), min(b, last)) for a, b in self.missing if a <= last and first <= b]

    def hear(self, seq: int) -> tuple[int, int] | bool:
        """Note a result: the gap that shows before it, else whether it is new."""
        if self.heard == 0:
            self.first = self.last = seq
        elif seq <= self.last:
            return self._hear_late(seq)
        self.heard += 1
        gap = (self.last + 1, seq - 1)
        self.last = seq
        if gap[0] > gap[1] or self.heard == 1:
            return True
        self.missing.append(gap)
        if len(self.missing) > MAX_RANGES:
            first, last = self.missing.pop(0)
            self.given_up += last - first + 1
        return gap

    def _hear_late(self, seq: int) -> bool:
        for index, (first, last) in enumerate(self.missing):
            if first <= seq <= last:
                self.missing[index : index + 1] = [
                    part for part in ((first, seq - 1), (seq + 1, last)) if part[0] <= part[1]
                ]
                self.heard += 1
                return True
        if seq < self.first:  # published before we listened, sent late
            self.heard += 1
            return True
        self.repeated += 1
        return False
