"""A real MQTT 5 subscriber that keeps what it hears, and sends commands as a person's client would."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

import msgpack
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.certificates import Certificates

Codec = Literal["json", "msgpack"]
CONTENT_TYPES: dict[Codec, str] = {"json": "application/json", "msgpack": "application/vnd.msgpack"}
# The publisher's retain flag is kept; what is retained comes once, not after each reconnection.
SUBSCRIBED = SubscribeOptions(
    qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
)
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One publication as it came; `retain` as its publisher said, `received_s` on the monotonic clock."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    received_s: float
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def document(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The payload decoded: msgpack when the content type says so, else JSON; None when empty."""
        if not self.payload:
            return None
        if self.content_type == CONTENT_TYPES["msgpack"]:
            return msgpack.unpackb(self.payload)
        return json.loads(self.payload)


class Watcher:
    """Subscribed, inside its `with`, to all topics of one device (without `device`, of all), or to `filters`.

    Its session outlives a restart of the broker, and it connects again by itself, so that what was
    published with QoS 1 in between arrives too. Unbounded on purpose: a test looks at everything.
    """

    def __init__(
        self,
        url: str,
        device: str | None = None,
        *,
        prefix: str = "vedette/v1",
        filters: Sequence[str] = (),
        certificates: Certificates | None = None,
        ca: Path | None = None,
    ) -> None:
        self.device = device
        self.prefix = prefix
        self.name = f"watcher-{secrets.token_hex(6)}"
        self._url = urlsplit(url)
        self._filters = list(filters) or [f"{prefix}/#"]
        if device is not None and not filters:
            self._filters = [f"{prefix}/d/{device}/#", f"{prefix}/client/{self.name}/#"]
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._subscribed = False
        self._refused: str | None = None
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.name,
            protocol=MQTTProtocolVersion.MQTTv5,
            transport="websockets" if self._url.scheme in {"ws", "wss"} else "tcp",
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        if self._url.username is not None:
            self._client.username_pw_set(unquote(self._url.username), unquote(self._url.password or ""))
        if certificates is not None:
            pair = certificates.client
            self._client.tls_set(str(certificates.ca), str(pair.certificate), str(pair.key))
        if ca is not None:
            self._client.tls_set(str(ca))
        if self._url.scheme in {"ws", "wss"}:
            self._client.ws_set_options(self._url.path or "/mqtt")

    def __enter__(self) -> Self:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        # Not a clean start, though the id is new: mosquitto forgets sessions begun clean when it restarts.
        self._client.connect(
            self._url.hostname or "",
            self._url.port or DEFAULT_PORTS[self._url.scheme],
            keepalive=20,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()
        try:
            self.wait_connected()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        """Whether the subscription is in force."""
        with self._changed:
            return self._subscribed

    @property
    def messages(self) -> list[Message]:
        """All that came so far, oldest first."""
        with self._changed:
            return list(self._messages)

    def matching(self, topic_filter: str) -> list[Message]:
        """All that came so far on the topics of a filter below the prefix, such as `d/+/status`."""
        whole = f"{self.prefix}/{topic_filter}"
        return [message for message in self.messages if topic_matches_sub(whole, message.topic)]

    def results(self, stream: str = "+", algorithm: str = "+") -> list[dict[str, Any]]:
        """The msgpack results of the device so far, decoded."""
        topic_filter = f"d/{self.device or '+'}/s/{stream}/a/{algorithm}/result"
        return [msgpack.unpackb(message.payload) for message in self.matching(topic_filter)]

    def latest(self, topic_filter: str) -> Any:  # noqa: ANN401 - whatever was sent
        """The newest document on the topics of a filter below the prefix; None before there is one."""
        found = self.matching(topic_filter)
        return found[-1].document if found else None

    def wait_connected(self, timeout_s: float = 10.0) -> None:
        """Return when the subscription is in force (again)."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._subscribed or self._refused is not None, timeout_s)
        if self._refused is not None:
            raise AssertionError(f"the broker refuses the watcher: {self._refused}")
        if not done:
            raise AssertionError(f"the watcher has not connected within {timeout_s:g} s")

    def wait_for(
        self,
        predicate: Callable[[Message], object],
        timeout_s: float = 10.0,
        *,
        since: int = 0,
        what: str = "",
    ) -> Message:
        """The first message, of those from index `since` on, for which `predicate` is true.

        Also looks at what has come already. Raises AssertionError after `timeout_s`, naming the topics seen.
        """
        return self.wait_for_count(predicate, 1, timeout_s, since=since, what=what)[0]

    def wait_for_count(
        self,
        predicate: Callable[[Message], object],
        count: int,
        timeout_s: float = 10.0,
        *,
        since: int = 0,
        what: str = "",
    ) -> list[Message]:
        """The first `count` messages for which `predicate` is true; as `wait_for`."""
        deadline_s = time.monotonic() + timeout_s
        found: list[Message] = []
        looked = since
        while True:
            new = self._after(looked, deadline_s - time.monotonic())
            looked += len(new)
            for message in new:
                if predicate(message):
                    found.append(message)
                    if len(found) == count:
                        return found
            if time.monotonic() >= deadline_s:
                seen = sorted({message.topic for message in self.messages[since:]})
                raise AssertionError(
                    f"{len(found)} of {count} messages within {timeout_s:g} s: {what or predicate}; "
                    f"topics seen: {seen}"
                )

    def wait_for_results(
        self, count: int, timeout_s: float = 10.0, *, stream: str = "+", algorithm: str = "+", since: int = 0
    ) -> list[dict[str, Any]]:
        """The first `count` results (from message `since` on) of a stream and algorithm, decoded."""
        whole = f"{self.prefix}/d/{self.device or '+'}/s/{stream}/a/{algorithm}/result"
        messages = self.wait_for_count(
            lambda message: topic_matches_sub(whole, message.topic), count, timeout_s, since=since, what=whole
        )
        return [msgpack.unpackb(message.payload) for message in messages]

    def publish(  # noqa: PLR0913 - the properties of a publication
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        content_type: str | None = None,
        response_topic: str | None = None,
        correlation_data: bytes | None = None,
        user_properties: Sequence[tuple[str, str]] = (),
        timeout_s: float = 10.0,
    ) -> None:
        """Publish on a topic below the prefix; returns when the broker has acknowledged it."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if content_type is not None:
            properties.ContentType = content_type
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation_data is not None:
            properties.CorrelationData = correlation_data
        if user_properties:
            properties.UserProperty = list(user_properties)
        info = self._client.publish(f"{self.prefix}/{topic}", payload, qos, retain, properties)
        info.wait_for_publish(timeout_s)
        if not info.is_published():
            raise AssertionError(f"no acknowledgement of {topic} within {timeout_s:g} s")

    def command(
        self,
        verb: str,
        args: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - the contract's name
        codec: Codec = "json",
        response_topic: str | None = None,
        retain: bool = False,
        fields: Mapping[str, object] | None = None,
    ) -> str:
        """Send a command to the device without waiting; returns its id.

        The reply goes to `response_topic`, or without one to the device's own `resp`. `fields` are further
        ones of the request, such as `expires` or `if_revision`.
        """
        name = id or f"c-{secrets.token_hex(8)}"
        request = {"id": name, "args": dict(args or {}), **(fields or {})}
        payload = json.dumps(request).encode() if codec == "json" else msgpack.packb(request)
        self.publish(
            f"d/{self._addressee()}/cmd/{verb}",
            payload,
            retain=retain,
            content_type=CONTENT_TYPES[codec],
            response_topic=response_topic,
            correlation_data=name.encode() if response_topic is not None else None,
        )
        return name

    def call(
        self,
        verb: str,
        args: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - the contract's name
        codec: Codec = "json",
        timeout_s: float = 10.0,
        fields: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Send a command and return its reply, which has to come in the request's codec."""
        with self._changed:
            since = len(self._messages)
        inbox = f"{self.prefix}/client/{self.name}/resp"
        name = self.command(verb, args, id=id, codec=codec, response_topic=inbox, fields=fields)
        message = self.wait_for(
            lambda message: message.topic == inbox and message.correlation_data == name.encode(),
            timeout_s,
            since=since,
            what=f"reply to {verb} {name}",
        )
        assert message.content_type == CONTENT_TYPES[codec]
        reply: dict[str, Any] = message.document
        return reply

    def replies(self, id: str) -> list[dict[str, Any]]:  # noqa: A002 - the contract's name
        """All replies to a command so far, on whichever topic they came; there should be one."""
        replies = [
            message.document for message in [*self.matching("d/+/resp"), *self.matching("client/+/resp")]
        ]
        return [reply for reply in replies if reply["id"] == id]

    def _after(self, index: int, timeout_s: float) -> list[Message]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._messages) > index, timeout_s)
            return self._messages[index:]

    def _addressee(self) -> str:
        if self.device is None:
            raise AssertionError("commands need a watcher of one device")
        return self.device

    # Called from paho's thread: they only note what happened.

    def _on_connect(
        self,
        client: Client,
        _data: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            with self._changed:
                self._refused = str(reason)
                self._changed.notify_all()
            return
        client.subscribe([(name, SUBSCRIBED) for name in self._filters])

    def _on_subscribe(
        self,
        _client: Client,
        _data: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        with self._changed:
            self._subscribed = True
            if any(reason.is_failure for reason in reasons):
                self._refused = str([str(reason) for reason in reasons])
            self._changed.notify_all()

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._changed:
            self._subscribed = False
            self._changed.notify_all()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        properties = message.properties
        kept = Message(
            topic=message.topic,
            payload=bytes(message.payload),
            qos=message.qos,
            retain=message.retain,
            received_s=time.monotonic(),
            content_type=getattr(properties, "ContentType", None),
            response_topic=getattr(properties, "ResponseTopic", None),
            correlation_data=getattr(properties, "CorrelationData", None),
            user_properties=tuple(getattr(properties, "UserProperty", ())),
        )
        with self._changed:
            self._messages.append(kept)
            self._changed.notify_all()
