"""Small servers with bad manners."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Talk = Callable[[socket.socket], None]


@contextmanager
def listening(talk: Talk) -> Iterator[int]:
    """A TCP server on a port of its own that does `talk` with each client in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        clients: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def one(client: socket.socket) -> None:
            try:
                talk(client)
            except OSError:
                pass
            finally:
                client.close()

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                clients.append(client)
                threads.append(threading.Thread(target=one, args=(client,)))
                threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            acceptor.join(5)
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """An HTTP server on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def redirecting(*steps: str) -> type[BaseHTTPRequestHandler]:
    """A handler: each request is sent on to the next of `steps`."""
    left = list(steps)

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", left[0] if len(left) == 1 else left.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            pass

    return Redirecting


def playlist(*entries: str, head: str = "") -> str:
    """An HLS playlist of parts; `head` is further lines before them."""
    parts = "".join(f"#EXTINF:0.8,\n{entry}\n" for entry in entries)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{head}{parts}#EXT-X-ENDLIST\n"
