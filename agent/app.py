"""The agent put together: every part, in the order of their lifetimes."""

import asyncio
import faulthandler
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from agent import log
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.config.tables import EMBEDDED, DeliveryConfig
from agent.contract.status import DeviceState
from agent.contract.topics import Topics
from agent.control.control import Control
from agent.control.desired import Desired
from agent.control.messages import CommandMessage
from agent.control.store import Store
from agent.delivery.announcer import Announcer
from agent.delivery.delivery import Delivery, SpoolSettings
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Inbound, Kind, Link, LinkState
from agent.delivery.sink_delivery import SinkDelivery, Sinks
from agent.delivery.spool import Bounds
from agent.errors import ConfigError, StateError
from agent.health import about
from agent.health.listener import CONNECTION_LIMIT_S, HealthListener
from agent.health.pulse import Part, Pulse
from agent.homeassistant.announcements import Announcements, subscriptions
from agent.homeassistant.entities import Drafts
from agent.measure import Measure
from agent.running import Here, device_status
from agent.supervise.forkserver import prepare_children
from agent.supervise.sinks import SinkStarter
from agent.systemd import Notifier

_log = log.get_logger("agent")

_SOCKETS = "run"  # in the state folder

MAX_WAITING_COMMANDS = 1000
# Without a sign of progress for so long, a part hangs, and the watchdog acts.
DELIVERY_LIMIT_S = 60.0  # its thread turns every 2 s, but may wait for a slow card, as the store does
STORE_LIMIT_S = 60.0  # the slowest card writes faster
FORK_SERVER_LIMIT_S = 10.0

Reload = Callable[[], Settings]


def run(settings: Settings, reload: Reload) -> None:
    """Run until SIGTERM or SIGINT; `reload` reads the settings again, on SIGHUP. Raises VedetteError."""
    secrets = Secrets(settings.paths.secrets)
    secrets.learn(settings.model_dump(mode="json"), "ours")
    log.configure(level=settings.log.level, style=settings.log.format, redact=secrets.redact)
    log.keep_recent(log.RECENT_BYTES)
    log.adopt_process()
    faulthandler.enable()  # the watchdog ends a hung agent with SIGABRT: its stacks are in the journal then
    with Store(settings.paths.state_dir) as store:
        asyncio.run(_run(settings, reload, secrets, store))


async def _run(settings: Settings, reload: Reload, secrets: Secrets, store: Store) -> None:
    loop = asyncio.get_running_loop()
    stop, reloading = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    notifier = Notifier()
    pulse = Pulse(notifier)
    prepare_children(settings.paths.state_dir / _SOCKETS)
    topics = Topics(settings.broker.topic_prefix, settings.device.id, settings.device.groups)
    inbound: asyncio.Queue[Inbound] = asyncio.Queue(maxsize=MAX_WAITING_COMMANDS)
    async with AsyncExitStack() as stack:
        url = stack.enter_context(_broker(settings))
        delivery = stack.enter_context(_delivery(settings, secrets, url, topics, store.epoch, inbound, pulse))
        announcer = Announcer(topics, delivery.ledger, delivery.put)
        stack.callback(announcer.tell_end)
        sinks = await stack.enter_async_context(_sinks(settings, secrets))
        here = Here(
            settings, secrets, topics, store.epoch, delivery.put, delivery.counters, sinks, delivery.facts
        )
        await stack.enter_async_context(here)
        measure = Measure(
            settings,
            topics,
            here.site,
            pulse,
            report=here.reported,
            latencies=here.sequencer.latencies,
            put=delivery.put,
        )
        health = HealthListener(
            settings.health.listen,
            report=here.reported,
            vitals=measure.vitals,
            live=pulse.live,
            ready=pulse.ready,
        )
        await stack.enter_async_context(health)
        announcements = Announcements(
            Drafts.of(settings, topics, about.version()),
            settings.paths.state_dir,
            publish=here.put_state,
            settled=lambda: delivery.unsettled_states() == 0,
        )
        await here.catalog.refresh()
        here.tell_info()

        def want(desired: Desired) -> None:
            here.want(desired)
            announcements.want(desired.streams, (item.config for item in desired.algorithms.values()))

        control = Control(
            settings,
            store,
            topics,
            views=here,
            actions=here,
            checks=here,
            publish=here.reply,
            on_desired=want,
            redact=secrets.redact,
            learn=partial(secrets.learn, whose="passing"),
        )
        measure.include(control)

        def tick() -> str:
            measure.tick()
            announcer.tell(time.monotonic())
            return here.tick()

        pulse.watch(
            Part(name="delivery", limit_s=DELIVERY_LIMIT_S, owes_since=delivery.progress),
            *(
                Part(name=f"sink:{name}", limit_s=DELIVERY_LIMIT_S, owes_since=progress)
                for name, progress in sinks.progress().items()
            ),
            Part(name="store", limit_s=STORE_LIMIT_S, owes_since=control.owes_since),
            Part(
                name="fork_server",
                limit_s=FORK_SERVER_LIMIT_S,
                owes_since=here.site.children.fork_server_owes_since,
            ),
            Part(name="listener", limit_s=CONNECTION_LIMIT_S, owes_since=health.owes_since),
        )
        await control.reload(settings)
        want(control.desired)
        works = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(_hear(inbound, topics, control, here, announcements)),
            asyncio.create_task(_reload(reloading, reload, control, here, notifier)),
            asyncio.create_task(announcements.run()),
            asyncio.create_task(pulse.beat(tick)),
        ]
        pulse.started = True
        notifier.ready()
        _log.info("agent.ready", device=settings.device.id, epoch=store.epoch)
        await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        notifier.stopping()
        _log.info("agent.stopping")
        await _end(works)
    _log.info("agent.stopped")


async def _end(works: list[asyncio.Task[Any]]) -> None:
    """End what still works; one that failed ended the agent, and is raised."""
    for work in works:
        work.cancel()
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _hear(
    inbound: asyncio.Queue[Inbound], topics: Topics, control: Control, here: Here, told: Announcements
) -> None:
    """What comes from the broker. Each command is a task: a snapshot that takes long holds up no ping."""
    at_work: set[asyncio.Task[None]] = set()

    def done(task: asyncio.Task[None]) -> None:
        at_work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("command.crashed", error=repr(error))

    while True:
        message = await inbound.get()
        if told.heard(message.topic, message.payload):
            continue
        stream = topics.stream_of_status(message.topic)
        if stream is not None:
            if message.payload:
                here.heard_of(stream)
            continue
        command = CommandMessage(
            topic=message.topic,
            payload=message.payload,
            retain=message.retain,
            response_topic=message.response_topic,
            correlation_data=message.correlation_data,
        )
        task = asyncio.create_task(control.handle(command))
        at_work.add(task)
        task.add_done_callback(done)


def _on_link(pulse: Pulse, link: Link) -> None:
    """The connection to the broker has changed."""
    pulse.on_link(link.reason or link.state.value, connected=link.state is LinkState.CONNECTED)
    if link.state is LinkState.CONNECTING:
        return
    well = link.state is LinkState.STOPPED or (link.state is LinkState.CONNECTED and link.cause is None)
    say = _log.info if well else _log.warning
    say(f"broker.{link.state.value}", reason=link.reason, cause=link.cause, retry_in_s=link.retry_in_s)


def _enqueue(inbound: asyncio.Queue[Inbound], message: Inbound) -> None:
    try:
        inbound.put_nowait(message)
    except asyncio.QueueFull:
        _log.warning("command.dropped", topic=message.topic)


async def _reload(
    wanted: asyncio.Event, reload: Reload, control: Control, here: Here, notifier: Notifier
) -> None:
    """SIGHUP: what differs in agent.toml takes effect; one that cannot be used changes nothing."""
    while True:
        await wanted.wait()
        wanted.clear()
        notifier.reloading()
        try:
            settings = await asyncio.to_thread(reload)
            here.take_settings(settings)
            await here.refresh_kinds()
            desired = await control.reload(settings)
            _log.info("config.reloaded", revision=desired.revision)
        except (ConfigError, StateError) as err:
            _log.error("config.refused", error=str(err))
        notifier.ready()


@contextmanager
def _broker(settings: Settings) -> Iterator[str]:
    """The URL of the broker; with `embedded`, one that runs as long as the agent."""
    if settings.broker.url != EMBEDDED:
        yield settings.broker.url
        return
    from agent.delivery.embedded import EmbeddedBroker  # noqa: PLC0415  an extra

    with EmbeddedBroker() as broker:
        _log.warning(
            "broker.embedded",
            url=broker.url,
            note="for trying out only: no password, no TLS, nothing kept, this machine alone",
        )
        yield broker.url


def _delivery(
    settings: Settings,
    secrets: Secrets,
    url: str,
    topics: Topics,
    epoch: int,
    inbound: asyncio.Queue[Inbound],
    pulse: Pulse,
) -> Delivery:
    """The way to the broker, with what it says first and last."""
    loop = asyncio.get_running_loop()
    delivery = Delivery(
        Endpoint.of(
            settings.broker,
            secrets,
            url=url,
            client_id=settings.broker.client_id or f"vedette-{settings.device.id}",
        ),
        subscriptions=(*topics.commands, topics.stream_statuses, *subscriptions(settings)),
        on_inbound=lambda message: _call(loop, _enqueue, inbound, message),
        on_link=lambda link: _call(loop, _on_link, pulse, link),
        will=device_status(topics, settings.device, DeviceState.LOST, epoch),
        farewell=partial(device_status, topics, settings.device, DeviceState.OFFLINE, epoch),
        drain_rate=settings.delivery.drain_rate,
        keep_unmatched=settings.delivery.unmatched == "keep",
        spool=SpoolSettings(
            path=settings.paths.state_dir / "spool.sqlite3",
            durability=settings.delivery.durability,
            bounds=Bounds(
                max_bytes=settings.delivery.spool_max_bytes, max_age_s=settings.delivery.spool_max_age_s
            ),
            classes=_bounds(settings.delivery),
        ),
    )
    delivery.ledger.accepted(epoch, 0)
    delivery.put(device_status(topics, settings.device, DeviceState.ONLINE, epoch))
    return delivery


def _sinks(settings: Settings, secrets: Secrets) -> Sinks:
    """Where results go besides MQTT; takes effect at the start only."""
    return Sinks(
        [
            SinkDelivery(
                config,
                settings.paths.state_dir,
                SinkStarter(config, settings.device.id, secrets, lambda: (log.level(), settings.log.format)),
                redact=secrets.redact,
            )
            for config in settings.sinks
        ]
    )


def _bounds(config: DeliveryConfig) -> dict[Kind, Bounds]:
    """What may wait on disk of each class, where it is less than of all together."""
    classes: dict[Kind, tuple[int | None, int | None]] = {
        "event": (config.events_max_bytes, config.events_max_age_s),
        "result": (config.results_max_bytes, config.results_max_age_s),
        "metric": (config.metrics_max_bytes, config.metrics_max_age_s),
    }
    return {
        kind: Bounds(max_bytes=size or config.spool_max_bytes, max_age_s=age_s or config.spool_max_age_s)
        for kind, (size, age_s) in classes.items()
    }


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    """Call in the event loop, from the delivery thread; which may outlive the loop by its last words."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *args)
