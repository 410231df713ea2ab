"""MQTT 5, as much of it as a publisher of many messages needs."""

import re
import socket
import struct
from urllib.parse import unquote, urlsplit

# What is exchanged in a packet: nothing else in it looks like this.
DEVICE = "sim-0000"
TIME = 1_700_000_000_000_000
NUMBER = 7_777_777  # of counters; what takes its place has as many digits

PATIENCE_S = 10.0


class Packet:
    """A PUBLISH of MQTT 5 with QoS 0, whose device, times and numbers can be exchanged in place."""

    def __init__(self, topic: str, payload: bytes, content_type: str, *, retain: bool) -> None:
        properties = b"\x03" + _text(content_type.encode())
        body = _text(topic.encode()) + _varint(len(properties)) + properties + payload
        self.raw = bytearray(bytes((0x31 if retain else 0x30,)) + _varint(len(body)) + body)
        self._devices = self._places(DEVICE.encode())
        self._times = self._places(b"%d" % TIME)
        self._numbers = self._places(b"%d" % NUMBER)
        self._packed_times = self._places(struct.pack(">Q", TIME))
        self._packed_numbers = self._places(struct.pack(">I", NUMBER))

    def filled(self, device: bytes, number: int, time_us: int) -> bytearray:
        """The packet with these; it is the same object each time."""
        raw = self.raw
        for at in self._devices:
            raw[at : at + 8] = device
        if self._times:
            text = b"%d" % time_us
            for at in self._times:
                raw[at : at + 16] = text
        if self._numbers:
            text = b"%d" % number
            for at in self._numbers:
                raw[at : at + 7] = text
        for at in self._packed_times:
            struct.pack_into(">Q", raw, at, time_us)
        for at in self._packed_numbers:
            struct.pack_into(">I", raw, at, number)
        return raw

    def _places(self, what: bytes) -> tuple[int, ...]:
        return tuple(found.start() for found in re.finditer(re.escape(what), self.raw))


def connected(url: str, name: str) -> socket.socket:
    """A connection under this client id. Raises ConnectionError: the broker refuses it."""
    parts = urlsplit(url)
    if parts.scheme != "mqtt" or not parts.hostname:
        raise ValueError(f"{url}: a fleet speaks mqtt:// only")
    flags, login = 0x02, b""  # clean start
    if parts.username is not None:
        flags |= 0x80
        login += _text(unquote(parts.username).encode())
    if parts.password is not None:
        flags |= 0x40
        login += _text(unquote(parts.password).encode())
    keepalive_s = 65535
    body = (
        _text(b"MQTT") + struct.pack(">BBH", 5, flags, keepalive_s) + b"\x00" + _text(name.encode()) + login
    )
    made = socket.create_connection((parts.hostname, parts.port or 1883), PATIENCE_S)
    try:
        made.sendall(b"\x10" + _varint(len(body)) + body)
        kind, length = exactly(made, 2)
        answer = exactly(made, length)
    except BaseException:
        made.close()
        raise
    if kind != 0x20 or answer[1] != 0:
        made.close()
        raise ConnectionError(f"the broker refuses the fleet: {answer[1]:#04x}")
    return made


def exactly(source: socket.socket, count: int) -> bytes:
    """So many bytes. Raises ConnectionError when it ends before."""
    got = b""
    while len(got) < count:
        chunk = source.recv(count - len(got))
        if not chunk:
            raise ConnectionError("the broker has hung up")
        got += chunk
    return got


def _text(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)
