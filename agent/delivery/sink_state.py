"""What is told of one sink: written by its thread, read by the event loop."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from agent.config.sinks import SinkConfig
from agent.contract.status import SinkGap, SinkState, SinkStatus
from agent.delivery.ledger import Gap
from agent.delivery.messages import DeliveryCounters

_GAPS = 10  # that are told


@dataclass(slots=True)
class SinkProgress:
    """Plain values, each set at once: a reader sees each as it is or was, and waits for nobody."""

    config: SinkConfig
    state: SinkState = SinkState.STARTING
    since_us: int = field(default_factory=lambda: time.time_ns() // 1000)
    failures: int = 0
    crashes: int = 0
    error: str | None = None
    error_us: int | None = None
    retry_s: float = 0.0  # monotonic

    def to(self, state: SinkState) -> bool:
        """The state is this one now; whether it was another."""
        if state is self.state:
            return False
        self.state, self.since_us = state, time.time_ns() // 1000
        return True

    def failed(self, error: str, state: SinkState, *, retry_s: float) -> bool:
        """A try failed; whether that is news."""
        self.failures += 1
        news = self.to(state) or error != self.error
        self.error, self.error_us, self.retry_s = error, time.time_ns() // 1000, retry_s
        return news

    def status(self, counters: DeliveryCounters, gaps: Sequence[Gap]) -> SinkStatus:
        """As it is told."""
        waits = self.state is not SinkState.RUNNING and self.retry_s > 0
        return SinkStatus(
            id=self.config.id,
            kind=self.config.kind,
            state=self.state,
            since=self.since_us,
            retry_in_s=round(max(0.0, self.retry_s - time.monotonic()), 1) if waits else None,
            accepted=counters.accepted,
            recovered=counters.recovered,
            delivered=counters.delivered,
            replayed=counters.replayed,
            waiting=counters.waiting + counters.in_flight + counters.on_disk,
            disk_bytes=counters.disk_bytes,
            disk_errors=counters.disk_errors,
            dropped=counters.dropped.get("result", 0),
            dead=counters.dead,
            gaps=tuple(SinkGap(**asdict(gap)) for gap in gaps[-_GAPS:]),
            failures=self.failures,
            crashes=self.crashes,
            error=self.error,
            error_time=self.error_us,
        )
