"""Offline results over MQTT, through the same delivery as those of an agent, beside an agent that runs."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.config.tables import EMBEDDED
from agent.contract.codec import json_data, pack_data
from agent.contract.result import json_result, pack_result
from agent.contract.status import DeviceState, DeviceStatus
from agent.contract.topics import Topics
from agent.control.store import Store
from agent.delivery.announcer import Announcer
from agent.delivery.delivery import Delivery, SpoolSettings
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Link, LinkState, Outgoing
from agent.delivery.spool import Bounds
from agent.errors import ConfigError
from agent.offline.envelope import head
from agent.offline.run import Run

_MSGPACK, _JSON = "application/vnd.msgpack", "application/json"
_FULL = 2000  # results that wait in memory: then reading waits for the broker
_LOOK_UP_S = 0.05


class Publisher:
    """Sends runs as a device of its own: it has its own session, spool and epochs, and disturbs no agent.

    A lifetime is a `with` block. What the broker has not acknowledged at its end stays on disk, and is sent
    by the next publisher of the same device.
    """

    def __init__(self, settings: Settings, *, device: str | None = None, url: str | None = None) -> None:
        self.device = device or f"{settings.device.id}-infer"[-64:]
        self._url = url or settings.broker.url
        if self._url == EMBEDDED:
            raise ConfigError('broker.url is "embedded": name the broker to publish to with --broker URL')
        self._settings = settings
        self._topics = Topics(settings.broker.topic_prefix, self.device, ())
        self._open = ExitStack()
        self._seq = 0
        self.link: Link | None = None

    def __enter__(self) -> Self:
        settings = self._settings
        with ExitStack() as stack:
            folder = settings.paths.state_dir / "infer" / self.device
            store = stack.enter_context(Store(folder))
            self._epoch = store.epoch
            delivery = Delivery(
                Endpoint.of(
                    settings.broker,
                    Secrets(settings.paths.secrets),
                    url=self._url,
                    client_id=f"vedette-{self.device}",
                ),
                on_link=self._on_link,
                will=self._status(DeviceState.LOST),
                farewell=partial(self._status, DeviceState.OFFLINE),
                drain_rate=_FULL,
                spool=SpoolSettings(
                    path=folder / "spool.sqlite3",
                    durability=settings.delivery.durability,
                    bounds=Bounds(
                        max_bytes=settings.delivery.spool_max_bytes,
                        max_age_s=settings.delivery.spool_max_age_s,
                    ),
                ),
            )
            self._delivery = stack.enter_context(delivery)
            delivery.ledger.accepted(self._epoch, 0)
            delivery.put(self._status(DeviceState.ONLINE))
            announcer = Announcer(self._topics, delivery.ledger, delivery.put)
            stack.callback(announcer.tell_end)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def put(self, run: Run) -> None:
        """Send a run's result; waits while the broker is slow. Raises UnpackableError."""
        made = head(
            run, device=self.device, epoch=self._epoch, seq=self._seq + 1, time_us=time.time_ns() // 1000
        )
        messages: list[tuple[str, bytes, str]] = []
        if self._settings.delivery.codec != "json":
            topic = self._topics.result(run.stream, run.algorithm)
            messages.append((topic, pack_result(made, pack_data(run.result)), _MSGPACK))
        if self._settings.delivery.codec != "msgpack":
            topic = self._topics.result_json(run.stream, run.algorithm)
            messages.append((topic, json_result(made, json_data(run.result)), _JSON))
        while self._connected and self._delivery.counters().waiting > _FULL:
            time.sleep(_LOOK_UP_S)
        self._seq += 1
        for topic, payload, content_type in messages:
            message = Outgoing(
                topic=topic,
                payload=payload,
                kind="result",
                content_type=content_type,
                epoch=self._epoch,
                seq=self._seq,
            )
            self._delivery.put(message)

    @property
    def left(self) -> int:
        """Messages with results that the broker has not acknowledged."""
        counters = self._delivery.counters()
        states = self._delivery.unsettled_states()  # after those: rather a message too many than one too few
        return max(0, counters.waiting - states) + counters.in_flight + counters.on_disk

    @property
    def lost(self) -> int:
        """Messages that will never arrive: the broker refused them, or the spool was full."""
        counters = self._delivery.counters()
        return counters.dead + sum(counters.dropped.values())

    def drain(self, timeout_s: float, on_left: Callable[[int], None] = lambda _: None) -> int:
        """Wait until everything is acknowledged; returns how many messages are not after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        while (left := self.left) and time.monotonic() < deadline_s:
            on_left(left)
            time.sleep(_LOOK_UP_S)
        return left

    @property
    def _connected(self) -> bool:
        return self.link is not None and self.link.state is LinkState.CONNECTED

    def _on_link(self, link: Link) -> None:
        self.link = link

    def _status(self, state: DeviceState) -> Outgoing:
        status = DeviceStatus(state=state, epoch=self._epoch, time=time.time_ns() // 1000)
        return Outgoing(
            topic=self._topics.status,
            payload=status.json_bytes(),
            kind="state",
            retain=True,
            content_type=_JSON,
        )
