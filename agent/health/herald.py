"""Keeps the retained documents true: a change of state is told at once, counters at leisure."""

from collections.abc import Callable
from typing import Any

from agent.contract.status import AlgorithmStatus, Reported, StreamStatus
from agent.contract.topics import Topics

COUNTERS_EVERY_S = 10.0
_COUNTERS = {
    "frames",
    "fps",
    "fps_decoded",
    "bitrate_bps",
    "cpu",
    "cpu_s",
    "decode_s",
    "worker_cpu_s",
    "decode_ms",
    "decoded",
    "key_interval_s",
    "runs",
    "results",
    "skipped",
    "run_ms_mean",
    "run_ms_max",
    "run_cpu_ms",
    "runs_per_s",
    "retry_in_s",
    "accepted",
    "delivered",
    "replayed",
    "waiting",
    "disk_bytes",
    "disk_errors",
    "dropped",
    "failures",
}
_EXCLUDED = dict.fromkeys(_COUNTERS, True) | {"recordings": {"__all__": {"frames", "skipped"}}}


class Herald:
    """Publishes the status of streams and the report of everything, when they differ from what was said.

    `publish` gets a topic and a retained payload; an empty one clears the topic.
    """

    def __init__(self, topics: Topics, publish: Callable[[str, bytes], None]) -> None:
        self._topics = topics
        self._publish = publish
        self._said: dict[str, dict[str, Any]] = {}
        self._reported: dict[str, Any] = {}
        self._counters_due_s = 0.0

    def tell(
        self,
        now_s: float,
        report: Reported,
    ) -> None:
        """Publish what has changed; `now_s` is monotonic."""
        with_counters = now_s >= self._counters_due_s
        if with_counters:
            self._counters_due_s = now_s + COUNTERS_EVERY_S
        for name, status in report.streams.items():
            if self._differs(name, status, with_counters=with_counters):
                self._publish(self._topics.stream_status(name), status.json_bytes())
        for name in self._said.keys() - report.streams.keys():
            del self._said[name]
            self._publish(self._topics.stream_status(name), b"")
        essence = {
            "revision": report.revision,
            "streams": {name: _essence(status) for name, status in report.streams.items()},
            "algorithms": {name: _essence(status) for name, status in report.algorithms.items()},
            "sinks": {name: status.model_dump(exclude=_COUNTERS) for name, status in report.sinks.items()},
        }
        if with_counters or essence != self._reported:
            self._reported = essence
            self._publish(self._topics.reported, report.json_bytes())

    def heard(self, stream: str) -> None:
        """The broker has a status of this stream, perhaps from before a restart: it is mended or cleared."""
        self._said.setdefault(stream, {})

    def _differs(self, name: str, status: StreamStatus, *, with_counters: bool) -> bool:
        whole = status.model_dump() | _essence(status)
        compared = whole if with_counters else _essence(status)
        before = self._said.get(name)
        if before is not None and all(before.get(key) == value for key, value in compared.items()):
            return False
        self._said[name] = whole
        return True


def _essence(status: StreamStatus | AlgorithmStatus) -> dict[str, Any]:
    """All but the counters; that there is a first measurement counts as a change."""
    measured = status.fps is not None if isinstance(status, StreamStatus) else status.results > 0
    return status.model_dump(exclude=_EXCLUDED) | {"measured": measured}
