"""A port of loopback for this process alone: what FFmpeg connects to instead of a host that we check.

FFmpeg offers no say in whom it connects to, so it is given this. Each connection is one thread that copies
bytes both ways; nothing is buffered beyond what the kernel holds, so a slow reader slows its server down.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

_CHUNK_BYTES = 1 << 16
_JOIN_S = 2.0
_PAUSE_S = 0.1

Talk = Callable[[socket.socket], None]
Change = Callable[[bytes], bytes]


class Doorway:
    """Listens until `close`; `talk` gets each connection of this process, in a thread that closes it."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def keep(self, sock: socket.socket) -> socket.socket:
        """Have `close` end this connection, too; gives it back."""
        with self._lock:
            if not self._closed:
                self._open.add(sock)
                return sock
        sock.close()
        return sock

    def drop(self, sock: socket.socket) -> None:
        """Close a connection that was kept."""
        with self._lock:
            self._open.discard(sock)
        sock.close()

    def close(self) -> None:
        """End every connection, and wait for the threads."""
        with self._lock:
            self._closed = True
            for sock in (self._listener, *self._open):
                with contextlib.suppress(OSError):
                    # Of the base class: the one of TLS would change what its thread is using.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join(_JOIN_S)
        self._listener.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="doorway", daemon=True)
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, peer = self._listener.accept()
            except OSError:  # too many open files, say: whoever knocks waits until there are fewer
                if self._closed:
                    return
                time.sleep(_PAUSE_S)
                continue
            if self._closed or not _is_ours(client, peer[1]):
                client.close()
                continue
            self.keep(client)
            self._start(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                self._talk(client)
        finally:
            self.drop(client)


def copy(client: socket.socket, server: socket.socket, up: Change, down: Change) -> None:
    """Copy both ways until one side ends; `up` and `down` may change what goes to the server and back."""
    poll = select.poll()
    poll.register(client, select.POLLIN)
    poll.register(server, select.POLLIN)
    pending: Callable[[], int] = getattr(server, "pending", lambda: 0)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if client.fileno() in ready:
            data = client.recv(_CHUNK_BYTES)
            if not data:
                return
            server.sendall(up(data))
        if server.fileno() in ready:
            came = _received(server)
            while came:
                client.sendall(down(came))
                came = _received(server) if pending() else None
            if came == b"":
                return


def _received(server: socket.socket) -> bytes | None:
    """What has come; empty at the end, None when it was for TLS alone, which would wait for more."""
    if not isinstance(server, ssl.SSLSocket):
        return server.recv(_CHUNK_BYTES)
    server.settimeout(0)
    try:
        return server.recv(_CHUNK_BYTES)
    except ssl.SSLWantReadError:
        return None
    finally:
        server.settimeout(None)


def _is_ours(client: socket.socket, peer_port: int) -> bool:
    """Whether the other end belongs to this process: others on the machine get no way through us."""
    other_end = f"0100007F:{peer_port:04X} 0100007F:{client.getsockname()[1]:04X}"
    try:
        lines = Path("/proc/self/net/tcp").read_text("ascii").splitlines()
        names = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return False
    inode = next((line.split()[9] for line in lines if other_end in line), None)
    if inode is None:
        return False
    for name in names:
        with contextlib.suppress(OSError):
            if str(name.readlink()) == f"socket:[{inode}]":
                return True
    return False
