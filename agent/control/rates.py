"""How many commands a second may come: from each client, and from all of them together.

A client is a name: its response topic, or what else the gate takes it by. Each has a bucket of its own, and
as many clients as there are share what all may send; so whoever floods, also under many names, leaves the
clients that are known their share. Names are bounded: when there are too many, what has none free shares one
bucket with those who give no name.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from agent.contract.commands import BURST_S, MAX_CLIENTS, QUIET_S


class Passage(Enum):
    """What a client's next message may have."""

    OBEYED = "obeyed"
    REFUSED = "refused"  # too fast: it is told so
    DROPPED = "dropped"  # far too fast: that was told often enough, and it is only counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Tokens that come back with time: one is taken for each message."""

    tokens: float
    at_s: float

    @classmethod
    def full(cls, rate: float, now_s: float) -> Self:
        """All that may come at once is there; `rate` is in tokens a second."""
        return cls(tokens=_most(rate), at_s=now_s)

    def taken(self, rate: float, now_s: float) -> tuple[bool, Self]:
        """Whether there was a token, and what is left."""
        tokens = min(_most(rate), self.tokens + max(0.0, now_s - self.at_s) * rate)
        enough = tokens >= 1.0
        return enough, replace(self, tokens=tokens - 1.0 if enough else tokens, at_s=now_s)


@dataclass(slots=True)
class _Client:
    """What one may still send, and how often it may still be told that it sent too much."""

    commands: Bucket
    refusals: Bucket
    seen_s: float

    def passage(self, rate: float, now_s: float) -> Passage:
        self.seen_s = now_s
        enough, self.commands = self.commands.taken(rate, now_s)
        if enough:
            return Passage.OBEYED
        told, self.refusals = self.refusals.taken(rate, now_s)
        return Passage.REFUSED if told else Passage.DROPPED


class Rates:
    """The buckets of at most MAX_CLIENTS clients, and one for all others; the longest silent go first."""

    def __init__(self, *, each: float, together: float, now_s: float) -> None:
        """`each` and `together` are in commands a second."""
        self._each = each
        self._together = together
        self._clients: OrderedDict[str, _Client] = OrderedDict()  # the longest silent first
        self._others = self._new(now_s)

    def passage(self, client: str | None, now_s: float) -> Passage:
        """What the next message of a client may have; None stands for those without a name."""
        for name in list(self._quiet(now_s)):  # their buckets have long been full again
            del self._clients[name]
        return self._known(client, now_s).passage(self._share, now_s)

    def __len__(self) -> int:
        """How many clients have buckets of their own."""
        return len(self._clients)

    @property
    def _share(self) -> float:
        return min(self._each, self._together / (len(self._clients) + 1))

    def _known(self, name: str | None, now_s: float) -> _Client:
        if name is None:
            return self._others
        if name in self._clients:
            self._clients.move_to_end(name)
        elif len(self._clients) < MAX_CLIENTS:
            self._clients[name] = self._new(now_s)
        return self._clients.get(name, self._others)

    def _new(self, now_s: float) -> _Client:
        bucket = Bucket.full(self._share, now_s)
        return _Client(bucket, bucket, now_s)

    def _quiet(self, now_s: float) -> Iterator[str]:
        for name, client in self._clients.items():
            if now_s - client.seen_s < QUIET_S:
                return
            yield name


def _most(rate: float) -> float:
    return max(1.0, rate * BURST_S)
