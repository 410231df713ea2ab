"""The report of everything, as Prometheus' metrics, made anew each time they are asked for and kept nowhere.

Which metrics there are is in `rows`. The only module that knows prometheus_client.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from agent.contract.status import Reported
from agent.health.latency import EDGES_S, Histogram
from agent.health.row import Row, Values
from agent.health.rows import AGENT, ALGORITHM, DELIVERY, LATENCY, REPORT, STREAM
from agent.health.sink_metrics import SINK
from agent.health.vitals import Vitals

T = TypeVar("T")

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4  # what every Prometheus since 2014 reads


def described() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of every metric of Vedette's, for the documentation."""
    yield from _described((), REPORT)
    yield from _described((), AGENT)
    yield from _described(("stream",), STREAM)
    yield from _described(("algorithm",), ALGORITHM)
    name, doc, labels = LATENCY
    yield name, "histogram", labels, doc
    yield from _described((), DELIVERY)
    yield from _described(("sink",), SINK)


def _described(
    labels: tuple[str, ...], rows: Sequence[Row[T]]
) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for row in rows:
        yield row.name, row.type, labels + row.labels, row.doc


class Metrics(Collector):
    """The metrics of one agent; `report` and `vitals` are called in the thread that calls `exposition`."""

    def __init__(self, report: Callable[[], Reported], vitals: Callable[[], Vitals]) -> None:
        self._report = report
        self._vitals = vitals
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
        report, vitals = self._report(), self._vitals()
        yield from _families(REPORT, (), {(): report})
        yield from _families(AGENT, (), {(): vitals})
        yield from _families(STREAM, ("stream",), {(key,): item for key, item in report.streams.items()})
        yield from _families(
            ALGORITHM, ("algorithm",), {(key,): item for key, item in report.algorithms.items()}
        )
        yield _histogram(vitals.latencies)
        yield from _families(DELIVERY, (), {(): report})
        yield from _families(SINK, ("sink",), {(key,): item for key, item in report.sinks.items()})


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


def _histogram(latencies: Mapping[tuple[str, str], Histogram]) -> Metric:
    name, doc, labels = LATENCY
    family = HistogramMetricFamily(name, doc, labels=labels)
    edges = [*map(str, EDGES_S), "+Inf"]
    for pair, histogram in latencies.items():
        upto = itertools.accumulate(histogram.counts)
        family.add_metric(pair, list(zip(edges, upto, strict=True)), histogram.sum_s)
    return family
