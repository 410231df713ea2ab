"""What keeps commands within bounds: how many a second, and how many replies are kept in memory."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Self

from agent.control.messages import Remembered

MAX_RECENT = 1000  # replies in memory; the oldest goes first
MAX_RECENT_BYTES = 4 << 20
BURST_S = 2.0  # so many seconds' worth of commands may come at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Tokens that come back with time: one is taken for each command."""

    rate: float  # tokens a second
    tokens: float
    at_s: float

    @classmethod
    def full(cls, rate: float, now_s: float) -> Self:
        """All that may come at once is there."""
        return cls(rate=rate, tokens=max(1.0, rate * BURST_S), at_s=now_s)

    def taken(self, now_s: float) -> tuple[bool, Self]:
        """Whether there was a token, and what is left."""
        most = max(1.0, self.rate * BURST_S)
        tokens = min(most, self.tokens + (now_s - self.at_s) * self.rate)
        enough = tokens >= 1.0
        return enough, replace(self, tokens=tokens - 1.0 if enough else tokens, at_s=now_s)


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
