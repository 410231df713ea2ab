"""paho's client, made for what one session needs, with the traps of paho 2.2 mended."""

import logging
import os
import socket
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_TIMEOUT_S = 5.0  # of each blocking step; paho's own default, made visible
SESSION_EXPIRY_S = 3600  # the broker keeps commands for us that long
WILL_DELAY_S = 15
INBOUND_WINDOW = 100
INBOUND_MAX_BYTES = 4 * 1024 * 1024  # a broker of MQTT 5 does not even send us more


class PahoClient(Client):
    """For one connection, without thread, reconnecting, own queue or writing inside of `publish`."""

    tcp: socket.socket | None = None

    def __init__(self, endpoint: Endpoint, *, v5: bool, visit: bool = False) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=endpoint.client_id,
            clean_session=None if v5 else visit,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            transport=endpoint.transport,
            reconnect_on_failure=False,  # else paho reconnects on its own with MQTT 3.1
        )
        self.connect_timeout = CONNECT_TIMEOUT_S
        self.max_inflight_messages_set(0)  # the window is ours: paho's queue stays empty
        self._last_error = _LastError()
        self.enable_logger(self._last_error.logger)
        if endpoint.username is not None:
            self.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.transport == "websockets":
            self.ws_set_options(path=endpoint.path)
        self.on_socket_open = _prepare_socket
        self.on_socket_register_write = _no_write_yet

    @property
    def last_error(self) -> str:
        """What paho said last about the socket; empty if nothing."""
        return self._last_error.text

    def close_half_open(self) -> None:
        """Close the socket that paho leaves open when TLS or WebSocket fail after TCP."""
        if self.tcp is not None:
            self.tcp.close()
        if isinstance(self._ssl_context, TlsContext) and self._ssl_context.wrapped is not None:
            self._ssl_context.wrapped.close()

    def _create_socket_connection(self) -> socket.socket:
        self.tcp = super()._create_socket_connection()
        return self.tcp


class TlsContext(ssl.SSLContext):
    """Checks chain and host name; remembers its socket, which paho forgets when the handshake fails."""

    wrapped: ssl.SSLSocket | None = None

    @classmethod
    def of(cls, endpoint: Endpoint) -> "TlsContext":
        """With the authorities and the client certificate of `endpoint`; raises OSError for their files."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        if endpoint.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(endpoint.ca_file)
        if endpoint.cert_file is not None:
            context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
        return context

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # noqa: ANN401  passed on as it comes
        """As the base does."""
        self.wrapped = super().wrap_socket(*args, **kwargs)
        return self.wrapped


class _LastError(logging.Handler):
    """Keeps the text of paho's last error, which it tells nobody but its logger."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.logger = logging.Logger("paho", level=logging.ERROR)  # noqa: LOG001  dies with the session
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def _prepare_socket(_client: Client, _data: object, sock: Any) -> None:  # noqa: ANN401  paho's SocketLike
    """Set TCP_NODELAY (a command takes 68 ms without, 3 with), and mend paho's WebSocket."""
    with socket.socket(fileno=os.dup(sock.fileno())) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if isinstance(sock, socket.socket):
        return
    send: Callable[[bytes], int] = sock.send

    def send_or_block(data: bytes) -> int:
        # paho's WebSocket answers 0 for a frame that went out in part, and paho then loses the packet.
        # BlockingIOError makes it keep the packet, and send the rest when the socket takes it.
        sent = send(data)
        if sent == 0:
            raise BlockingIOError
        return sent

    sock.send = send_or_block


def _no_write_yet(_client: Client, _data: object, _sock: object) -> None:
    """Being set keeps paho from writing inside `publish`: all writing is in `Session.write`."""


def will_properties(will: Outgoing) -> Properties:
    """Of a last will: published only when we stay away for a while."""
    properties = _properties(PacketTypes.WILLMESSAGE)
    properties.WillDelayInterval = WILL_DELAY_S
    if will.content_type is not None:
        properties.ContentType = will.content_type
    return properties


def connect_properties(*, visit: bool = False) -> Properties:
    """Of CONNECT: keep our session, unless it is a visit, and do not flood us."""
    properties = _properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0 if visit else SESSION_EXPIRY_S
    properties.ReceiveMaximum = INBOUND_WINDOW
    properties.MaximumPacketSize = INBOUND_MAX_BYTES
    return properties


@lru_cache(maxsize=64)  # making one takes longer than sending it, and results share theirs
def publish_properties(
    content_type: str | None,
    correlation: bytes | None,
    user: tuple[tuple[str, str], ...],
    response_topic: str | None = None,
    expiry_s: int | None = None,
) -> Properties | None:
    """Of PUBLISH; None when there are none."""
    if not user and (content_type, correlation, response_topic, expiry_s) == (None,) * 4:
        return None
    properties = _properties(PacketTypes.PUBLISH)
    if content_type is not None:
        properties.ContentType = content_type
    if correlation is not None:
        properties.CorrelationData = correlation
    if user:
        properties.UserProperty = list(user)
    if response_topic is not None:
        properties.ResponseTopic = response_topic
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    return properties


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]
