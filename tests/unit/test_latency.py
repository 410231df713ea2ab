"""Histograms of latencies: buckets, quantiles, and which are forgotten."""

import pytest

from agent.health.latency import EDGES_S, Histogram, Latencies


def histogram(*latencies_s: float) -> Histogram:
    made = Histogram()
    for latency_s in latencies_s:
        made.observe(latency_s)
    return made


@pytest.mark.parametrize(
    ("latency_s", "bucket"),
    [(0.0, 0), (0.01, 0), (0.0101, 1), (1.0, 6), (10.0, 9), (10.1, 10), (1e9, 10), (-1.0, 0)],
)
def test_a_bucket_has_its_upper_edge_in_it(latency_s: float, bucket: int) -> None:
    assert histogram(latency_s).counts.index(1) == bucket


@pytest.mark.parametrize(
    ("latencies_s", "share", "expected_s"),
    [
        ((), 0.5, None),
        ((0.3,) * 100, 0.5, 0.35),  # halfway between 0.2 and 0.5
        ((0.005,) * 90 + (0.3,) * 10, 0.5, 0.01 * 50 / 90),
        ((0.005,) * 90 + (0.3,) * 10, 0.95, 0.35),
        ((60.0,), 0.5, EDGES_S[-1]),
        ((0.3, 60.0), 1.0, EDGES_S[-1]),
    ],
)
def test_quantiles(latencies_s: tuple[float, ...], share: float, expected_s: float | None) -> None:
    assert histogram(*latencies_s).quantile(share) == (
        None if expected_s is None else pytest.approx(expected_s)
    )


def test_what_is_gone_is_forgotten_and_what_was_taken_begins_anew() -> None:
    latencies = Latencies()
    latencies.observe("door", "codes", 0.1)
    latencies.observe("gate", "codes", 0.2)
    assert latencies.pairs([("door", "codes"), ("yard", "codes")]).keys() == {("door", "codes")}
    latencies.observe("gate", "codes", 0.3)
    again = latencies.pairs([("door", "codes"), ("gate", "codes")])
    assert sum(again["gate", "codes"].counts) == 1
    assert latencies.take_recent().sum_s == pytest.approx(0.6)
    assert latencies.take_recent().quantile(0.5) is None
