"""One connection to the broker, on top of paho (with `paho_client`, the only module that knows it).

A session is made once and never reconnects: the next connection gets a new paho client, so that nothing
stays in paho's own queues and is sent behind our back. paho runs no thread here. Its owner waits for the
socket with a selector of its own (paho's would fail for descriptors of 1024 and more) and calls `read`,
`write` and `misc`; callbacks only append to `events`, so none can raise, block or take a lock.
"""

import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, WebsocketConnectionError
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.exception import MQTTException
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.delivery.endpoint import Endpoint, Protocol
from agent.delivery.messages import Inbound, LinkCause, Outgoing
from agent.delivery.paho_client import (
    PahoClient,
    TlsContext,
    connect_properties,
    publish_properties,
    will_properties,
)
from agent.delivery.reasons import LinkError, closing, of_connect, refusal

# What paho's parser lets through when a peer sends what is not MQTT.
_NOT_MQTT = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error, MQTTException)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The broker let us in, and says what it bears."""

    session_present: bool
    receive_max: int = 65_535
    max_packet_bytes: int | None = None
    retain_available: bool = True
    max_qos: int = 1


@dataclass(frozen=True, slots=True)
class Acked:
    """The broker has answered for a message; codes of 0x80 and more mean that it refused it."""

    mid: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker has answered to a subscription: filter, code (0x80 and more: refused) and words of each."""

    answers: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over; `by_peer`: the other side closed it."""

    error: LinkError
    by_peer: bool


Event = Accepted | Acked | Subscribed | Inbound | Ended


class Session:
    """A connection, from CONNECT to its end."""

    def __init__(
        self, endpoint: Endpoint, protocol: Protocol, will: Outgoing | None, *, visit: bool = False
    ) -> None:
        """A `visit` leaves nothing behind; else the broker keeps what comes while we are away."""
        self.events: deque[Event] = deque()
        self.protocol: Protocol = protocol
        self._v5 = protocol == "5"
        self._accepted = False
        self._ended = False
        self._retain_available = True
        self._subscribing: dict[int, tuple[str, ...]] = {}
        self._endpoint = endpoint
        self._visit = visit
        self._client = self._new_client(endpoint, will)

    def open(self) -> None:
        """Connect (name, TCP, TLS, WebSocket) and queue CONNECT; blocks for seconds. Raises LinkError."""
        endpoint = self._endpoint
        try:
            if endpoint.tls:
                self._client.tls_set_context(TlsContext.of(endpoint))
            if self._v5:
                rc = self._client.connect(
                    endpoint.host,
                    endpoint.port,
                    endpoint.keepalive_s,
                    # The default, True, drops what the broker kept for us while we were away.
                    clean_start=self._visit,
                    properties=connect_properties(visit=self._visit),
                )
            else:
                rc = self._client.connect(endpoint.host, endpoint.port, endpoint.keepalive_s)
        except (OSError, ValueError, WebsocketConnectionError) as err:
            self._client.close_half_open()
            raise of_connect(err, endpoint) from err
        if rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise closing(endpoint, f"{rc.name}")

    def fileno(self) -> int:
        """The socket's descriptor; -1 when the connection is over."""
        sock = self._client.socket()
        return -1 if sock is None else sock.fileno()

    def want_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return self._client.want_write()

    def read(self) -> None:
        """Take what has come."""
        while True:
            rc = self._guarded(self._client.loop_read)
            sock = self._client.socket()
            # TLS may have decrypted more than was read: the selector does not know about that.
            pending: Callable[[], int] | None = getattr(sock, "pending", None)
            if rc is not MQTTErrorCode.MQTT_ERR_SUCCESS or pending is None or pending() == 0:
                break

    def write(self) -> None:
        """Send what waits, as much as the socket takes."""
        self._guarded(self._client.loop_write)

    def misc(self) -> None:
        """Keep-alive; to be called every few seconds."""
        self._guarded(self._client.loop_misc)

    def publish(self, message: Outgoing, *, replay: bool) -> int | None:
        """Queue a message and return its id on this connection; None when the connection is over."""
        properties = None
        if self._v5:
            marks = (*message.user_properties, ("replay", "1")) if replay else message.user_properties
            properties = publish_properties(
                message.content_type,
                message.correlation_data,
                marks,
                message.response_topic,
                message.expiry_s,
            )
        while True:
            info = self._client.publish(
                message.topic,
                message.payload,
                qos=message.qos,
                retain=message.retain and self._retain_available,
                properties=properties,
            )
            if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
                return info.mid
            if info.rc is not MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                return None
            # The id is still that of a message without an answer, 65,535 messages ago: take the next one.

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1 to every filter."""
        if self._v5:
            # "Retain as published" tells a command that somebody had retained, also when it comes live.
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            _, mid = self._client.subscribe([(f, options) for f in filters])
        else:
            _, mid = self._client.subscribe([(f, 1) for f in filters])
        if mid is not None:
            self._subscribing[mid] = tuple(filters)

    def disconnect(self) -> None:
        """Queue DISCONNECT: the end that publishes no last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Close the socket, whatever is under way."""
        self._ended = True
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _new_client(self, endpoint: Endpoint, will: Outgoing | None) -> PahoClient:
        client = PahoClient(endpoint, v5=self._v5, visit=self._visit)
        if will is not None:
            properties = will_properties(will) if self._v5 else None
            client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _guarded(self, step: Callable[[], MQTTErrorCode]) -> MQTTErrorCode:
        """One of paho's steps; whatever goes wrong in it is the end of this connection."""
        try:
            rc = step()
        except _NOT_MQTT as err:
            self._end(closing(self._endpoint, f"not MQTT: {type(err).__name__}", LinkCause.PROTOCOL))
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        if rc is MQTTErrorCode.MQTT_ERR_PROTOCOL and not self._accepted:
            self._end(closing(self._endpoint, "the protocol version is refused", LinkCause.PROTOCOL))
        elif self._client.socket() is None:
            self._end(closing(self._endpoint, self._client.last_error))
        return rc

    def _end(self, error: LinkError, *, by_peer: bool = True) -> None:
        if not self._ended:
            self._ended = True
            self.events.append(Ended(error, by_peer))

    def _on_connect(
        self,
        _client: Client,
        _data: object,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._end(refusal(self._endpoint, code.value, str(code)))
            return
        self._accepted = True

        def said(name: str, default: Any) -> Any:  # noqa: ANN401  a property of any type
            return getattr(properties, name, default)

        self._retain_available = bool(said("RetainAvailable", 1))
        self.events.append(
            Accepted(
                session_present=flags.session_present,
                receive_max=said("ReceiveMaximum", 65_535),
                max_packet_bytes=said("MaximumPacketSize", None),
                retain_available=self._retain_available,
                max_qos=said("MaximumQoS", 1),
            )
        )

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self.events.append(Acked(mid, code.value, "" if code.value == 0 else str(code)))

    def _on_subscribe(
        self,
        _client: Client,
        _data: object,
        mid: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        filters = self._subscribing.pop(mid, ())
        answers = tuple((f, code.value, str(code)) for f, code in zip(filters, codes, strict=False))
        self.events.append(Subscribed(answers))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        properties = message.properties
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # not a topic, by the standard; nobody could have subscribed to it
        self.events.append(
            Inbound(
                topic=topic,
                payload=bytes(message.payload),
                retain=message.retain,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation_data=getattr(properties, "CorrelationData", None),
                user_properties=tuple(getattr(properties, "UserProperty", ())),
            )
        )

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(refusal(self._endpoint, code.value, str(code)))
        elif code.getName() == "Keep alive timeout":
            self._end(closing(self._endpoint, "no answer to a ping", LinkCause.TIMEOUT), by_peer=False)
        else:
            self._end(closing(self._endpoint, self._client.last_error))
