"""The slots that the agent lent: frames are written once, and not again until every window gave them back."""

import collections
from dataclasses import dataclass, field

from agent.capture.accounting import Accounting, Fate
from agent.capture.frame import Frame
from agent.errors import SourceError
from agent.frames.format import FrameFormat
from agent.frames.slots import Slots
from agent.ipc.messages import FrameRef


@dataclass(slots=True, eq=False)
class _Slot:
    pool: int
    index: int
    leases: int = 0
    holds: tuple[FrameFormat, int] | None = None  # what is written there, and the frame's number


Placed = tuple[Frame, _Slot]


@dataclass(slots=True)
class _Pool:
    slots: Slots
    free: collections.deque[_Slot] = field(default_factory=collections.deque)


class Lending:
    """Writes frames into slots, shares a slot among windows that ask for the same, and takes slots back.

    No free slot: the window is not filled (its run stays due); the agent lends two windows' worth for each
    algorithm, so that this needs a window that is out for longer than the agent's own limit of one.
    """

    def __init__(self, accounting: Accounting) -> None:
        self._accounting = accounting
        self._pools: dict[int, _Pool] = {}
        self._written: dict[tuple[FrameFormat, int], _Slot] = {}
        self._out: dict[int, list[tuple[Frame, _Slot]]] = {}

    def lend(self, pool: int, slots: Slots) -> None:
        """The agent lends slots."""
        self._pools[pool] = _Pool(slots, collections.deque(_Slot(pool, i) for i in range(slots.count)))

    def retire(self, pool: int) -> None:
        """The agent wants slots back, leased ones too: it has seen to it that no window needs them."""
        self._pools.pop(pool, None)
        self._written = {key: slot for key, slot in self._written.items() if slot.pool != pool}

    def forget_contents(self) -> None:
        """A new generation begins: no frame of the last one is shared any more."""
        for key, slot in self._written.items():
            if slot.holds == key:
                slot.holds = None
        self._written.clear()

    def offers(self, frame_format: FrameFormat) -> bool:
        """Whether any slots of this format were lent."""
        return any(pool.slots.format == frame_format for pool in self._pools.values())

    def has_room(self, window: list[Frame], frame_format: FrameFormat) -> bool:
        """Whether there are slots for the frames of the window that are not written yet."""
        missing = 0
        shared_free = 0  # free slots whose contents the window will use again
        for frame in window:
            slot = self._written.get((frame_format, frame.number))
            missing += slot is None
            shared_free += slot is not None and slot.leases == 0
        free = sum(len(pool.free) for pool in self._pools.values() if pool.slots.format == frame_format)
        return free - shared_free >= missing

    def missing(self, window: list[Frame], frame_format: FrameFormat) -> list[Frame]:
        """The frames of the window that are in no slot yet: their pictures are needed."""
        return [frame for frame in window if (frame_format, frame.number) not in self._written]

    def place(self, window: list[Frame], frame_format: FrameFormat) -> list[Placed]:
        """Write what is not written yet into slots that stay taken; `has_room` must have said yes.

        Raises SourceError, and then nothing stays taken, when a picture cannot be converted.
        """
        # First what is there already, or its free slots might be overwritten for the others.
        order = sorted(window, key=lambda frame: (frame_format, frame.number) not in self._written)
        slots: dict[int, _Slot] = {}
        try:
            for frame in order:
                slots[frame.number] = self._place(frame, frame_format)
        except SourceError:
            for slot in slots.values():
                self._give_back(slot)
            raise
        return [(frame, slots[frame.number]) for frame in window]

    def lease(self, ticket: int, placed: list[Placed]) -> tuple[FrameRef, ...]:
        """Hand what was placed to `ticket`."""
        for frame, _ in placed:
            frame.leases += 1
            frame.settle(Fate.WANTED, self._accounting)
        self._out[ticket] = placed
        return tuple(
            FrameRef(
                slot.pool,
                slot.index,
                frame.number,
                frame.pts_s,
                frame.stamp.wall_us,
                frame.stamp.mono_ns,
            )
            for frame, slot in placed
        )

    def release(self, ticket: int, *, used: bool) -> None:
        """The window of `ticket` is back."""
        for frame, slot in self._out.pop(ticket, ()):
            self._give_back(slot)
            frame.leases -= 1
            frame.used |= used
            if frame.leases == 0 and not frame.used:
                frame.settle(Fate.STALE, self._accounting)

    def _place(self, frame: Frame, frame_format: FrameFormat) -> _Slot:
        key = (frame_format, frame.number)
        slot = self._written.get(key)
        if slot is not None:
            if slot.leases == 0:
                self._pools[slot.pool].free.remove(slot)
            slot.leases += 1
            return slot
        pool = next(p for p in self._pools.values() if p.slots.format == frame_format and p.free)
        slot = pool.free.popleft()
        if slot.holds is not None:
            self._written.pop(slot.holds, None)
        slot.holds = None
        assert frame.picture is not None  # noqa: S101  `missing` named it, and it was decoded since
        try:
            frame.picture.write(pool.slots.view(slot.index), frame_format.pixel_format)
        except SourceError:
            pool.free.append(slot)
            raise
        slot.holds = key
        slot.leases = 1
        self._written[key] = slot
        return slot

    def _give_back(self, slot: _Slot) -> None:
        slot.leases -= 1
        pool = self._pools.get(slot.pool)
        if slot.leases == 0 and pool is not None:
            pool.free.append(slot)
