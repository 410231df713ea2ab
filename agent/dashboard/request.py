"""One request for a file of the page, and its answer: one a connection, GET and HEAD only, no body.

A head of more than MAX_HEAD_BYTES is refused. A client has HEAD_LIMIT_S to send it and ANSWER_LIMIT_S to take
the answer, however few bytes at a time.
"""

import io
import socket
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from typing import Any, Final

from agent.dashboard.files import INDEX, File
from agent.dashboard.headers import HEADERS

MAX_HEAD_BYTES: Final = 16384
HEAD_LIMIT_S: Final = 10.0
ANSWER_LIMIT_S: Final = 60.0
GOODBYE_S: Final = 1.0  # for the other side to close first
GOODBYE_BYTES: Final = 1 << 18  # what may still come meanwhile

_END: Final = b"\r\n\r\n"
_CHUNK: Final = 8192


class Request(BaseHTTPRequestHandler):
    """A connection. `files` are what may be asked for; nothing is looked up anywhere else."""

    protocol_version = "HTTP/1.1"
    server_version = "vedette"
    sys_version = ""

    def __init__(
        self,
        request: socket.socket,
        client: Any,  # noqa: ANN401  an address of any family
        server: BaseServer,
        files: Mapping[str, File],
    ) -> None:
        self._files = files
        super().__init__(request, client, server)  # this serves it

    def handle(self) -> None:
        """Serve one request, and let the client close first."""
        head = self._head()
        if head is not None:
            self.rfile = io.BytesIO(head)
            self.connection.settimeout(ANSWER_LIMIT_S)  # of a whole `sendall`
            self.handle_one_request()
        self._goodbye()

    def do_GET(self) -> None:
        """Answer with the file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer as to GET, without the file."""
        self._answer(with_body=False)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the base class looks methods up
        """Every other method is refused; of unknown ones the base class would say that it may come."""
        if name.startswith("do_"):
            return self._refuse_method
        raise AttributeError(name)

    def version_string(self) -> str:
        """No version: who attacks may guess."""
        return self.server_version

    def log_message(self, *_: Any) -> None:  # noqa: ANN401  as the base class calls it
        """Nothing: who looks at a page is nobody's business, and whoever asks for nonsense fills no log."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The status in words; nothing of the request comes back."""
        del message, explain
        if self.request_version == "HTTP/0.9":  # or what it is was not understood
            self.request_version = "HTTP/1.0"  # else the answer has no headers
        status = HTTPStatus(code)
        body = f"{status.value} {status.phrase}\n".encode()
        self._begin(
            status, len(body), {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        )
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self) -> bytes | None:
        """The head of the request; None when none came, or it has been refused."""
        head = bytearray()
        deadline_s = time.monotonic() + HEAD_LIMIT_S
        self.command, self.request_version, self.requestline = "", "HTTP/1.1", ""
        while _END not in head:
            left_s = deadline_s - time.monotonic()
            try:
                self.connection.settimeout(max(left_s, 0.001))
                chunk = self.connection.recv(_CHUNK)
            except TimeoutError:
                if head:
                    self._refuse(HTTPStatus.REQUEST_TIMEOUT)
                return None
            if not chunk:
                return None
            head += chunk
            if len(head) > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return None
        return bytes(head[: head.index(_END) + len(_END)])

    def _refuse(self, status: HTTPStatus) -> None:
        self.connection.settimeout(ANSWER_LIMIT_S)
        self.send_error(status)

    def _refuse_method(self) -> None:
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    def _answer(self, *, with_body: bool) -> None:
        if self.request_version == "HTTP/0.9":
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        path = self.path.partition("?")[0]
        file = self._files.get(path.removeprefix("/") or INDEX) if path.startswith("/") else None
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body, headers = file.body, {"Cache-Control": file.caching, "ETag": f'"{file.tag}"'}
        if file.packed is not None:
            headers["Vary"] = "Accept-Encoding"
            if takes_gzip(self.headers.get("Accept-Encoding", "")):
                body = file.packed
                headers |= {"Content-Encoding": "gzip", "ETag": f'"{file.tag}-gz"'}
        if has_tag(self.headers.get("If-None-Match", ""), headers["ETag"]):
            headers.pop("Content-Encoding", None)
            self._begin(HTTPStatus.NOT_MODIFIED, None, headers)
            return
        self._begin(HTTPStatus.OK, len(body), headers | {"Content-Type": file.content_type})
        if with_body:
            self.wfile.write(body)

    def _begin(self, status: HTTPStatus, length: int | None, headers: Mapping[str, str]) -> None:
        """Status and headers; `length` None: there is no body."""
        self.send_response(status)
        for name, value in {**headers, **HEADERS}.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Connection", "close")
        self.end_headers()

    def _goodbye(self) -> None:
        """Let the other side close first: else its unread bytes reset what it has yet to read."""
        self.connection.shutdown(socket.SHUT_WR)
        deadline_s, left = time.monotonic() + GOODBYE_S, GOODBYE_BYTES
        while left > 0 and (left_s := deadline_s - time.monotonic()) > 0:
            self.connection.settimeout(left_s)
            chunk = self.connection.recv(_CHUNK)
            if not chunk:
                return
            left -= len(chunk)


def takes_gzip(accepted: str) -> bool:
    """Whether this Accept-Encoding takes gzip."""
    for entry in accepted.lower().split(","):
        coding, _, quality = entry.replace(" ", "").partition(";")
        if coding in ("gzip", "*"):
            return quality.strip("q=0.") != "" if quality else True
    return False


def has_tag(asked: str, tag: str) -> bool:
    """Whether this If-None-Match names the tag; weak ones count, for a proxy makes them so."""
    tags = {entry.strip().removeprefix("W/") for entry in asked.split(",")}
    return tag in tags or "*" in tags
