"""The compressed packets that may still be needed, as groups of pictures; and the order of their frames.

A group is kept for as long as a frame of it may be asked for, and the one before it for as long as leading
pictures may refer to it. So decoding can begin at a key frame whenever a frame is wanted after all.
"""

import collections
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.capture.frame import Frame
from agent.capture.source import Unit

MAX_GROUP_FRAMES = 750  # half a minute at 25 fps: longer groups are no longer kept, but decoded as they come
MAX_BYTES = 32 << 20
HEADLESS_FRAMES = 300  # so many packets without a key frame, and decoding begins without one
_MAX_REORDERED = 32  # more than any codec allows: the times in the stream are nonsense


@dataclass(slots=True, eq=False)
class Group:
    """A key frame and what follows up to the next one, in decoding order."""

    begin_s: float  # presentation time of the key frame
    first: int  # its index
    alone: bool  # nothing came before it that its leading pictures could refer to
    size: int = 0  # bytes
    count: int = 0
    long: bool = False  # too long to be kept: it can be decoded only as it comes
    leads: bool = True  # leading pictures may still come
    last_leading: int = -1  # index of the last one
    frames: list[Frame] = field(default_factory=list)


class Groups:
    """The groups of one open source, the newest last."""

    def __init__(self, next_number: int, *, reorders: bool) -> None:
        self.next_number = next_number
        self._reorders = reorders
        self._groups: collections.deque[Group] = collections.deque()
        self._waiting: list[tuple[float, int, Frame]] = []  # a heap of what has not been shown
        self._next_index = 0
        self._headless = 0
        self._torn = False  # packets are missing before the next one
        self._newest_s = float("-inf")

    @property
    def current(self) -> Group | None:
        """The group that is coming in."""
        return self._groups[-1] if self._groups else None

    # --- what comes in ---

    def arrive(self, unit: Unit) -> Frame | None:
        """The frame of a packet; None for what cannot be decoded, as it comes before the first key frame."""
        pts_s = self._time_of(unit)
        if unit.is_key or not self._groups:
            if not unit.is_key and self._headless < HEADLESS_FRAMES:
                self._headless += 1
                return None
            alone = self._torn or not self._groups
            self._groups.append(Group(pts_s, self._next_index, alone=alone, long=not unit.is_key))
            self._torn = False
        group = self._groups[-1]
        # They come right after the key frame: what steps back in time later on is a clock that was set.
        frame = Frame(unit, self._next_index, group, pts_s, leading=group.leads and pts_s < group.begin_s)
        if frame.leading and group.alone:
            return None
        self._next_index += 1
        if frame.leading:
            group.last_leading = frame.index
        else:
            group.leads = unit.is_key
        group.count += 1
        group.size += unit.size
        group.frames.append(frame)
        self._reorders |= pts_s < self._newest_s
        self._newest_s = max(self._newest_s, pts_s)
        heapq.heappush(self._waiting, (pts_s, frame.index, frame))
        if group.count > MAX_GROUP_FRAMES or group.size > MAX_BYTES:
            group.long = True
        return frame

    def head(self) -> Frame | None:
        """The frame to be shown next, if its place is certain: all that comes later is shown later."""
        if not self._waiting:
            return None
        frame = self._waiting[0][2]
        if not self._reorders or len(self._waiting) > _MAX_REORDERED:
            return frame
        # Decoding times rise from packet to packet, and no frame is shown before it can be decoded.
        newest = self._groups[-1].frames[-1].unit
        return frame if newest.dts_s is not None and frame.pts_s <= newest.dts_s + 0.0005 else None

    def rest(self) -> Frame | None:
        """The frame to be shown next at the end of the source, when nothing comes any more."""
        return self._waiting[0][2] if self._waiting else None

    def show(self) -> Frame:
        """Take the frame to be shown next; it gets its number."""
        frame = heapq.heappop(self._waiting)[2]
        frame.number = self.next_number
        self.next_number += 1
        return frame

    def lose(self, count: int) -> None:
        """So many frames were left out; the next one is a key frame."""
        self.next_number += count
        self._torn = True

    # --- what is kept ---

    def chain(self, frame: Frame) -> list[Frame]:
        """What has to be decoded for `frame`, in decoding order; empty if that is not kept any more."""
        group = frame.group
        if group.long or group not in self._groups:
            return []
        own = group.frames[: frame.index + 1 - group.frames[0].index]
        if not frame.leading:
            return own
        place = self._groups.index(group)
        before = self._groups[place - 1].frames if place > 0 else []
        return [*before, *own] if before else []

    def since(self, index: int, count: int | None = None) -> list[Frame]:
        """What is kept from this place in decoding order on, at most `count` frames."""
        found: list[Frame] = []
        for group in self._groups:
            first = group.frames[0].index
            if first + len(group.frames) > index:
                found += group.frames[max(0, index - first) :]
                if count is not None and len(found) >= count:
                    return found[:count]
        return found

    def trim(self, needed: Callable[[], int | None]) -> None:
        """Forget the groups before the one with the frame at the index `needed()`, and what is too much."""
        while len(self._groups) > 1:
            if self._is_needed(needed()) and sum(group.size for group in self._groups) <= MAX_BYTES:
                return
            self._groups.popleft().frames.clear()  # frames know their group: no circle is to be left

    def _is_needed(self, needed: int | None) -> bool:
        """Whether the oldest group, which is not the only one, has to be kept."""
        second = self._groups[1]
        first_index = min((index for _, index, _ in self._waiting), default=needed)
        if needed is not None and first_index is not None:
            first_index = min(first_index, needed)
        if first_index is not None and first_index <= max(second.frames[0].index - 1, second.last_leading):
            return True
        return second.leads and second is self._groups[-1] and self._reorders

    def clear(self) -> None:
        """The source is closed."""
        for group in self._groups:
            group.frames.clear()
        self._groups.clear()
        self._waiting.clear()

    def forget_fed(self, index: int) -> None:
        """Let go of the packets of a long group that were decoded."""
        group = self._groups[-1]
        if group.long:
            fed = min(index - group.frames[0].index, len(group.frames) - 1)
            del group.frames[: max(0, fed)]

    def _time_of(self, unit: Unit) -> float:
        """The presentation time; where the source says none, a frame is taken for the newest so far."""
        if unit.pts_s is not None:
            return unit.pts_s
        if unit.dts_s is not None:
            return unit.dts_s
        return max(self._newest_s, 0.0)
