"""Played frames: the decoder's pictures that a window may still need, newest last."""

import collections
from dataclasses import dataclass, field

from agent.capture.accounting import Accounting, Fate
from agent.capture.source import Picture


@dataclass(slots=True, eq=False)
class Played:
    """One played frame, still in the decoder's memory, and its fate so far."""

    picture: Picture
    number: int
    fate: Fate = Fate.NOT_WANTED
    leases: int = 0
    used: bool = field(default=False)

    def settle(self, fate: Fate, accounting: Accounting) -> None:
        """Move the frame to another fate; what was wanted once stays wanted unless it grows stale."""
        if fate is self.fate or (self.fate is Fate.WANTED and fate is not Fate.STALE):
            return
        accounting.moved(self.fate, fate)
        self.fate = fate


class History:
    """The last `span` played frames of one generation; older ones are forgotten."""

    def __init__(self) -> None:
        self._frames: collections.deque[Played] = collections.deque(maxlen=1)

    def resize(self, span: int) -> None:
        """Keep the last `span` frames from now on."""
        if span != self._frames.maxlen:
            self._frames = collections.deque(self._frames, maxlen=span)

    def clear(self) -> None:
        """Forget all: a new generation begins."""
        self._frames.clear()

    def append(self, frame: Played) -> None:
        """A frame was played."""
        self._frames.append(frame)

    @property
    def newest(self) -> Played | None:
        """The frame played last."""
        return self._frames[-1] if self._frames else None

    def window(self, offsets: tuple[int, ...]) -> list[Played] | None:
        """The frames so many frames before the newest; None when they are not all there."""
        if not self._frames or max(offsets) >= len(self._frames):
            return None
        return [self._frames[-1 - offset] for offset in offsets]
