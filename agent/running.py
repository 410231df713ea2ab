"""What runs, as commands see it, and as the broker hears of it."""

import asyncio
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Self

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.secret import Secret, Secrets, redacted
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.config.tables import DeviceConfig
from agent.contract import commands as c
from agent.contract.info import Info, KindInfo, LimitsInfo, VerbInfo
from agent.contract.status import DeviceState, DeviceStatus, Reported
from agent.contract.topics import Topics
from agent.contract.verbs import VERBS
from agent.control.desired import Desired
from agent.control.messages import ReplyMessage
from agent.control.rules import Rules
from agent.delivery.messages import DeliveryCounters, Outgoing
from agent.delivery.sink_delivery import Sinks
from agent.diagnosis import Diagnosis
from agent.errors import CommandError, KindError, NoRoomError
from agent.frames import free_bytes
from agent.health import about
from agent.health.herald import Herald
from agent.pictures import Pictures
from agent.results import Results
from agent.supervise.catalog import Catalog
from agent.supervise.outside import Outcome
from agent.supervise.pools import WINDOWS_PER_PAIR
from agent.supervise.results import Sequencer
from agent.supervise.site import Site

JSON = "application/json"


def device_status(topics: Topics, device: DeviceConfig, state: DeviceState, epoch: int) -> Outgoing:
    """The retained status of the device; as `lost` it is the last will."""
    status = DeviceStatus(
        state=state,
        epoch=epoch,
        time=time.time_ns() // 1000,
        version=about.version(),
        groups=list(device.groups),
        labels=redacted(device.labels),
    )
    return Outgoing(
        topic=topics.status, payload=status.json_bytes(), kind="state", retain=True, content_type=JSON
    )


class Here:
    """What is here on the device: the site's outside, and what commands ask of it."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        topics: Topics,
        epoch: int,
        put: Callable[[Outgoing], None],
        counters: Callable[[], DeliveryCounters],
        sinks: Sinks,
        delivery_facts: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._topics = topics
        self._epoch = epoch
        self._put = put
        self._counters = counters
        self._sinks = sinks
        self.sequencer = Sequencer(topics, settings.device.id, epoch)
        self._results = Results(settings, self.sequencer, put, sinks)
        self._herald = Herald(topics, self.put_state)
        self._began_s = time.monotonic()
        self._revision = 0
        self._told_soon = False
        self._learned: dict[int, StreamConfig | AlgorithmConfig] = {}
        self._log_timer: asyncio.TimerHandle | None = None
        self.catalog = Catalog(settings.paths.algorithms)
        self.site = Site(
            self,
            self.catalog,
            codec=self._results.codec,
            limits=settings.limits,
            recordings=settings.recordings,
            state_dir=settings.paths.state_dir,
            log_settings=self._log_settings,
        )
        self._pictures = Pictures(topics, self.site, self.catalog, put)
        self._diagnosis = Diagnosis(
            topics,
            self.site,
            self.catalog,
            settings=lambda: self._settings,
            facts={
                "agent": lambda: self.pong().model_dump(),
                "reported": lambda: self.reported().model_dump(mode="json"),
                "delivery": delivery_facts,
            },
            redact=self.redact,
            put=put,
        )

    def _log_settings(self) -> tuple[str, log.Style]:
        return log.level(), self._settings.log.format

    async def __aenter__(self) -> Self:
        await self.site.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._pictures.close()
        await self.site.__aexit__(*error)

    # --- the site's outside ---

    def expand(self, source: str) -> Secret:
        """A source with its secrets filled in. Raises SecretError."""
        return self._secrets.expand(source, url="://" in source)

    def rules(self, stream: StreamConfig) -> Rules | None:
        """What the source of a stream may lead to; None for one that agent.toml names."""
        named_here = any((one.id, one.source) == (stream.id, stream.source) for one in self._settings.streams)
        return None if named_here else Rules.of(self._settings)

    def redact(self, text: str) -> str:
        """A text without secrets."""
        return self._secrets.redact(text)

    def on_result(self, outcome: Outcome) -> None:
        """A result goes out."""
        self._results.send(outcome)

    def on_change(self) -> None:
        """Tell the new state soon: changes that come together are told together."""
        if not self._told_soon:
            self._told_soon = True
            asyncio.get_running_loop().call_later(0.05, self.tell)

    # --- what is told ---

    def tell(self) -> None:
        """Publish what has changed of the retained documents."""
        self._told_soon = False
        self._herald.tell(time.monotonic(), self.reported())

    def tick(self) -> str:
        """Look at every child, and tell what has changed; a line for `systemctl status`."""
        self.site.tick()
        self.tell()
        live = sum(run.live for run in self.site.streams.values())
        return f"{live} of {len(self.site.streams)} streams give frames"

    def heard_of(self, stream: str) -> None:
        """The broker keeps a status of this stream."""
        self._herald.heard(stream)

    def tell_info(self) -> None:
        """Publish what this device is and can do."""
        device, security = self._settings.device, self._settings.security
        info = Info(
            device=device.id,
            labels=redacted(device.labels),
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
                payload_bytes=security.max_payload_bytes,
                commands_per_s=security.commands_per_s,
                require_signature=security.require_signature,
            ),
        )
        self.put_state(self._topics.info, info.json_bytes())

    def _learn(self, configs: Iterable[StreamConfig | AlgorithmConfig]) -> None:
        """Mask the passwords that stand in these; in each of them once."""
        known, self._learned = self._learned, {id(config): config for config in configs}
        new = [config for key, config in self._learned.items() if key not in known]
        self._secrets.learn([config.model_dump(mode="json") for config in new])

    def put_state(self, topic: str, payload: bytes) -> None:
        """Publish a retained document; an empty payload clears the topic."""
        self._put(Outgoing(topic=topic, payload=payload, kind="state", retain=True, content_type=JSON))

    def take_settings(self, settings: Settings) -> None:
        """agent.toml was read again; what is not a stream or an algorithm takes effect at the next start."""
        self._settings = settings
        self._secrets.learn(settings.model_dump(mode="json"), "ours")
        self.site.admission.limits = settings.limits
        log.set_level(settings.log.level)

    async def refresh_kinds(self) -> None:
        """Look again which kinds are installed, and give algorithms that wait for one another chance."""
        await self.catalog.refresh()
        self.tell_info()
        self.site.settle()

    # --- what commands ask ---

    def want(self, desired: Desired) -> None:
        """Make reality match what is desired."""
        self._revision = desired.revision
        self._learn(item.config for items in (desired.streams, desired.algorithms) for item in items.values())
        self.site.want(
            {name: (item.config, item.origin) for name, item in desired.streams.items()},
            {name: (item.config, item.origin) for name, item in desired.algorithms.items()},
        )

    def reported(self) -> Reported:
        """Everything that runs, with status."""
        counters = asdict(self._counters())
        dropped = counters.pop("dropped")
        return Reported(
            revision=self._revision,
            epoch=self._epoch,
            time=time.time_ns() // 1000,
            streams={name: run.status() for name, run in self.site.streams.items()},
            algorithms={name: run.status() for name, run in self.site.algorithms.items()},
            sinks=self._sinks.statuses(),
            delivery=counters | {f"dropped_{kind}": count for kind, count in dropped.items()},
        )

    def config_shown(self) -> c.ConfigShown:
        """The configuration in force, without secrets."""
        path = self._settings.config_file
        return c.ConfigShown(file=None if path is None else str(path), config=self._settings.redacted())

    def pong(self) -> c.Pong:
        """A sign of life."""
        return c.Pong(
            version=about.version(),
            epoch=self._epoch,
            time=time.time_ns() // 1000,
            uptime_s=round(time.monotonic() - self._began_s, 3),
        )

    async def check_algorithm(self, config: AlgorithmConfig) -> None:
        """Raises CommandError when there is no such kind, KindError when it does not take the parameters."""
        if config.kind not in self.catalog.kinds:
            await self.refresh_kinds()  # its file may be there now
        try:
            self.catalog.find(config.kind)
        except KindError as err:
            raise CommandError(404, str(err)) from err
        await self.catalog.check(config.kind, config.params)

    async def check_fit(self, desired: Desired) -> None:
        """Raises NoRoomError, with the numbers, when the frames would not fit into shared memory."""
        needed = 0
        for item in desired.algorithms.values():
            names = desired.streams if "*" in item.config.streams else item.config.streams
            for name in names:
                frame_format = self.site.format_of(name, item.config)
                if frame_format is not None:
                    needed += frame_format.slot_bytes * item.config.frame_count * WINDOWS_PER_PAIR
                if item.config.record is not None:
                    needed += self.site.recorded_bytes(name)
        room = free_bytes() + self.site.lent_bytes()
        if needed > room:
            raise NoRoomError(
                f"the frames would need {needed / 1e6:.1f} MB of shared memory, there are {room / 1e6:.1f}: "
                "ask for a smaller size or fewer frames, or enlarge /dev/shm"
            )

    def check_load(self, before: Desired, after: Desired) -> str | None:
        """What to say when the processor has too little left for a change; raises NoRoomError."""
        return self.site.admission.judge(_configs(before), _configs(after))

    async def take_snapshot(self, command: c.SnapshotTake, request_id: str) -> c.SnapshotTaken:
        """Publish a picture. Raises SourceError when there is none."""
        return await self._pictures.take(command, request_id)

    def preview(self, command: c.PreviewStart | c.PreviewStop) -> c.Previewed:
        """Begin, go on with, or end a viewer's preview. Raises CommandError 429."""
        return self._pictures.preview(command)

    async def diagnose(self, command: c.Diag, request_id: str) -> c.Diagnosed:
        """Gather a diagnosis. Raises CommandError 429, StateError."""
        return await self._diagnosis.take(command, request_id)

    async def restart_algorithm(self, algorithm: str) -> None:
        """Start the workers of an algorithm anew, also after too many failures."""
        self.site.restart_algorithm(algorithm)

    async def set_log_level(self, command: c.LogSetLevel) -> c.LogLevelSet:
        """Set how much is logged, here and in the children that start from now on."""
        if self._log_timer is not None:
            self._log_timer.cancel()
            self._log_timer = None
        log.set_level(command.level)
        if command.for_s is None:
            return c.LogLevelSet(level=command.level)
        loop = asyncio.get_running_loop()
        self._log_timer = loop.call_later(command.for_s, log.set_level, self._settings.log.level)
        return c.LogLevelSet(level=command.level, until=int((time.time() + command.for_s) * 1e6))

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


def _configs(desired: Desired) -> tuple[dict[str, StreamConfig], dict[str, AlgorithmConfig]]:
    return (
        {name: item.config for name, item in desired.streams.items()},
        {name: item.config for name, item in desired.algorithms.items()},
    )
