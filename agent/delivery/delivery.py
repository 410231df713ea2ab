"""Delivery to the broker, seen from the rest of the agent."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.delivery.backlog import Limits
from agent.delivery.courier import Courier
from agent.delivery.desk import Desk
from agent.delivery.endpoint import Endpoint
from agent.delivery.ledger import Gap, Ledger
from agent.delivery.messages import DeliveryCounters, Inbound, Kind, Link, Outgoing
from agent.delivery.saver import Durability
from agent.delivery.spool import Bounds, Spool

FLUSH_S = 2.0  # at the end, for what is still queued
OPEN_LIMIT_S = 600.0
_JOIN_S = 10.0  # the thread ends within FLUSH_S, or the 5 s of a TCP connection under way


BOUNDS = Bounds(max_bytes=268_435_456, max_age_s=604_800.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """Where results and events wait on disk, and how much of them; see `saver` for `durability`."""

    path: Path
    durability: Durability = "lazy"
    bounds: Bounds = BOUNDS
    classes: Mapping[Kind, Bounds] = field(default_factory=dict)


class Delivery:
    """Keeps a connection to the broker and sends what is put, in a thread of its own.

    Bounded: each kind has a limit in memory (`backlog.LIMITS`), the oldest is dropped and counted; with a
    `spool`, results and events that wait go to disk, within its limits, and survive the process. Every
    message with QoS 1 is sent until the broker has acknowledged it, over any number of connections; a
    subscriber may see it twice. Inside the `with` block the thread runs; at its end what is queued is sent
    (for `flush_s` at most), then `farewell()`, and the connection is closed so that no last will is
    published.

    `on_inbound` and `on_link` are called from the delivery thread and must only enqueue. One that raises
    would end the thread: `alive` and `progress` tell, and the watchdog acts.
    """

    def __init__(  # noqa: PLR0913  everything by name
        self,
        endpoint: Endpoint,
        *,
        subscriptions: Sequence[str] = (),
        on_inbound: Callable[[Inbound], None] | None = None,
        on_link: Callable[[Link], None] | None = None,
        will: Outgoing | None = None,
        farewell: Callable[[], Outgoing] | None = None,
        drain_rate: float = 200.0,
        flush_s: float = FLUSH_S,
        limits: dict[Kind, Limits] | None = None,
        spool: SpoolSettings | None = None,
        keep_unmatched: bool = False,
    ) -> None:
        """`keep_unmatched`: results wait while nobody subscribes to them (MQTT 5 alone tells)."""
        self._desk = Desk(limits, spooling=spool is not None)
        self._courier = Courier(
            endpoint,
            self._desk,
            subscriptions=tuple(subscriptions),
            on_inbound=on_inbound,
            on_link=on_link,
            will=will,
            farewell=farewell,
            drain_rate=drain_rate,
            flush_s=flush_s,
            spool=self._spool(spool) if spool is not None else None,
            durability=spool.durability if spool is not None else "lazy",
            keep_unmatched=keep_unmatched,
        )
        self._thread = threading.Thread(target=self._courier.run, name="vedette-delivery", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._desk.close()
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self._desk.release()

    def put(self, message: Outgoing) -> None:
        """Hand a message over; never blocks, from any thread."""
        self._desk.put(message)

    def counters(self) -> DeliveryCounters:
        """What was done so far."""
        return self._desk.counters()

    def unsettled_states(self) -> int:
        """How many of `counters().waiting` are states, which nobody has to wait for."""
        return self._desk.unsettled_states()

    def gaps(self) -> tuple[Gap, ...]:
        """Ranges of results and events that were dropped on this device, oldest first."""
        return self._desk.ledger.gaps()

    @property
    def ledger(self) -> Ledger:
        """Gaps and the ends of epochs, for subscribers."""
        return self._desk.ledger

    def dead_letters(self) -> tuple[tuple[Outgoing, str], ...]:
        """The last messages that the broker would not have, each with the reason."""
        return self._desk.dead_letters()

    def facts(self) -> dict[str, Any]:
        """What was done and what was given up, for people; of messages only where they were to go."""
        dead = [
            {"topic": message.topic, "bytes": len(message.payload), "reason": reason}
            for message, reason in self.dead_letters()
        ]
        return {
            "counters": asdict(self.counters()),
            "alive": self.alive(),
            "turned_s_ago": round(time.monotonic() - self._courier.turned_s, 3),
            "gaps": [asdict(gap) for gap in self.gaps()],
            "dead_letters": dead,
        }

    def progress(self) -> float:
        """When the thread last turned (monotonic seconds); long ago: it hangs or is dead.

        Opening a large spool after a power cut may take minutes on a slow card, and is no hang.
        """
        if not self._thread.is_alive():
            return 0.0
        allowed_s = 0.0 if self._courier.opened else OPEN_LIMIT_S
        return min(time.monotonic(), self._courier.turned_s + allowed_s)

    def _spool(self, settings: SpoolSettings) -> Spool:
        return Spool(
            settings.path,
            settings.bounds,
            classes=settings.classes,
            ledger=self._desk.ledger,
            on_drop=self._desk.drop,
        )

    def alive(self) -> bool:
        """Whether the thread runs and has turned within the last 5 s."""
        return self._thread.is_alive() and time.monotonic() - self._courier.turned_s < 5.0  # noqa: PLR2004
