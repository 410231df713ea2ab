"""What the agent is subscribed to, and what of it the broker refuses.

A broker refuses a subscription without ending the connection: results go out, and commands never come.
Its rights may be mended without a new connection, so what was refused is asked for again.
"""

from collections.abc import Sequence

from agent.delivery.messages import LinkCause
from agent.delivery.reasons import LinkError
from agent.delivery.session import Session, Subscribed

AGAIN_S = 60.0
_REFUSED = 0x80


class Hearing:
    """Of one agent, over all its connections."""

    def __init__(self, filters: Sequence[str], address: str) -> None:
        self._filters = tuple(filters)
        self._address = address
        self._refused: dict[str, str] = {}  # filter to the broker's words
        self._again_s = 0.0

    def __len__(self) -> int:
        """How many are refused."""
        return len(self._refused)

    def begin(self, session: Session) -> None:
        """There is a new connection."""
        self._refused = {}
        if self._filters:
            session.subscribe(self._filters)

    def turn(self, session: Session, now_s: float) -> None:
        """Ask again for what was refused, once in a while."""
        if self._refused and now_s >= self._again_s:
            self._again_s = now_s + AGAIN_S
            session.subscribe(tuple(self._refused))

    def answered(self, answer: Subscribed, now_s: float) -> bool:
        """The broker has answered; whether something else is refused than before."""
        before = dict(self._refused)
        for topic_filter, code, text in answer.answers:
            self._refused.pop(topic_filter, None)
            if code >= _REFUSED:
                self._refused[topic_filter] = text
        if self._refused.keys() != before.keys():
            self._again_s = now_s + AGAIN_S
        return self._refused.keys() != before.keys()

    @property
    def complaint(self) -> LinkError | None:
        """What is refused, as a sentence; None when nothing is."""
        return refused(self._address, self._refused) if self._refused else None


def refused(address: str, filters: dict[str, str]) -> LinkError:
    """The broker keeps from us what we want to hear: its words by filter."""
    what = ", ".join(f"{topic_filter} ({text})" for topic_filter, text in filters.items())
    return LinkError(
        LinkCause.AUTH, f"{address} refuses the subscription to {what}: nothing comes from there"
    )
