"""From the report and the vitals to the digest of the metrics topic."""

import time
from collections.abc import Iterable

import psutil

from agent.contract.digest import Digest
from agent.contract.status import AlgorithmState, Reported, StreamState
from agent.health import about
from agent.health.latency import Histogram
from agent.health.vitals import Vitals

_AILING_STREAM = {StreamState.RETRYING, StreamState.REFUSED}
_AILING_ALGORITHM = {AlgorithmState.RETRYING, AlgorithmState.BROKEN, AlgorithmState.REFUSED}
_ASKED = "asked"


def digest(report: Reported, vitals: Vitals, recent: Histogram) -> Digest:
    """`recent`: the latencies since the last digest."""
    streams, algorithms = list(report.streams.values()), list(report.algorithms.values())
    frames = [stream.frames for stream in streams]
    children_s = sum(s.cpu_s for s in streams) + sum(a.cpu_s for a in algorithms)
    return Digest(
        time=report.time,
        epoch=report.epoch,
        version=about.version(),
        uptime_s=round(vitals.uptime_s, 1),
        ready=vitals.not_ready is None,
        hung=vitals.hung,
        slow_ticks=vitals.slow_ticks,
        streams=len(streams),
        streams_running=_count(s.state is StreamState.RUNNING for s in streams),
        streams_ailing=_count(s.state in _AILING_STREAM for s in streams),
        algorithms=len(algorithms),
        algorithms_ailing=_count(a.state in _AILING_ALGORITHM for a in algorithms),
        fps=round(sum(s.fps or 0.0 for s in streams), 2),
        fps_decoded=round(sum(s.fps_decoded or 0.0 for s in streams), 2),
        frames=sum(f.received for f in frames),
        skipped_busy=sum(f.skipped_busy for f in frames),
        skipped_stale=sum(f.skipped_stale for f in frames),
        corrupt=sum(f.corrupt for f in frames),
        runs=sum(a.runs for a in algorithms),
        results=sum(a.results for a in algorithms),
        failures=sum(a.failures + a.unpackable for a in algorithms),
        latency_s_p50=_rounded(recent.quantile(0.5)),
        latency_s_p95=_rounded(recent.quantile(0.95)),
        cpu_s=round(time.process_time() + children_s, 3),
        memory=psutil.Process().memory_info().rss,
        shared_memory_free=vitals.shared_memory_free_bytes,
        disk_free=vitals.disk_free_bytes,
        children_ended=sum(count for (_, cause), count in vitals.ended.items() if cause != _ASKED),
        reopened=sum(s.reopened for s in streams),
        connects=_counted(report, "connects"),
        delivered=_counted(report, "delivered"),
        waiting=_counted(report, "waiting", "on_disk"),
        dropped=_counted(report, "dropped_result", "dropped_event"),
        dead=_counted(report, "dead"),
    )


def _count(them: Iterable[bool]) -> int:
    return sum(them)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _counted(report: Reported, *keys: str) -> int:
    values = (report.delivery.get(key) for key in keys)
    return sum(value for value in values if isinstance(value, int))
