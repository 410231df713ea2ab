"""One pipe between the agent and a child: framed msgpack messages, with descriptors where one is lent.

A stream socket and a length prefix rather than datagrams, because a result may be larger than what the
kernel takes as one datagram.
"""

import array
import collections
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

import msgpack

from agent.errors import ChannelClosedError
from agent.ipc import inspecting, messages, recording, sinking
from agent.ipc.message import Message

_HEADER = struct.Struct("<IB")  # length of the body, number of descriptors
_RECEIVE_BYTES = 1 << 18
_MAX_FDS = 8
_ANCILLARY_BYTES = socket.CMSG_SPACE(_MAX_FDS * 4)
# Plain numbers: an enum takes its time to combine flags.
_BLOCK = int(socket.MSG_CMSG_CLOEXEC)
_DO_NOT_BLOCK = int(socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
MAX_MESSAGE_BYTES = 64 << 20
MAX_BACKLOG_BYTES = 8 << 20


_MODULES = (messages, inspecting, recording, sinking)
MESSAGES: dict[int, type[Message]] = {
    kind.tag: kind
    for module in _MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
}


class Channel:
    """One end of the pipe.

    `send` blocks (children); `post` never does (agent): what the kernel does not take at once waits, up
    to `max_backlog_bytes`, and beyond that the peer counts as gone.
    """

    def __init__(self, sock: socket.socket, *, max_backlog_bytes: int = MAX_BACKLOG_BYTES) -> None:
        self._socket = sock
        self._max_backlog_bytes = max_backlog_bytes
        self._incoming = bytearray()
        self._incoming_fds: collections.deque[int] = collections.deque()
        self._backlog: collections.deque[tuple[memoryview, tuple[int, ...]]] = collections.deque()
        self._backlog_bytes = 0

    def fileno(self) -> int:
        """The socket's descriptor, for a selector."""
        return self._socket.fileno()

    @property
    def backlogged(self) -> bool:
        """Whether `flush` has something to do once the socket is writable."""
        return bool(self._backlog)

    def send(self, message: Message) -> None:
        """Send and wait until the kernel has it all. Raises ChannelClosedError."""
        try:
            self._socket.sendall(_encode(message, 0))
        except OSError as err:
            raise ChannelClosedError("the other end is gone") from err

    def post(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send without waiting; `fds` are duplicated and may be closed at once. Raises ChannelClosedError."""
        data = memoryview(_encode(message, len(fds)))
        if self._backlog_bytes + len(data) > self._max_backlog_bytes:
            raise ChannelClosedError("the other end does not read its messages")
        self._backlog.append((data, tuple(os.dup(fd) for fd in fds)))
        self._backlog_bytes += len(data)
        self.flush()

    def flush(self) -> None:
        """Send of the backlog what the kernel takes now. Raises ChannelClosedError."""
        while self._backlog:
            data, fds = self._backlog[0]
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            try:
                sent = self._socket.sendmsg([data], ancillary, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as err:
                raise ChannelClosedError("the other end is gone") from err
            for fd in fds:
                os.close(fd)
            self._backlog_bytes -= sent
            if sent < len(data):
                self._backlog[0] = (data[sent:], ())
            else:
                self._backlog.popleft()

    def receive(self, *, block: bool) -> Iterator[tuple[Message, tuple[int, ...]]]:
        """What has come: all whole messages, each with its descriptors, which the caller then owns.

        With `block` waits for at least some bytes. Raises ChannelClosedError at the end of the stream, or
        when the peer sends what is no message.
        """
        try:
            data, ancillary, _, _ = self._socket.recvmsg(
                _RECEIVE_BYTES, _ANCILLARY_BYTES, _BLOCK if block else _DO_NOT_BLOCK
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError as err:
            raise ChannelClosedError("the other end is gone") from err
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
                self._incoming_fds.extend(fds)
        if not data:
            raise ChannelClosedError("the other end is gone")
        self._incoming += data
        yield from self._messages()

    def _messages(self) -> Iterator[tuple[Message, tuple[int, ...]]]:
        while len(self._incoming) >= _HEADER.size:
            length, fd_count = _HEADER.unpack_from(self._incoming)
            if length > MAX_MESSAGE_BYTES or fd_count > _MAX_FDS:
                raise ChannelClosedError("the other end sent what is no message")
            end = _HEADER.size + length
            if len(self._incoming) < end:
                return
            body = bytes(self._incoming[_HEADER.size : end])
            del self._incoming[:end]
            if fd_count > len(self._incoming_fds):
                raise ChannelClosedError("the other end sent no descriptor")
            yield _decode(body), tuple(self._incoming_fds.popleft() for _ in range(fd_count))

    def close(self) -> None:
        """Close this end, and the descriptors that never found a message or a way out."""
        for _, fds in self._backlog:
            for fd in fds:
                os.close(fd)
        self._backlog.clear()
        while self._incoming_fds:
            os.close(self._incoming_fds.popleft())
        with contextlib.suppress(OSError):
            self._socket.close()


def _fields(message: Message) -> tuple[Any, ...]:
    return tuple(getattr(message, name) for name in message.__slots__)  # type: ignore[attr-defined]


def _encode(message: Message, fd_count: int) -> bytes:
    body: bytes = msgpack.packb((message.tag, *_fields(message)))
    return _HEADER.pack(len(body), fd_count) + body


def _decode(body: bytes) -> Message:
    try:
        tag, *fields = msgpack.unpackb(body, use_list=True, strict_map_key=False)
        return MESSAGES[tag].from_wire(fields)
    except (ValueError, TypeError, KeyError, IndexError, msgpack.exceptions.UnpackException) as err:
        raise ChannelClosedError("the other end sent what is no message") from err
