"""What must never be touched: listeners that remember who came, and a file that remembers who opened it."""

import ctypes
import os
import selectors
import socket
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

_IN_OPEN = 0x20
_IN_ACCESS = 0x01
_IN_NONBLOCK = 0x800
_PORT_TRIES = 20


class Canary:
    """TCP and UDP on one port of every given address, and a file; `seen` says what of them was touched."""

    def __init__(self, folder: Path, addresses: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self.file = folder / "canary.mp4"
        self.port = 0
        self._addresses = addresses
        self._sockets: list[socket.socket] = []
        self._inotify = -1
        self._seen: list[str] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if not self.file.exists():
            self.file.write_bytes(b"the canary sings\n")
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(_IN_NONBLOCK)
        self._stack.callback(os.close, self._inotify)
        if libc.inotify_add_watch(self._inotify, os.fsencode(self.file), _IN_OPEN | _IN_ACCESS) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        for last in range(_PORT_TRIES):
            try:
                self._listen()
            except OSError:  # the port is taken at one of the addresses
                self._close()
                if last == _PORT_TRIES - 1:
                    raise
            else:
                break
        self._stack.callback(self._close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def seen(self) -> list[str]:
        """Connections, packets and openings so far."""
        with selectors.DefaultSelector() as selector:
            for sock in self._sockets:
                selector.register(sock, selectors.EVENT_READ)
            for key, _ in selector.select(0):
                sock = self._sockets[[one.fileno() for one in self._sockets].index(key.fd)]
                at = f"{sock.getsockname()[0]}"
                if sock.type is socket.SOCK_STREAM:
                    client, _ = sock.accept()
                    client.close()
                    self._seen.append(f"a connection to {at}")
                else:
                    self._seen.append(f"a packet to {at}: {sock.recv(2048)!r}")
        try:
            os.read(self._inotify, 4096)
            self._seen.append("the file was opened")
        except BlockingIOError:
            pass
        return list(self._seen)

    def _listen(self) -> None:
        self.port = 0
        for address in self._addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._sockets.append(socket.create_server((address, self.port), family=family))
            self.port = self._sockets[0].getsockname()[1]
            udp = socket.socket(family, socket.SOCK_DGRAM)
            self._sockets.append(udp)
            udp.bind((address, self.port))

    def _close(self) -> None:
        while self._sockets:
            self._sockets.pop().close()
