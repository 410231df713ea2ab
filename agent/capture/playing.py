"""One open source being played: packets come in, frames come out in the order in which they are shown.

Frames are played undecoded; `produce` makes the pictures of those that are asked for. What will be asked
for is foreseen, and decoded as its packets come: then there is neither a burst nor a delay when it is due.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol

from agent.capture.accounting import Accounting, Fate
from agent.capture.demand import Demand
from agent.capture.frame import Frame
from agent.capture.groups import Group, Groups
from agent.capture.source import Picture, Source, Unit
from agent.errors import Cause, SourceError
from agent.sampling import KeyTimes

HOPELESS_FAILURES = 500  # bad packets in a row, twenty seconds of video: the source is opened anew
_DEFAULT_STEP_S = 0.04
_UNTIMED = 3
_ONE_PICTURE_A_PACKET = frozenset({"h264", "hevc", "mjpeg"})


class Audience(Protocol):
    """Who is played to."""

    def play(self, frame: Frame) -> None:
        """A frame is played."""

    def needs(self, begin_s: float, end_s: float, step_s: float) -> bool:
        """Whether a frame that is shown from `begin_s` up to `end_s` is foreseen to be asked for."""

    def awaits_s(self, step_s: float) -> float:
        """The presentation time before which no frame will be asked for, as far as foreseen."""

    def may_use(self, frame: Frame, step_s: float) -> bool:
        """Whether this frame may be asked for."""

    def keeps(self, frame: Frame, step_s: float) -> bool:
        """Whether the picture of this frame may be asked for."""

    def oldest_index(self) -> int | None:
        """The place in decoding order from which on frames may be asked for."""


class Playing:
    """From the opening of a source to its end."""

    def __init__(
        self,
        source: Source,
        audience: Audience,
        accounting: Accounting,
        keys: KeyTimes,
        *,
        next_number: int,
        give_up: Callable[[SourceError], None],
        alive: Callable[[], None],
    ) -> None:
        """`give_up`: the source is of no use; `alive` is called while decoding takes its time."""
        self._source = source
        self._audience = audience
        self._accounting = accounting
        self._keys = keys
        self.give_up = give_up
        self._alive = alive
        self._groups = Groups(next_number, reorders=source.info.reorders)
        self._demand = Demand(source, self._groups, self)
        self._step_s = 1.0 / source.info.fps if source.info.fps else _DEFAULT_STEP_S
        self._clocked = source.info.fps is not None
        self._in_step = False  # what comes is decoded as it comes
        self._untimed = 0  # packets in a row without a presentation time
        self._unordered = False  # no telling in which order frames are shown, but by decoding them all
        self._bad_in_a_row = 0
        self._unplaced = 0  # packets that cannot be decoded, and nobody knows yet which
        self.newest: Frame | None = None
        self.decoded_whole = 0
        self.decode_whole_ns = 0

    @property
    def next_number(self) -> int:
        """The number of the next frame."""
        return self._groups.next_number

    @property
    def decoded(self) -> int:
        """Frames decoded."""
        return self._demand.decoded + self.decoded_whole

    @property
    def decode_ns(self) -> int:
        """CPU time spent on that."""
        return self._demand.decode_ns + self.decode_whole_ns

    @property
    def note(self) -> str:
        """What makes this source dearer than it could be."""
        if self._unordered:
            return "the source gives no presentation times: every frame is decoded"
        group = self._groups.current
        if group is not None and group.long:
            return "no key frame has come for long: every frame is decoded"
        return ""

    @property
    def rests_until_s(self) -> float:
        """The presentation time up to which frames that come need not be looked at when they come."""
        if self._in_step or self._unordered:
            return -math.inf
        return self._audience.awaits_s(self._step_s)

    # --- what comes ---

    def arrive(self, unit: Unit) -> None:
        """A packet was read."""
        self._accounting.arrived()
        if self._unordered or self._loses_order(unit):
            self._decode_whole(lambda: self._source.decode(unit, wanted=True), unit)
            return
        frame = self._groups.arrive(unit)
        if frame is None:
            return
        if frame.is_key:
            self._keys.arrived(frame.pts_s)
        self._in_step = self._is_needed(frame.group)
        if self._in_step:
            self._demand.follow()
        while (head := self._groups.head()) is not None:
            if self._in_step and self._demand.holds_back(head):
                break
            self._show()
        self._groups.trim(self._audience.oldest_index)

    def _loses_order(self, unit: Unit) -> bool:
        """Whether everything has to be decoded from this packet on to know in which order frames are shown.

        A time that is missing now and then costs an exact place, no more. When all are missing, decoding
        begins anew at a key frame, so that no picture suffers.
        """
        if unit.pts_s is not None or not self._source.info.reorders:
            self._untimed = 0
            return False
        self._untimed += 1
        if self._groups.current is None:
            self._unordered = True
        elif unit.is_key and self._untimed > _UNTIMED:
            while self._groups.rest() is not None:
                self._show()
            self._groups.clear()
            self._source.restart()
            self.decoded_whole, self.decode_whole_ns = self.decoded, self.decode_ns
            self._demand = Demand(self._source, self._groups, self)
            self._unordered = True
        return self._unordered

    def lost(self, count: int) -> None:
        """So many packets were left out, as decoding was too slow; a key frame comes next."""
        self._groups.lose(count)

    def end(self) -> None:
        """The source is over: what is on its way is shown."""
        if self._unordered:
            self._decode_whole(self._source.flush, None)
            return
        if self._in_step:
            self._demand.finish()
        while self._groups.rest() is not None:
            self._show()

    def close(self) -> None:
        """Let go of decoder and packets, which would otherwise wait for the garbage collector."""
        self._groups.clear()
        del self._demand

    def _is_needed(self, group: Group) -> bool:
        """Whether something of the group that comes in will be asked for."""
        if group.long:
            return True
        newest_s = group.frames[-1].pts_s
        return self._audience.needs(group.begin_s, self._keys.next_s(newest_s), self._step_s)

    def _show(self) -> None:
        frame = self._groups.show()
        if not frame.good:
            return
        if self.newest is not None and not self._clocked and frame.pts_s > self.newest.pts_s:
            self._step_s = frame.pts_s - self.newest.pts_s
        self.newest = frame
        self._audience.play(frame)

    # --- what is asked for ---

    def produce(self, frames: list[Frame]) -> bool:
        """Decode what is needed for these frames; False if one of them cannot be had."""
        return self._demand.produce(frames, in_step=self._in_step)

    def may_use(self, frame: Frame) -> bool:
        """See `Judge`."""
        return self._audience.may_use(frame, self._step_s)

    def keeps(self, frame: Frame) -> bool:
        """See `Judge`."""
        return self._audience.keeps(frame, self._step_s)

    def on_corrupt(self, frame: Frame | None, error: SourceError) -> None:
        """See `Judge`."""
        if frame is None:
            self._unplaced += 1
        else:
            frame.settle(Fate.CORRUPT, self._accounting)
        self._judge(error)

    def on_decoded(self) -> None:
        """See `Judge`."""
        self._bad_in_a_row = 0
        self._alive()

    def on_lost(self, frame: Frame) -> None:
        """See `Judge`."""
        # Other codecs have packets that are never shown.
        if self._source.info.codec in _ONE_PICTURE_A_PACKET or self._unplaced:
            self._unplaced = max(0, self._unplaced - 1)
            frame.settle(Fate.CORRUPT, self._accounting)

    def _judge(self, error: SourceError) -> None:
        self._bad_in_a_row += 1
        if error.cause is not Cause.CORRUPT or self._bad_in_a_row == HOPELESS_FAILURES:
            self.give_up(error)

    # --- sources that give no times: everything is decoded ---

    def _decode_whole(self, step: Callable[[], list[Picture]], unit: Unit | None) -> None:
        began_ns = time.thread_time_ns()
        try:
            pictures = step()
        except SourceError as err:
            self._accounting.moved(Fate.NOT_WANTED, Fate.CORRUPT)
            self._groups.next_number += 1
            self._judge(err)
            return
        finally:
            self.decode_whole_ns += time.thread_time_ns() - began_ns
        for picture in pictures:
            self._bad_in_a_row = 0
            self.decoded_whole += 1
            self._play_picture(picture, picture.unit or unit)

    def _play_picture(self, picture: Picture, unit: Unit | None) -> None:
        if unit is None:
            return
        number = self._groups.next_number
        self._groups.next_number += 1
        if unit.is_key:
            self._keys.arrived(picture.pts_s)
        group = Group(picture.pts_s, number, alone=True)
        self.newest = Frame(unit, number, group, picture.pts_s, number=number, picture=picture)
        self._audience.play(self.newest)
