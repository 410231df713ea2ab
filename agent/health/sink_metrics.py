"""The metrics of a sink."""

from typing import Final

from agent.contract.status import SinkState, SinkStatus
from agent.health.row import Row, by, row

SINK: Final[tuple[Row[SinkStatus], ...]] = (
    Row(
        name="vedette_sink_info",
        doc="1; which kind it is of.",
        labels=("kind",),
        read=lambda s: [((s.kind,), 1)],
    ),
    by(
        "vedette_sink_state",
        "1 for the state that the sink is in, 0 for the others.",
        "state",
        lambda s: {state.value: s.state is state for state in SinkState},
    ),
    row("vedette_sink_accepted_total", "Results that were for it.", lambda s: s.accepted),
    row("vedette_sink_recovered_total", "Results that an earlier process left.", lambda s: s.recovered),
    row("vedette_sink_delivered_total", "Results that it has taken.", lambda s: s.delivered),
    row("vedette_sink_replayed_total", "Results sent late.", lambda s: s.replayed),
    row(
        "vedette_sink_dropped_total",
        "Results dropped because a limit was reached.",
        lambda s: s.dropped,
    ),
    row("vedette_sink_dead_total", "Results that it will never take.", lambda s: s.dead),
    row("vedette_sink_failures_total", "Tries to deliver that failed.", lambda s: s.failures),
    row(
        "vedette_sink_crashes_total",
        "Times its process ended by itself, or was killed.",
        lambda s: s.crashes,
    ),
    row(
        "vedette_sink_waiting_results",
        "Results in memory, on disk and on their way.",
        lambda s: s.waiting,
    ),
    row("vedette_sink_disk_bytes", "Bytes that its spool has on disk.", lambda s: s.disk_bytes),
    row(
        "vedette_sink_disk_errors_total",
        "Batches that did not go to its spool.",
        lambda s: s.disk_errors,
    ),
)
