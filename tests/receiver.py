"""A real HTTP server that takes what the sink `webhook` sends, with faults on demand."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import msgpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST as it came."""

    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results in it."""
        decode = msgpack.unpackb if self.headers["content-type"].endswith("msgpack") else json.loads
        found: list[dict[str, Any]] = decode(self.body)["results"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server does about a request."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False  # no answer until the server is closed or told something else
    hang_up: bool = False  # no answer, and the connection is closed


OK = Answer()


class Receiver:
    """Inside its `with`, listens on a port of loopback; keeps every request, and answers as `answer` says."""

    def __init__(self, answer: Callable[[Request], Answer] = lambda _: OK) -> None:
        self.answer = answer
        self._lock = threading.Lock()
        self._requests: list[tuple[Request, int]] = []
        self._connections: list[socket.socket] = []
        self._let_go = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                super().setup()
                with receiver._lock:
                    receiver._connections.append(self.connection)

            def do_POST(self) -> None:
                receiver._serve(self)

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_: object) -> None:
                """A client that is gone is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        """Where it listens, for the sink."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def requests(self) -> list[Request]:
        """All that came, in whatever way it was answered."""
        with self._lock:
            return [request for request, _ in self._requests]

    @property
    def taken(self) -> list[dict[str, Any]]:
        """The results of all requests that were answered 2xx, repeats included."""
        with self._lock:
            taken = [request for request, status in self._requests if status // 100 == 2]
        return [result for request in taken for result in request.results]

    def let_go(self) -> None:
        """End those that hang."""
        self._let_go.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self._server.shutdown()
        self._thread.join()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(path=handler.path, headers=headers, body=body)
        answer = self.answer(request)
        silent = answer.hang or answer.hang_up
        with self._lock:
            self._requests.append((request, 0 if silent else answer.status))
        if answer.hang:
            self._let_go.wait()
        if silent:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
