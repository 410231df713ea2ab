"""What a subscriber needs to prove that it has every result, or to name those missing and why."""

import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_GAPS = 1_000  # of more, the oldest are joined, and tell less exactly where
MAX_EPOCHS = 100
VARIOUS = "various"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Results or events dropped on the device: `count` of those from `first` to `last`, both included.

    A count of 0: nobody knows how many.
    """

    epoch: int
    first: int
    last: int
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far the numbers of an epoch went: to `last`; or further, unless it has `ended` or is `exact`."""

    epoch: int
    last: int
    ended: bool = False
    exact: bool = False  # what was made was on disk before it was sent


class Ledger:
    """Gaps and the ends of epochs, bounded; may be used from any thread.

    What has changed is written by the spool with its next transaction: a message is never gone from the
    disk before the record that says so is there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gaps: dict[int, Gap] = {}  # by number, oldest first
        self._next = 1
        self._epochs: dict[int, Reached] = {}
        self._running: int | None = None
        self._changed: set[int] = set()
        self._stored: dict[int, Reached] = {}
        self.strict = False  # nothing is sent before it is on disk
        self.version = 0  # grows when there is something new to tell

    def load(self, gaps: Iterable[tuple[int, Gap]], epochs: Iterable[Reached]) -> None:
        """Take over what earlier processes have written."""
        with self._lock:
            newer = list(self._gaps.values())
            self._gaps = dict(gaps)
            self._next = max(self._gaps, default=0) + 1
            self._changed = set()
            self._stored = {one.epoch: one for one in epochs}
            self._epochs = self._stored | self._epochs
            for gap in newer:
                self._append(gap)
            self.version += 1

    def accepted(self, epoch: int, seq: int) -> None:
        """A message with this number was taken in."""
        with self._lock:
            if epoch != self._running:
                self._running = epoch
                self.version += 1
            before = self._epochs.get(epoch)
            if before is None or before.last < seq:
                self._epochs[epoch] = Reached(epoch=epoch, last=seq, exact=self.strict)

    def dropped(self, epoch: int, seq: int, reason: str) -> None:
        """A message with this number will never be sent."""
        with self._lock:
            number, newest = next(reversed(self._gaps.items()), (0, None))
            same = newest is not None and (newest.epoch, newest.reason) == (epoch, reason)
            if newest is not None and same and seq == newest.last + 1:
                self._gaps[number] = replace(newest, last=seq, count=newest.count + 1)
                self._changed.add(number)
            elif newest is None or not same or seq != newest.last:  # a twin has the same number
                self._append(Gap(epoch=epoch, first=seq, last=seq, count=1, reason=reason))
            self.version += 1

    def lost_file(self, reason: str) -> None:
        """All that was on disk is gone, and there is no telling what it was."""
        with self._lock:
            for one in self._epochs.values():
                if one.last:
                    self._append(Gap(epoch=one.epoch, first=1, last=one.last, count=0, reason=reason))
            self.version += 1

    def end(self) -> None:
        """The running epoch is over, in good order: nothing was taken in beyond what is known."""
        with self._lock:
            if self._running is not None and self._running in self._epochs:
                self._epochs[self._running] = replace(self._epochs[self._running], ended=True)
                self.version += 1

    def gaps(self) -> tuple[Gap, ...]:
        """All gaps, oldest first."""
        with self._lock:
            return tuple(self._gaps.values())

    def epochs(self) -> tuple[Reached, ...]:
        """The newest epochs, oldest first, the running one last."""
        with self._lock:
            return tuple(self._epochs[epoch] for epoch in sorted(self._epochs)[-MAX_EPOCHS:])

    @property
    def running(self) -> int | None:
        """The epoch that messages are taken in for."""
        return self._running

    # --- what goes to disk ---

    def changes(self) -> dict[int, Gap | None]:
        """Gaps that are not on disk as they are now, by number; None: it is no more."""
        with self._lock:
            return {number: self._gaps.get(number) for number in self._changed}

    def ends(self, reached: Reached | None) -> list[Reached]:
        """What to write of epochs, when the messages up to `reached` go to disk."""
        with self._lock:
            wanted = {} if reached is None else {reached.epoch: replace(reached, exact=self.strict)}
            wanted |= {one.epoch: one for one in self._epochs.values() if one.ended}
            if self._running is not None and self._running not in self._stored:  # that it began
                wanted.setdefault(self._running, Reached(epoch=self._running, last=0, exact=self.strict))
            return [one for one in wanted.values() if self._is_news(one)]

    def written(self, changes: dict[int, Gap | None], ends: Iterable[Reached]) -> None:
        """These are on disk now."""
        with self._lock:
            for number, gap in changes.items():
                if self._gaps.get(number) == gap:
                    self._changed.discard(number)
            self._stored |= {one.epoch: one for one in ends}

    @property
    def is_dirty(self) -> bool:
        """Whether something is to be written soon."""
        with self._lock:
            return bool(self._changed) or (self._running is not None and self._running not in self._stored)

    def _is_news(self, one: Reached) -> bool:
        known = self._stored.get(one.epoch)
        return known is None or one.last > known.last or (one.ended and not known.ended)

    def _append(self, gap: Gap) -> None:
        self._gaps[self._next] = gap
        self._changed.add(self._next)
        self._next += 1
        if len(self._gaps) > MAX_GAPS:
            self._join_oldest()

    def _join_oldest(self) -> None:
        """Make one gap of the two oldest neighbours of one epoch, which so stay announced."""
        numbers = list(self._gaps)
        for number, following in itertools.pairwise(numbers):
            one, other = self._gaps[number], self._gaps[following]
            if one.epoch == other.epoch:
                self._gaps[following] = Gap(
                    epoch=one.epoch,
                    first=min(one.first, other.first),
                    last=max(one.last, other.last),
                    count=one.count + other.count if one.count and other.count else 0,
                    reason=one.reason if one.reason == other.reason else VARIOUS,
                )
                self._changed |= {number, following}
                del self._gaps[number]
                return
        self._changed.add(numbers[0])  # as many epochs as gaps: the oldest is history
        del self._gaps[numbers[0]]
