"""The server: threads that send bytes; at most MAX_CONNECTIONS, one more is turned away."""

import errno
import os
import socket
import sys
import threading
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Final, Self

from agent.dashboard.errors import DashboardError
from agent.dashboard.files import CONFIG, File
from agent.dashboard.opening import Opening
from agent.dashboard.request import Request

MAX_CONNECTIONS: Final = 64

_POLL_S: Final = 0.2  # how soon the thread that accepts sees that it is to end
_BUSY: Final = (
    f"HTTP/1.1 {HTTPStatus.SERVICE_UNAVAILABLE.value} {HTTPStatus.SERVICE_UNAVAILABLE.phrase}\r\n"
    "Content-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
).encode()


class DashboardServer:
    """Serves the page inside its `with`; no thread and no connection outlives it.

    `port` 0 takes a free one. Entering raises DashboardError when the address cannot be had.
    """

    def __init__(self, files: Mapping[str, File], opening: Opening, *, host: str, port: int) -> None:
        self._files = {**files, CONFIG: File.of(CONFIG, opening.json_bytes())}
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = _listening(self._files, self._host, self._port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="dashboard", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.hang_up()
            self._server.server_close()  # waits for its threads

    @property
    def port(self) -> int:
        """The one that it listens on."""
        return self._port if self._server is None else int(self._server.server_address[1])

    @property
    def connections(self) -> int:
        """How many are open now."""
        return 0 if self._server is None else self._server.connections

    @property
    def url(self) -> str:
        """What to open in a browser on this machine, or on another if it listens on more than loopback."""
        shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self._host, self._host)  # noqa: S104  compared
        return f"http://[{shown}]:{self.port}/" if ":" in shown else f"http://{shown}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(files: Mapping[str, File], host: str, port: int) -> "_Server":
    """Raises DashboardError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as err:  # UnicodeError: what can be no host's name
        reason = err.strerror if isinstance(err, OSError) else None
        raise DashboardError(f"{host} is no address of this machine: {reason or err}") from err
    family, _, _, _, place = found[0]
    try:
        return _Server(files, family, place)
    except OSError as err:
        hint = ": choose another with --port" if err.errno in (errno.EADDRINUSE, errno.EACCES) else ""
        reason = os.strerror(err.errno) if err.errno is not None else str(err)
        raise DashboardError(f"cannot listen on {host} port {port} ({reason}){hint}") from err


class _Server(ThreadingTCPServer):
    """Counts its connections, so that there are never too many, and so that all can be ended."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, files: Mapping[str, File], family: int, place: Any) -> None:  # noqa: ANN401  an address of any family
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.address_family = family
        super().__init__(place, partial(Request, files=files))

    @property
    def connections(self) -> int:
        """How many are open now."""
        with self._lock:
            return len(self._open)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  likewise
        """Begin a thread for it, or turn it away."""
        with self._lock:
            busy = len(self._open) >= MAX_CONNECTIONS
            if not busy:
                self._open.add(request)
        if busy:
            request.settimeout(0)
            request.send(_BUSY)  # fits into the buffer of a new connection
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  likewise
        """Every connection ends here, whatever became of it."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  likewise
        """A client that goes away, or does not read, is none; what is wrong here is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End what is still going on."""
        with self._lock:
            for each in self._open:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has gone already
