"""Delivery to the sinks, seen from the rest of the agent."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.config.sinks import SinkConfig
from agent.contract.status import SinkStatus
from agent.delivery.backlog import LIMITS, Limits
from agent.delivery.desk import Desk
from agent.delivery.ledger import Gap
from agent.delivery.messages import Outgoing
from agent.delivery.sink_courier import SinkCourier
from agent.delivery.sink_link import Starter
from agent.delivery.sink_state import SinkProgress
from agent.delivery.spool import Bounds, Spool

FLUSH_S = 1.5  # at the end, for what is still queued
_GRACE_S = 0.5  # for the process, to end by itself
_JOIN_S = 10.0  # the thread ends within FLUSH_S and what the disk takes
_LIMITS = LIMITS | {"result": Limits(count=10_000, size_bytes=16 << 20)}


def spool_path(state_dir: Path, sink: str) -> Path:
    """Where the results for a sink wait."""
    return state_dir / f"spool-{sink}.sqlite3"


class SinkDelivery:
    """Keeps one sink fed, in a thread of its own; `start`, then `close`, then `join`.

    Bounded like the delivery to the broker: in memory, and on disk by `max_bytes` and `max_age_s`; the
    oldest is dropped, counted, and named in the records of gaps.
    """

    def __init__(
        self,
        config: SinkConfig,
        state_dir: Path,
        starter: Starter,
        *,
        redact: Callable[[str], str],
        flush_s: float = FLUSH_S,
        limits: Limits = _LIMITS["result"],
    ) -> None:
        self.config = config
        self.starter = starter
        self._desk = Desk(_LIMITS | {"result": limits}, spooling=True)
        self._progress = SinkProgress(config)
        spool = Spool(
            spool_path(state_dir, config.id),
            Bounds(max_bytes=config.max_bytes, max_age_s=config.max_age_s),
            ledger=self._desk.ledger,
            on_drop=self._desk.drop,
        )
        self._courier = SinkCourier(
            config, self._desk, spool, starter, self._progress, flush_s=flush_s, redact=redact
        )
        self._thread = threading.Thread(
            target=self._courier.run, name=f"vedette-sink-{config.id}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to end, with what is queued delivered if that goes fast."""
        self._desk.close()

    def join(self) -> None:
        """Wait for the thread, once it was asked to end."""
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self._desk.release()

    def put(self, message: Outgoing) -> None:
        """Hand a result over; never blocks, from any thread."""
        self._desk.put(message)

    def status(self) -> SinkStatus:
        """What it is doing."""
        return self._progress.status(self._desk.counters(), self._desk.ledger.gaps())

    def gaps(self) -> tuple[Gap, ...]:
        """Ranges of results that were dropped for this sink, oldest first."""
        return self._desk.ledger.gaps()

    def dead_letters(self) -> tuple[tuple[Outgoing, str], ...]:
        """The last results that the sink would not have, each with the reason."""
        return self._desk.dead_letters()

    def progress(self) -> float:
        """When the thread last turned (monotonic seconds); 0: it is dead."""
        return self._courier.turned_s if self._thread.is_alive() else 0.0


class Sinks:
    """All sinks; `async with` starts them, and at its end delivers what goes fast and keeps the rest."""

    def __init__(self, sinks: Sequence[SinkDelivery] = ()) -> None:
        self._sinks = tuple(sinks)

    async def __aenter__(self) -> Self:
        for sink in self._sinks:
            sink.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for sink in self._sinks:
            sink.close()
        await asyncio.gather(*(asyncio.to_thread(sink.join) for sink in self._sinks))
        await asyncio.gather(*(sink.starter.ended(_GRACE_S) for sink in self._sinks))

    def put(self, stream: str, algorithm: str, result: Outgoing) -> None:
        """Hand a result, its envelope as msgpack, to every sink that wants it; never blocks."""
        for sink in self._sinks:
            if sink.config.wants(stream, algorithm):
                sink.put(replace(result, topic=f"{stream}/{algorithm}"))

    def statuses(self) -> dict[str, SinkStatus]:
        """What each is doing, by id."""
        return {sink.config.id: sink.status() for sink in self._sinks}

    def progress(self) -> Mapping[str, Callable[[], float]]:
        """What tells when the thread of each sink last turned (monotonic seconds), by the sink's id."""
        return {sink.config.id: sink.progress for sink in self._sinks}

    def __bool__(self) -> bool:
        return bool(self._sinks)
