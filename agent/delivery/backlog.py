"""Messages that wait to be sent: bounded, in order of urgency. Pure: no clock, no I/O, no lock of its own."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.delivery.messages import KINDS, SPOOLED, Kind, Outgoing


@dataclass(slots=True, eq=False)
class Entry:
    """A message on its way; mutable, owned by whoever holds it at the moment."""

    message: Outgoing
    accepted_s: float  # monotonic
    size_bytes: int
    late: bool = False  # accepted without a link: sent at a measured pace
    row: int | None = None  # in the spool
    sends: int = 0
    ends: int = 0  # connections that ended while it was the only one in flight
    done: bool = False  # acknowledged, refused or dropped: nobody needs it any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may wait in memory, of one kind."""

    count: int
    size_bytes: int


LIMITS: dict[Kind, Limits] = {
    "state": Limits(count=4_096, size_bytes=16 << 20),
    "reply": Limits(count=1_000, size_bytes=8 << 20),
    "event": Limits(count=10_000, size_bytes=8 << 20),
    "result": Limits(count=20_000, size_bytes=32 << 20),
    "metric": Limits(count=1_000, size_bytes=4 << 20),
    "snapshot": Limits(count=40, size_bytes=16 << 20),  # also the parts of a diagnosis, a dozen
}


@dataclass(slots=True)
class _Lane:
    """One kind's queue, first in, first out; the oldest is dropped when a limit is reached."""

    limits: Limits
    live: deque[Entry] = field(default_factory=deque)
    late: deque[Entry] = field(default_factory=deque)
    size_bytes: int = 0

    def __len__(self) -> int:
        return len(self.live) + len(self.late)

    def append(self, entry: Entry) -> None:
        (self.late if entry.late else self.live).append(entry)
        self.size_bytes += entry.size_bytes

    def popleft(self, *, late: bool) -> Entry:
        entry = (self.late if late else self.live).popleft()
        self.size_bytes -= entry.size_bytes
        return entry

    def full(self, share: float = 1.0) -> bool:
        return len(self) > self.limits.count * share or self.size_bytes > self.limits.size_bytes * share


class Backlog:
    """Bounded queues, one a kind; drop-oldest: what does not fit is handed to `take_dropped`.

    Order: what was in flight when a connection ended, replies, events, results, snapshots; then, if the
    pace allows, what was accepted while there was no link, in the same order.
    """

    def __init__(self, limits: dict[Kind, Limits] | None = None) -> None:
        chosen = LIMITS if limits is None else limits
        self._lanes: dict[Kind, _Lane] = {kind: _Lane(chosen[kind]) for kind in KINDS if kind != "state"}
        self._again: deque[Entry] = deque()
        self._dropped: list[Entry] = []
        self._linked = False
        self._absent = False  # nobody subscribes to results
        self.only_saved = False  # hold back events and results that the spool does not have yet

    def __len__(self) -> int:
        return len(self._again) + sum(len(lane) for lane in self._lanes.values())

    @property
    def size_bytes(self) -> int:
        """Bytes that wait, of all kinds."""
        return sum(e.size_bytes for e in self._again) + sum(lane.size_bytes for lane in self._lanes.values())

    @property
    def repeating(self) -> bool:
        """Whether something waits that was in flight when a connection ended."""
        return bool(self._again)

    @property
    def live(self) -> bool:
        """Whether something waits that need not be paced."""
        return bool(self._again) or any(lane.live for lane in self._lanes.values())

    @property
    def late(self) -> bool:
        """Whether something waits that was accepted without a link."""
        return any(lane.late for lane in self._lanes.values())

    def accept(self, entry: Entry) -> None:
        """Queue a message; replies and snapshots are never late, for they are of no use later."""
        kind = entry.message.kind
        entry.late = (not self._linked or self._absent) and kind in SPOOLED
        lane = self._lanes[kind]
        lane.append(entry)
        while lane.full():
            self._dropped.append(lane.popleft(late=bool(lane.late)))

    def next(self, *, live: bool = True, late: bool) -> Entry | None:
        """The most urgent message, taken out; `late`: whether the pace allows one of those."""
        if live:
            if self._again:
                return self._again.popleft()
            for kind, lane in self._lanes.items():
                if lane.live and not (self.only_saved and kind in SPOOLED and lane.live[0].row is None):
                    return lane.popleft(late=False)
        if late:
            for lane in self._lanes.values():
                if lane.late and not (self.only_saved and lane.late[0].row is None):
                    return lane.popleft(late=True)
        return None

    def again(self, entries: Iterable[Entry]) -> None:
        """Put back what was in flight, in its old order, before everything else."""
        self._again.extendleft(reversed(list(entries)))

    def link_up(self) -> None:
        """From now on, what is accepted is live."""
        self._linked = True

    def link_down(self) -> None:
        """From now on, what is accepted is late, and so is what waits of events and results."""
        self._linked = False
        self._all_late()

    def audience(self, *, absent: bool) -> None:
        """Whether somebody subscribes to results: else they wait, as without a link."""
        self._absent = absent
        if absent:
            self._all_late()

    def wait_again(self, entries: Iterable[Entry]) -> None:
        """Put back events and results that had no subscriber, in their old order, before what waits."""
        for entry in reversed(list(entries)):
            entry.late = True
            lane = self._lanes[entry.message.kind]
            lane.late.appendleft(entry)
            lane.size_bytes += entry.size_bytes

    def _all_late(self) -> None:
        for kind in SPOOLED:
            lane = self._lanes[kind]
            for entry in lane.live:
                entry.late = True
            lane.late.extend(lane.live)
            lane.live.clear()

    def release_saved(self, *, linked: bool) -> list[Entry]:
        """Take out the oldest entries that the spool has.

        Without a link all of them; with one only while memory is crowded, and then live ones, too.
        """
        released: list[Entry] = []
        linked = linked and not self._absent
        for kind in SPOOLED:
            lane = self._lanes[kind]
            while lane.late and lane.late[0].row is not None and (not linked or lane.full(0.5)):
                released.append(lane.popleft(late=True))
            while linked and lane.full(0.5) and lane.live and lane.live[0].row is not None:
                released.append(lane.popleft(late=False))
        return released

    def take_dropped(self) -> list[Entry]:
        """What was dropped since the last call, to be counted and announced."""
        dropped, self._dropped = self._dropped, []
        return dropped
