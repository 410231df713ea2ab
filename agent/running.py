"""What runs, as commands see it, and as the broker hears of it."""

import asyncio
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.secret import Secret, Secrets
from agent.config.settings import Settings
from agent.contract import commands as c
from agent.contract.info import Info, KindInfo, LimitsInfo, VerbInfo
from agent.contract.status import AlgorithmStatus, DeviceState, DeviceStatus, Reported, StreamStatus
from agent.contract.topics import Topics
from agent.contract.verbs import VERBS
from agent.control.desired import Desired
from agent.control.messages import ReplyMessage
from agent.delivery.messages import DeliveryCounters, Outgoing
from agent.errors import CommandError, KindError, SourceError
from agent.frames import free_bytes
from agent.health import about
from agent.health.herald import Herald
from agent.ipc.messages import SnapshotTaken
from agent.supervise.catalog import Catalog
from agent.supervise.outside import Outcome
from agent.supervise.pools import WINDOWS_PER_PAIR
from agent.supervise.results import Sequencer
from agent.supervise.site import Site

JSON = "application/json"
JPEG = "image/jpeg"


def device_status(topics: Topics, state: DeviceState, epoch: int) -> Outgoing:
    """The retained status of the device; as `lost` it is the last will."""
    status = DeviceStatus(state=state, epoch=epoch, time=time.time_ns() // 1000)
    return Outgoing(
        topic=topics.status, payload=status.json_bytes(), kind="state", retain=True, content_type=JSON
    )


class Here:
    """This device: the site's outside, and what commands ask of it."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        topics: Topics,
        epoch: int,
        put: Callable[[Outgoing], None],
        counters: Callable[[], DeliveryCounters],
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._topics = topics
        self._epoch = epoch
        self._put = put
        self._counters = counters
        self._sequencer = Sequencer(topics, settings.device.id, epoch)
        self._herald = Herald(topics, self._put_state)
        self._began_s = time.monotonic()
        self._revision = 0
        self._told_soon = False
        self._log_timer: asyncio.TimerHandle | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self.catalog = Catalog(settings.paths.algorithms)
        self.site = Site(self, self.catalog, codec=settings.delivery.codec, log_level=log.level)

    # --- the site's outside ---

    def expand(self, source: str) -> Secret:
        """A source with its secrets filled in. Raises SecretError."""
        return self._secrets.expand(source, url="://" in source)

    def redact(self, text: str) -> str:
        """A text without secrets."""
        return self._secrets.redact(text)

    def on_result(self, outcome: Outcome) -> None:
        """A result goes out."""
        for envelope in self._sequencer.envelopes(outcome):
            self._put(
                Outgoing(
                    topic=envelope.topic,
                    payload=envelope.payload,
                    kind="result",
                    content_type=envelope.content_type,
                    epoch=envelope.epoch,
                    seq=envelope.seq,
                )
            )

    def on_change(self) -> None:
        """Tell the new state soon: changes that come together are told together."""
        if not self._told_soon:
            self._told_soon = True
            asyncio.get_running_loop().call_later(0.05, self.tell)

    # --- what is told ---

    def tell(self) -> None:
        """Publish what has changed of the retained documents."""
        self._told_soon = False
        report = self.report(self._revision)
        self._herald.tell(time.monotonic(), report, report.streams, report.algorithms)

    def tell_info(self) -> None:
        """Publish what this device is and can do."""
        device, security = self._settings.device, self._settings.security
        info = Info(
            device=device.id,
            labels=device.labels,
            groups=device.groups,
            version=about.version(),
            python=platform.python_version(),
            platform=about.platform_name(),
            hardware=about.hardware(),
            packages=dict(about.packages()),
            kinds={
                kind.kind: KindInfo(
                    version=kind.version,
                    doc=kind.doc,
                    shared=kind.shared,
                    origin=kind.origin,
                    params_schema=json.loads(kind.params_schema),
                )
                for kind in self.catalog.kinds.values()
            },
            commands={
                name: VerbInfo(doc=verb.doc, args_schema=verb.args.model_json_schema())
                for name, verb in VERBS.items()
            },
            limits=LimitsInfo(
                payload_bytes=security.max_payload_bytes, commands_per_s=security.commands_per_s
            ),
        )
        self._put_state(self._topics.info, info.json_bytes())

    def _put_state(self, topic: str, payload: bytes) -> None:
        self._put(Outgoing(topic=topic, payload=payload, kind="state", retain=True, content_type=JSON))

    async def refresh_kinds(self) -> None:
        """Look again which kinds are installed, and give algorithms that wait for one another chance."""
        await self.catalog.refresh()
        self.tell_info()
        self.site.settle()

    def refresh_kinds_soon(self) -> None:
        """The same, without waiting for it."""
        self._refreshing = asyncio.create_task(self.refresh_kinds())

    # --- what commands ask ---

    def want(self, desired: Desired) -> None:
        """Make reality match."""
        self._revision = desired.revision
        self.site.want(
            {name: (item.config, item.origin) for name, item in desired.streams.items()},
            {name: (item.config, item.origin) for name, item in desired.algorithms.items()},
        )

    def stream_statuses(self) -> Mapping[str, StreamStatus]:
        """By id."""
        return {name: run.status() for name, run in self.site.streams.items()}

    def algorithm_statuses(self) -> Mapping[str, AlgorithmStatus]:
        """By id."""
        return {name: run.status() for name, run in self.site.algorithms.items()}

    def report(self, revision: int) -> Reported:
        """Everything in one document."""
        counters = asdict(self._counters())
        dropped = counters.pop("dropped")
        return Reported(
            revision=revision,
            epoch=self._epoch,
            time=time.time_ns() // 1000,
            streams=dict(self.stream_statuses()),
            algorithms=dict(self.algorithm_statuses()),
            delivery=counters | {f"dropped_{kind}": count for kind, count in dropped.items()},
        )

    async def check_algorithm(self, config: AlgorithmConfig, desired: Desired) -> None:
        """Raises CommandError 404 or 422 when the kind, its parameters or the memory do not fit."""
        if config.kind not in self.catalog.kinds:
            await self.refresh_kinds()  # its file may be there now
        try:
            self.catalog.find(config.kind)
        except KindError as err:
            raise CommandError(404, str(err)) from err
        try:
            await self.catalog.check(config.kind, config.params)
        except KindError as err:
            raise CommandError(422, str(err)) from err
        names = desired.streams if "*" in config.streams else config.streams
        formats = [fits for name in names if (fits := self.site.format_of(name, config)) is not None]
        needed = sum(f.slot_bytes for f in formats) * config.frame_count * WINDOWS_PER_PAIR
        if needed > free_bytes():
            raise CommandError(
                422,
                f"frame_count: {needed / 1e6:.1f} MB of shared memory are needed for its frames, "
                f"{free_bytes() / 1e6:.1f} MB are free: ask for a smaller size or fewer frames",
            )

    async def snapshot(self, ask: c.SnapshotTake) -> c.SnapshotTaken:
        """Publish a picture. Raises CommandError 409 when the stream gives none."""
        if not self.site.streams[ask.stream].live:
            state = self.site.streams[ask.stream].state.value
            raise CommandError(409, f"stream {ask.stream!r} gives no picture: it is {state}")
        try:
            taken = await self.site.snapshots.take(
                ask.stream, quality=ask.quality, max_width=ask.max_width or 0
            )
        except SourceError as err:
            raise CommandError(409, str(err)) from err
        facts = _facts(taken)
        topic = self._topics.snapshot(ask.stream)
        self._put(
            Outgoing(
                topic=topic,
                payload=taken.jpeg,
                kind="snapshot",
                content_type=JPEG,
                user_properties=tuple((name, str(value)) for name, value in facts.items()),
            )
        )
        return c.SnapshotTaken(topic=topic, bytes=len(taken.jpeg), **facts)

    def restart_algorithm(self, algorithm: str) -> None:
        """Start its workers anew."""
        self.site.restart_algorithm(algorithm)

    def set_log_level(self, level: str, for_s: float | None) -> int | None:
        """What is logged from now on; when the configured level comes back, µs since the Unix epoch."""
        if self._log_timer is not None:
            self._log_timer.cancel()
            self._log_timer = None
        log.set_level(level)
        if for_s is None:
            return None
        loop = asyncio.get_running_loop()
        self._log_timer = loop.call_later(for_s, log.set_level, self._settings.log.level)
        return int((time.time() + for_s) * 1e6)

    def pong(self) -> c.Pong:
        """The agent listens."""
        return c.Pong(
            version=about.version(),
            epoch=self._epoch,
            time=time.time_ns() // 1000,
            uptime_s=round(time.monotonic() - self._began_s, 3),
        )

    def reply(self, message: ReplyMessage) -> None:
        """Send a reply; does not wait."""
        self._put(
            Outgoing(
                topic=message.topic,
                payload=message.payload,
                kind="reply",
                content_type=message.content_type,
                correlation_data=message.correlation_data,
            )
        )


def _facts(taken: SnapshotTaken) -> dict[str, int | float]:
    return {
        "width": taken.width,
        "height": taken.height,
        "frame": taken.frame,
        "pts": taken.pts_s,
        "time": taken.wall_us,
    }
