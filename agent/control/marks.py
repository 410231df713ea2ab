"""Which signed commands were taken already: nobody can send them again, whatever the clock says.

Each is marked until it expires. When a mark is forgotten, the `floor` rises to the time at which its command
expired, and nothing that expires so early is taken any more. So a command that was taken once is either
marked or below the floor, also when the clock is set back; with a clock that only goes on, the floor is
always past.
"""

import heapq
from collections import Counter
from dataclasses import dataclass

MAX_MARKS = 4096  # for each key; more signed commands get 429 until some of its have expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is remembered of a signed command."""

    id: str  # "<key>/<id>": two keys may choose the same id
    digest: bytes  # of what was signed, and of where its reply goes
    expires_us: int  # since the Unix epoch

    @property
    def key(self) -> str:
        """The name of the key that signed."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMarks:
    """The marks of earlier lives."""

    marks: tuple[Mark, ...] = ()
    floor_us: int = 0


class Marks:
    """The marks of this life and of earlier ones; bounded for each key."""

    def __init__(self, kept: KeptMarks) -> None:
        self.floor_us = kept.floor_us
        """Whatever expires at this time or before it may have been taken, and forgotten."""
        self._marks: dict[str, Mark] = {}
        self._by_expiry: list[tuple[int, str]] = []
        self._counts: Counter[str] = Counter()
        for mark in kept.marks:
            self.add(mark)

    def get(self, mark_id: str) -> Mark | None:
        """The mark of a command that was taken."""
        return self._marks.get(mark_id)

    def add(self, mark: Mark) -> None:
        """A command is taken."""
        if mark.id not in self._marks:
            self._counts[mark.key] += 1
        self._marks[mark.id] = mark
        heapq.heappush(self._by_expiry, (mark.expires_us, mark.id))

    def drop(self, mark: Mark) -> None:
        """The command was not taken after all: it may come again."""
        if self._marks.pop(mark.id, None) is not None:
            self._counts[mark.key] -= 1

    def forget_expired(self, now_us: int) -> None:
        """Forget what has expired, and raise the floor."""
        while self._by_expiry and self._by_expiry[0][0] < now_us:
            expires_us, mark_id = heapq.heappop(self._by_expiry)
            mark = self._marks.get(mark_id)
            if mark is not None and mark.expires_us == expires_us:
                self.drop(mark)
                self.floor_us = max(self.floor_us, expires_us)

    def full(self, key: str) -> bool:
        """Whether no more can be remembered for a key."""
        return self._counts[key] >= MAX_MARKS
