"""One frame of a stream, from the arrival of its packet on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.capture.accounting import Accounting, Fate
from agent.capture.source import Picture, Stamp, Unit

if TYPE_CHECKING:
    from agent.capture.groups import Group


@dataclass(slots=True, eq=False)
class Frame:
    """A frame: its packet, its place in the stream, its picture if it was decoded, and its fate so far."""

    unit: Unit
    index: int  # in decoding order
    group: "Group"
    pts_s: float
    leading: bool = False  # comes after its group's key frame, is shown before it, and needs the group before
    number: int = -1  # in presentation order, from the start of the stream; known once `Groups` has shown it
    picture: Picture | None = None
    good: bool = True  # False: it was tried, and the decoder gives no picture of it
    fate: Fate = Fate.NOT_WANTED
    leases: int = 0
    used: bool = False

    @property
    def is_key(self) -> bool:
        """Whether it can be decoded alone."""
        return self.unit.is_key

    @property
    def stamp(self) -> Stamp:
        """When its packet arrived."""
        return self.unit.stamp

    def settle(self, fate: Fate, accounting: Accounting) -> None:
        """Move the frame to another fate; what was wanted once stays wanted unless it grows stale."""
        if fate is self.fate or (self.fate is Fate.WANTED and fate is not Fate.STALE):
            return
        accounting.moved(self.fate, fate)
        self.fate = fate
