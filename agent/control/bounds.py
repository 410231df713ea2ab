"""What keeps the memory of commands within bounds: how many replies are kept."""

from collections import OrderedDict
from dataclasses import dataclass, field

from agent.control.messages import Remembered

MAX_RECENT = 1000  # replies in memory; the oldest goes first
MAX_RECENT_BYTES = 4 << 20


@dataclass(slots=True)
class Recent:
    """Replies of this life, in memory: bounded in number and bytes, the oldest goes first."""

    _replies: OrderedDict[str, Remembered] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def get(self, command_id: str) -> Remembered | None:
        """What was answered to this id."""
        return self._replies.get(command_id)

    def add(self, reply: Remembered) -> None:
        """Remember it, and forget the oldest beyond the bounds."""
        old = self._replies.pop(reply.id, None)
        self._bytes += len(reply.payload) - (len(old.payload) if old else 0)
        self._replies[reply.id] = reply
        while len(self._replies) > MAX_RECENT or (self._bytes > MAX_RECENT_BYTES and len(self._replies) > 1):
            self._bytes -= len(self._replies.popitem(last=False)[1].payload)
