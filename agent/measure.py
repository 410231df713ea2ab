"""Measures the agent itself: for whoever asks over HTTP, and for the metrics topic."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from agent.config.settings import Settings
from agent.contract.status import Reported
from agent.contract.topics import Topics
from agent.control.control import Control
from agent.delivery.messages import Outgoing
from agent.frames import free_bytes
from agent.health.digest import digest
from agent.health.latency import Latencies
from agent.health.pulse import Pulse
from agent.health.vitals import Vitals, disk_free_bytes
from agent.supervise.children import ENDS
from agent.supervise.site import Site

_ROLES = ("capture", "worker", "recorder")


class Measure:
    """Asks every part; keeps nothing but when the last digest went out."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        site: Site,
        pulse: Pulse,
        *,
        report: Callable[[], Reported],
        latencies: Latencies,
        put: Callable[[Outgoing], None],
    ) -> None:
        self._control: Control | None = None
        self._settings = settings
        self._topic = topics.metrics
        self._site = site
        self._pulse = pulse
        self._report = report
        self._latencies = latencies
        self._put = put
        self._began_s = time.monotonic()
        self._told_s = self._began_s

    def include(self, control: Control) -> None:
        """Count commands too: control comes when others ask already."""
        self._control = control

    def vitals(self) -> Vitals:
        """As it is now."""
        pulse, control = self._pulse, self._control
        return Vitals(
            device=self._settings.device.id,
            uptime_s=time.monotonic() - self._began_s,
            not_ready=pulse.ready(),
            connected=pulse.connected,
            ticks=pulse.ticks,
            slow_ticks=pulse.slow_ticks,
            lag_s=pulse.lag_s,
            hung=pulse.hung(),
            hangs=pulse.hangs,
            commands={} if control is None else control.fates,
            replies={} if control is None else control.replies,
            children=self._children(),
            ended={(role, why): self._site.children.ended[role, why] for role in _ROLES for why in ENDS},
            lent_bytes=self._site.lent_bytes(),
            shared_memory_free_bytes=free_bytes(),
            disk_free_bytes=disk_free_bytes(self._settings.paths.state_dir),
            latencies=self._latencies.pairs(
                (stream, name) for name, run in self._site.algorithms.items() for stream in run.streams
            ),
        )

    def tick(self) -> None:
        """Publish a digest when it is time."""
        now_s, every_s = time.monotonic(), self._settings.health.publish_s
        if every_s == 0 or now_s - self._told_s < every_s:
            return
        self._told_s = now_s
        told = digest(self._report(), self.vitals(), self._latencies.take_recent())
        self._put(
            Outgoing(
                topic=self._topic,
                payload=told.json_bytes(),
                kind="metric",
                content_type="application/json",
            )
        )

    def _children(self) -> Mapping[str, int]:
        running = Counter(name.partition("/")[0] for name in self._site.children.pids())
        return {role: running[role] for role in _ROLES}
