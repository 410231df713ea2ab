"""Decoding on demand: of the packets that are kept, only those that a wanted frame needs are decoded.

A picture so made is to the bit the one that decoding everything gives: decoding begins at a key frame and
goes on in order; what is left out are whole groups, the rest of a group after its last wanted frame, and
frames that no other refers to.
"""

import collections
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from agent.capture.frame import Frame
from agent.capture.groups import Groups
from agent.capture.source import Picture, Source, Unit
from agent.errors import Cause, SourceError

FOLLOW_STEP = 8  # packets decoded for one that comes, at most: who begins late catches up without a burst
_MAX_MISTAKES = 3  # so often a frame was wanted after all that had been left out: then none is any more


class Judge(Protocol):
    """Who knows what may be asked for, and hears what became of it."""

    def may_use(self, frame: Frame) -> bool:
        """Whether the frame may be asked for: if not, it is left out where that harms no other."""

    def keeps(self, frame: Frame) -> bool:
        """Whether its picture may be asked for."""

    def on_corrupt(self, frame: Frame | None, error: SourceError) -> None:
        """Its packet cannot be decoded; None: nobody can tell yet which one, `on_lost` will."""

    def on_decoded(self) -> None:
        """A packet could be decoded."""

    def on_lost(self, frame: Frame) -> None:
        """The decoder was given it, and gives no picture of it."""


class Demand:
    """The decoder of one open source: what it has been given, and what came out."""

    def __init__(self, source: Source, groups: Groups, judge: Judge) -> None:
        self._source = source
        self._groups = groups
        self._judge = judge
        self._begun = 0  # index of the frame that decoding began with
        self._next: int | None = None  # index of the frame that decoding can go on with
        # What the decoder was given and has not given back; False for what it may leave out.
        self._inside: dict[Unit, tuple[Frame, bool]] = {}
        self._held: collections.deque[Frame] = collections.deque()  # what has a picture
        self._targets: set[Frame] = set()
        self._mistakes = 0
        self._followed = -1  # index of the newest frame when `follow` was last called
        self.decoded = 0
        self.decode_ns = 0

    def holds_back(self, frame: Frame) -> bool:
        """Whether the decoder has the frame, and gives its picture only when others have come."""
        return self._inside.get(frame.unit, (frame, False))[1]

    def follow(self) -> None:
        """Decode what has come of the newest group and of what was begun before, or at least some of it."""
        group = self._groups.current
        if group is None:
            return
        first, newest = group.frames[0].index, group.frames[-1].index
        goes_on = self._followed == newest - 1
        self._followed = newest
        if self._next is None or (self._next < first and not goes_on):
            self._begin(first)
        for frame in self._groups.since(self._next or first, FOLLOW_STEP):
            self._feed(frame)
        if group.long:
            self._groups.forget_fed(self._next or first)

    def produce(self, frames: Iterable[Frame], *, in_step: bool) -> bool:
        """Decode until each of these frames has its picture; False when one of them has none to give.

        `in_step`: what comes next will be asked for, too.
        """
        targets = sorted(frames, key=lambda frame: frame.index)
        self._targets = set(targets)
        for frame in targets:
            if frame.picture is None and frame.good:
                self._reach(frame, in_step=in_step)
                frame.good = frame.picture is not None
        self._targets = set()
        return all(frame.picture is not None for frame in targets)

    def finish(self) -> None:
        """Nothing comes any more: get out what the decoder still holds."""
        if self._inside:
            self._flush()

    def release(self) -> None:
        """Let go of the pictures that nobody will ask for; the newest stays."""
        newest = self._held[-1] if self._held else None
        for frame in tuple(self._held):
            if frame is not newest and frame not in self._targets and not self._judge.keeps(frame):
                self._held.remove(frame)
                frame.picture = None

    # --- the decoder ---

    def _reach(self, frame: Frame, *, in_step: bool) -> None:
        if not self.holds_back(frame):  # it was not given, or to be left out: that was a mistake
            self._feed_all(self._way_to(frame))
        if frame.picture is None and in_step and self._next is not None:
            self._feed_all(self._groups.since(self._next), until=frame)
        if frame.picture is None and frame.unit in self._inside and not frame.group.long:
            self._flush()

    def _way_to(self, frame: Frame) -> Sequence[Frame]:
        """What has to be decoded to get to a frame that the decoder has not been given, in order."""
        chain = self._groups.chain(frame)
        if self._next is not None and self._next <= frame.index:
            first = chain[0].index if chain else self._next
            rest = self._groups.since(self._next, frame.index + 1 - self._next)
            goes_on = bool(rest) and rest[0].index == self._next
            if goes_on and (self._next == first or self._begun <= first <= self._next):
                return rest
        if chain:
            if self._next is not None and self._begun <= frame.index < self._next:
                self._mistakes += 1
            self._begin(chain[0].index)
        return chain

    def _begin(self, index: int) -> None:
        """Begin anew with the key frame at `index`, unless the decoder has come there by itself."""
        if self._next != index:
            if self._inside:
                self._flush()
            if self._next is not None:
                self._source.restart()
            self._begun = index
        self._next = index

    def _feed_all(self, frames: Sequence[Frame], until: Frame | None = None) -> None:
        for frame in frames:
            self._feed(frame)
            if until is not None and until.picture is not None:
                return

    def _feed(self, frame: Frame) -> None:
        wanted = frame in self._targets or self._mistakes >= _MAX_MISTAKES or self._judge.may_use(frame)
        self._next = frame.index + 1
        self._inside[frame.unit] = (frame, wanted)
        began_ns = time.thread_time_ns()
        try:
            pictures = self._source.decode(frame.unit, wanted=wanted)
        except SourceError as err:
            if self._source.info.parallel and err.cause is Cause.CORRUPT:
                # Threads are at several packets, and the oldest is the bad one. It shows when its picture
                # does not come.
                self._judge.on_corrupt(None, err)
                return
            del self._inside[frame.unit]
            frame.good = False
            self._judge.on_corrupt(frame, err)
            return
        finally:
            self.decode_ns += time.thread_time_ns() - began_ns
        if pictures:
            self._judge.on_decoded()
        for picture in pictures:
            self._out(picture)

    def _flush(self) -> None:
        """Get out what the decoder holds; then it needs a key frame."""
        began_ns = time.thread_time_ns()
        pictures = self._source.flush()
        self.decode_ns += time.thread_time_ns() - began_ns
        for picture in pictures:
            self._out(picture)
        self._lose(tuple(self._inside))
        self._next = None

    def _out(self, picture: Picture) -> None:
        self.decoded += 1
        if picture.unit is None or picture.unit not in self._inside:
            return
        frame, _ = self._inside.pop(picture.unit)
        # Pictures come in the order in which they are shown: what was overtaken never comes.
        self._lose([unit for unit, (other, _) in self._inside.items() if other.pts_s < frame.pts_s])
        frame.picture = picture
        self._held.append(frame)
        self.release()

    def _lose(self, units: Iterable[Unit]) -> None:
        """The decoder gives no picture of these; which is the frame's fault unless it was left out."""
        for unit in units:
            frame, wanted = self._inside.pop(unit)
            # A leading picture lacks the group before, if decoding began with its own: it can be had yet.
            if wanted and frame.good and not (frame.leading and self._begun >= frame.group.first):
                frame.good = False
                self._judge.on_lost(frame)
