"""The report of everything, as Prometheus' metrics.

The names follow Prometheus' conventions: prefix `vedette_`, seconds and bytes, `_total` for what only
grows. Which metrics there are is the tables below; docs/metrics.md shows them, and a test compares the two.
The only module that knows prometheus_client.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.contract.status import (
    AlgorithmState,
    AlgorithmStatus,
    FrameCounts,
    Reported,
    StreamState,
    StreamStatus,
)
from agent.health import about

T = TypeVar("T")

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4  # what every Prometheus since 2014 reads

MESSAGE_KINDS: Final = ("state", "reply", "event", "result", "snapshot")  # delivery's, which is above

Values = Iterable[tuple[tuple[str, ...], float | None]]
"""Values of a metric by those of its further labels; None: not known, and left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[T]):
    """One metric of a T: a stream, an algorithm, the report."""

    name: str
    doc: str
    read: Callable[[T], Values]
    labels: tuple[str, ...] = ()  # further ones, beside the id of the item

    @property
    def type(self) -> Literal["counter", "gauge"]:
        """What the name says."""
        return "counter" if self.name.endswith("_total") else "gauge"


def _row(name: str, doc: str, read: Callable[[T], float | None]) -> Row[T]:
    return Row(name=name, doc=doc, read=lambda item: [((), read(item))])


def _by(name: str, doc: str, label: str, read: Callable[[T], Mapping[str, float]]) -> Row[T]:
    return Row(
        name=name,
        doc=doc,
        labels=(label,),
        read=lambda item: [((key,), value) for key, value in read(item).items()],
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _bytes(bits: float | None) -> float | None:
    return None if bits is None else bits / 8


def _fates(frames: FrameCounts) -> dict[str, float]:
    # Without `received`, which is their sum: a sum over the label must mean something.
    return frames.model_dump(exclude={"received"})


def _counted(report: Reported, key: str) -> float | None:
    value = report.delivery.get(key)
    return None if isinstance(value, str) else value


def _dropped(report: Reported) -> dict[str, float]:
    # Zeros too: `increase` does not see the first drop of a series that begins with it.
    return {kind: _counted(report, f"dropped_{kind}") or 0 for kind in MESSAGE_KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What is told of the agent itself."""

    device: str
    version: str
    ready: bool
    epoch: int
    revision: int


AGENT: Final[tuple[Row[Agent], ...]] = (
    Row(
        name="vedette_agent_info",
        doc="1; which device this is, and the version of Vedette.",
        labels=("device", "version"),
        read=lambda a: [((a.device, a.version), 1)],
    ),
    _row("vedette_agent_ready", "1 when /readyz says so, else 0.", lambda a: a.ready),
    _row("vedette_agent_epoch", "Start counter of the agent on this device.", lambda a: a.epoch),
    _row("vedette_agent_revision", "Grows with every change of streams or algorithms.", lambda a: a.revision),
)

STREAM: Final[tuple[Row[StreamStatus], ...]] = (
    _row(
        "vedette_stream_up",
        "1 while frames are coming, else 0; see the state for why.",
        lambda s: s.state is StreamState.RUNNING,
    ),
    _by(
        "vedette_stream_state",
        "1 for the state that the stream is in, 0 for the others.",
        "state",
        lambda s: {state.value: s.state is state for state in StreamState},
    ),
    _by(
        "vedette_stream_frames_total",
        "Frames that came from the source, by what became of them.",
        "fate",
        lambda s: _fates(s.frames),
    ),
    _row("vedette_stream_reopened_total", "Times the source was opened again.", lambda s: s.reopened),
    _row(
        "vedette_stream_generation",
        "Grows when the source was opened or its picture changed.",
        lambda s: s.generation,
    ),
    _row("vedette_stream_frames_per_second", "Frames that come in, measured.", lambda s: s.fps),
    _row(
        "vedette_stream_decoded_frames_per_second",
        "Frames that are decoded, measured.",
        lambda s: s.fps_decoded,
    ),
    _row("vedette_stream_decoded_total", "Frames decoded.", lambda s: s.decoded),
    _row("vedette_stream_cpu_cores", "Cores that the capture process uses, measured.", lambda s: s.cpu),
    _row(
        "vedette_stream_decode_seconds",
        "CPU time of a decoded frame, measured.",
        lambda s: _seconds(s.decode_ms),
    ),
    _row(
        "vedette_stream_key_interval_seconds",
        "Time from key frame to key frame.",
        lambda s: s.key_interval_s,
    ),
    _row(
        "vedette_stream_bytes_per_second",
        "Encoded bytes that come in, measured.",
        lambda s: _bytes(s.bitrate_bps),
    ),
)

ALGORITHM: Final[tuple[Row[AlgorithmStatus], ...]] = (
    Row(
        name="vedette_algorithm_info",
        doc="1; which kind it is of, in which version (empty until a worker is ready).",
        labels=("kind", "version"),
        read=lambda a: [((a.kind, a.version or ""), 1)],
    ),
    _by(
        "vedette_algorithm_state",
        "1 for the state that the algorithm is in, 0 for the others.",
        "state",
        lambda a: {state.value: a.state is state for state in AlgorithmState},
    ),
    _row("vedette_algorithm_workers", "Worker processes that are ready.", lambda a: a.workers),
    _row("vedette_algorithm_runs_total", "Calls of run() that came to an end.", lambda a: a.runs),
    _row("vedette_algorithm_results_total", "Runs that gave a result.", lambda a: a.results),
    _row("vedette_algorithm_failures_total", "Runs that raised.", lambda a: a.failures),
    _row(
        "vedette_algorithm_unpackable_total",
        "Runs whose result cannot be packed.",
        lambda a: a.unpackable,
    ),
    _row("vedette_algorithm_timeouts_total", "Runs killed after timeout_s.", lambda a: a.timeouts),
    _row("vedette_algorithm_crashes_total", "Times a worker ended by itself.", lambda a: a.crashes),
    _row("vedette_algorithm_restarts_total", "Times a worker was started again.", lambda a: a.restarts),
    _row("vedette_algorithm_skipped_total", "Due runs that were left out.", lambda a: a.skipped),
    _row(
        "vedette_algorithm_run_mean_seconds",
        "Mean duration of the recent runs.",
        lambda a: _seconds(a.run_ms_mean),
    ),
    _row(
        "vedette_algorithm_run_max_seconds",
        "Longest duration of the recent runs.",
        lambda a: _seconds(a.run_ms_max),
    ),
    _row(
        "vedette_algorithm_run_cpu_seconds",
        "Mean CPU time of the recent runs, all threads.",
        lambda a: _seconds(a.run_cpu_ms),
    ),
    _row("vedette_algorithm_cpu_cores", "Cores that the runs use, measured.", lambda a: a.cpu),
)


def _delivery(key: str, name: str, doc: str) -> Row[Reported]:
    return _row(f"vedette_delivery_{name}", doc, lambda r: _counted(r, key))


DELIVERY_KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "accepted": ("accepted_total", "Messages taken for delivery."),
    "delivered": ("delivered_total", "Messages acknowledged by the broker."),
    "unmatched": ("unmatched_total", "Of those delivered: nobody was subscribed (MQTT 5 only)."),
    "superseded": ("superseded_total", "States replaced by a newer one before they were sent."),
    "dead": ("dead_total", "Messages refused by the broker, or too large for it."),
    "fleeting_dropped": ("fleeting_dropped_total", "Messages with QoS 0 that could not be sent at once."),
    "sent": ("sent_total", "Publishes, repeats included."),
    "resent": ("resent_total", "Of those sent: not acknowledged before a connection ended."),
    "replayed": ("replayed_total", "Of those sent: accepted while there was no link."),
    "republished": ("republished_total", "States sent again after a new connection."),
    "recovered": ("recovered_total", "Messages on disk that an earlier process left."),
    "waiting": ("waiting_messages", "Messages that wait in memory."),
    "waiting_bytes": ("waiting_bytes", "Bytes that wait in memory."),
    "in_flight": ("in_flight_messages", "Messages sent and not acknowledged yet."),
    "on_disk": ("on_disk_messages", "Messages that wait on disk only."),
    "disk_bytes": ("disk_bytes", "Bytes that the spool has on disk."),
    "disk_writes": ("disk_writes_total", "Messages written to the spool."),
    "disk_errors": ("disk_errors_total", "Batches that did not go to disk, and stayed in memory."),
    "inbound": ("inbound_total", "Messages that came from the broker."),
    "connects": ("connects_total", "Connections made to the broker."),
    "connects_failed": ("connects_failed_total", "Connections to the broker that failed."),
}
"""Counters of delivery: the metric's name after `vedette_delivery_`, and what it means."""

DELIVERY: Final[tuple[Row[Reported], ...]] = (
    *(_delivery(key, name, doc) for key, (name, doc) in DELIVERY_KEYS.items()),
    _by("vedette_delivery_dropped_total", "Messages dropped because a limit was reached.", "kind", _dropped),
)


def described() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of every metric of Vedette's, for the documentation."""
    yield from _described((), AGENT)
    yield from _described(("stream",), STREAM)
    yield from _described(("algorithm",), ALGORITHM)
    yield from _described((), DELIVERY)


def _described(
    labels: tuple[str, ...], rows: Sequence[Row[T]]
) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for row in rows:
        yield row.name, row.type, labels + row.labels, row.doc


class Metrics(Collector):
    """The metrics of one agent: made anew from a report each time they are asked for, kept nowhere.

    `report` and `ready` are called in the thread that calls `exposition`.
    """

    def __init__(self, device: str, report: Callable[[], Reported], ready: Callable[[], str | None]) -> None:
        self._device = device
        self._version = about.version()
        self._report = report
        self._ready = ready
        # Its own: nothing that a library registers for itself comes along.
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def exposition(self) -> bytes:
        """The text that Prometheus reads, of type CONTENT_TYPE."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: so that registering asks for no report, which there may not be yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, for the registry."""
        report = self._report()
        agent = Agent(
            device=self._device,
            version=self._version,
            ready=self._ready() is None,
            epoch=report.epoch,
            revision=report.revision,
        )
        yield from _families(AGENT, (), {(): agent})
        yield from _families(STREAM, ("stream",), {(key,): item for key, item in report.streams.items()})
        yield from _families(
            ALGORITHM, ("algorithm",), {(key,): item for key, item in report.algorithms.items()}
        )
        yield from _families(DELIVERY, (), {(): report})


def _families(
    rows: Sequence[Row[T]], labels: tuple[str, ...], items: Mapping[tuple[str, ...], T]
) -> Iterator[Metric]:
    for row in rows:
        yield _family(
            row,
            labels,
            ((ids + further, value) for ids, item in items.items() for further, value in row.read(item)),
        )


def _family(row: Row[T], labels: tuple[str, ...], values: Values) -> Metric:
    family: CounterMetricFamily | GaugeMetricFamily
    family = (CounterMetricFamily if row.type == "counter" else GaugeMetricFamily)(
        row.name, row.doc, labels=labels + row.labels
    )
    for label_values, value in values:
        if value is not None:
            family.add_metric(label_values, value)
    return family
