"""Tells subscribers what was dropped, and where epochs end: the retained document `gaps`."""

import time
from collections.abc import Callable

from agent.contract import gaps as contract
from agent.contract.topics import Topics
from agent.delivery.ledger import Ledger, Reached
from agent.delivery.messages import Outgoing

EVERY_S = 2.0  # a spool that is full drops with each result


class Announcer:
    """Publishes the ledger when it has something new; to be called now and then."""

    def __init__(self, topics: Topics, ledger: Ledger, put: Callable[[Outgoing], None]) -> None:
        self._topic = topics.gaps
        self._ledger = ledger
        self._put = put
        self._told = -1
        self._next_s = 0.0

    def tell(self, now_s: float) -> None:
        """Publish what is new, at a measured pace; `now_s` is monotonic."""
        if now_s >= self._next_s and self._ledger.version != self._told:
            self._next_s = now_s + EVERY_S
            self._publish()

    def tell_end(self) -> None:
        """Nothing is made any more: say where this epoch ends."""
        self._ledger.end()
        self._publish()

    def _publish(self) -> None:
        self._told, running = self._ledger.version, self._ledger.running
        document = contract.Gaps(
            time=time.time_ns() // 1000,
            epochs=tuple(_end(one, running) for one in self._ledger.epochs()),
            gaps=tuple(
                contract.Gap(
                    epoch=gap.epoch, first=gap.first, last=gap.last, count=gap.count, reason=gap.reason
                )
                for gap in self._ledger.gaps()
            ),
        )
        self._put(
            Outgoing(
                topic=self._topic,
                payload=document.json_bytes(),
                kind="state",
                retain=True,
                content_type="application/json",
            )
        )


def _end(one: Reached, running: int | None) -> contract.EpochEnd:
    if one.ended:
        return contract.EpochEnd(epoch=one.epoch, last=one.last, state="ended", exact=True)
    if one.epoch == running:
        return contract.EpochEnd(epoch=one.epoch, last=one.last, state="running", exact=False)
    return contract.EpochEnd(epoch=one.epoch, last=one.last, state="killed", exact=one.exact)
