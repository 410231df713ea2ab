"""The guard for http and https: an HTTP proxy inside of this process, which checks and dials every request.

FFmpeg is left plain HTTP alone. TLS is done here: FFmpeg would need its own protocol for proxies, which a
playlist could then name to reach any host. So addresses of https in redirects and playlists become addresses
of http at the same port, and what is asked of such a port goes out by TLS.
"""

import http.client
import os
import re
import socket
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

from agent.capture.dial import Dialler
from agent.capture.doorway import Doorway
from agent.errors import Cause, SourceError

_PORTS = {"http": 80, "https": 443}
_HEAD_LIMIT_BYTES = 65_536
_PLAYLIST_LIMIT_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 16
_REQUEST = re.compile(r"(GET|HEAD|POST|OPTIONS) (\S(?:.*\S)?) HTTP/1\.[01]")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_PLAYLIST_URI = re.compile(r'(?m)^(?P<line>[^#\s].*?)\s*$|(?P<key>URI=")(?P<quoted>[^"]*)"')
_PLAYLIST_MARK = b"#EXTM3U"
_NOT_PASSED_UP = ("connection", "proxy-connection", "proxy-authorization", "accept-encoding", "keep-alive")
_PASSED_DOWN = ("content-type", "content-range", "accept-ranges", "www-authenticate", "set-cookie")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_MAX_PORT = 65_535
_AS_IT_IS = "%/:=&?~#+!$,;'@()*[]|"
_HTTP_ERRORS = (OSError, http.client.HTTPException, ValueError)

_Place = tuple[str, int]


class HttpGuard:
    """See `Guard`. Every connection carries one request."""

    def __init__(self, parts: SplitResult, dialler: Dialler) -> None:
        self._dialler = dialler
        self._encrypted: set[_Place] = set()
        self.refusal: SourceError | None = None
        self.target = self._shown(parts)
        place = _place(urlsplit(self.target))
        # Before FFmpeg is asked, whose errors do not tell a host that is down from one that is refused.
        self._waiting: dict[_Place, socket.socket] = {place: self._dial(place)}
        self._doorway = Doorway(self._talk)
        self._doorway.keep(self._waiting[place])
        proxy = f"http://127.0.0.1:{self._doorway.port}"
        self.options = {"http_proxy": proxy}
        # FFmpeg hands the option on to what a playlist names; these are for where it might not.
        self._before = {name: os.environ.pop(name, None) for name in _PROXY_VARIABLES}
        os.environ["http_proxy"] = proxy

    def close(self) -> None:
        """See `Guard.close`."""
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self._doorway.close()
        while self._waiting:
            self._waiting.popitem()[1].close()

    def _dial(self, place: _Place) -> socket.socket:
        sock = self._dialler.connect(*place, tls=place in self._encrypted)
        sock.settimeout(self._dialler.silence_s)  # else what FFmpeg has given up would wait for ever
        return sock

    def _shown(self, parts: SplitResult) -> str:
        """A URL as FFmpeg gets to see it. Raises SourceError for one that is not of http or https."""
        if parts.scheme not in _PORTS:
            raise SourceError(Cause.FORBIDDEN, f"it leads to {parts.scheme}:, which is never followed")
        host, port = _place(parts)
        if parts.scheme == "https":
            self._encrypted.add((host, port))
        userinfo, at, _ = parts.netloc.rpartition("@")
        shown = f"[{host}]" if ":" in host else host
        return urlunsplit(("http", f"{userinfo}{at}{shown}:{port}", parts.path or "/", parts.query, ""))

    def _talk(self, client: socket.socket) -> None:
        method, url, headers = _request(_head(client))
        server: socket.socket | None = None
        try:
            parts = urlsplit(url)
            place = _place(parts)
            server = self._waiting.pop(place, None) or self._doorway.keep(self._dial(place))
            with _ask(server, method, parts, headers) as answer:
                self._pass_down(client, method, answer, self._real(parts))
        except SourceError as err:
            self.refusal = err
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except _HTTP_ERRORS:
            return  # to FFmpeg, the server hung up
        finally:
            if server is not None:
                self._doorway.drop(server)

    def _real(self, parts: SplitResult) -> str:
        """What FFmpeg asks for, as the server knows it."""
        scheme = "https" if _place(parts) in self._encrypted else "http"
        return urlunsplit((scheme, parts.netloc, parts.path, parts.query, ""))

    def _pass_down(
        self, client: socket.socket, method: str, answer: http.client.HTTPResponse, base: str
    ) -> None:
        head = [f"HTTP/1.1 {answer.status} {answer.reason}", "Connection: close"]
        location = answer.headers.get("Location")
        if location is not None:
            head.append(f"Location: {self._led(base, location)}")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise SourceError(Cause.CORRUPT, "the server compresses what was not to be compressed")
        for name, value in answer.headers.items():
            if name.lower() in _PASSED_DOWN:
                head.append(f"{name}: {value}")
        start = b""
        while len(start) < len(_PLAYLIST_MARK) and (more := answer.read1(_CHUNK_BYTES)):
            start += more
        length = answer.headers.get("Content-Length") if method == "HEAD" else None
        if answer.length is not None and method != "HEAD":
            length = str(len(start) + answer.length)
        if start.startswith(_PLAYLIST_MARK):
            start = self._playlist(start + _all_of(answer), base)
            length = str(len(start))
        if length is not None:
            head.append(f"Content-Length: {length}")
        text = "".join(f"{_one_line(line)}\r\n" for line in head)
        client.sendall(text.encode("latin-1", "replace") + b"\r\n" + start)
        while data := answer.read1(_CHUNK_BYTES):
            client.sendall(data)

    def _playlist(self, content: bytes, base: str) -> bytes:
        def led(found: re.Match[str]) -> str:
            if found["line"] is not None:
                return self._led(base, found["line"])
            return f'{found["key"]}{self._led(base, found["quoted"])}"'

        text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
        return _PLAYLIST_URI.sub(led, text).encode("utf-8", "surrogateescape")

    def _led(self, base: str, to: str) -> str:
        """Where a redirect or a playlist leads to, as FFmpeg gets to see it."""
        try:
            return self._shown(urlsplit(urljoin(base, to)))
        except ValueError as err:
            raise SourceError(Cause.FORBIDDEN, "it leads to what is no plain URL of http or https") from err


def _head(client: socket.socket) -> str:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = client.recv(_HEAD_LIMIT_BYTES)
        if not more or len(data) > _HEAD_LIMIT_BYTES:
            raise ConnectionError("no head came")
        data += more
    return data.decode("utf-8", "surrogateescape")


def _request(head: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Method, URL and headers of what FFmpeg asks for."""
    first, *lines = head.rstrip("\r\n").split("\r\n")
    found = _REQUEST.fullmatch(first)
    if found is None:
        raise ConnectionError("no request of a proxy")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return found[1], found[2], [header for header in headers if header[0].lower() not in _NOT_PASSED_UP]


def _place(parts: SplitResult) -> _Place:
    """Host and port of a URL. Raises SourceError for what is not plainly one."""
    found = _AUTHORITY.fullmatch(parts.netloc.rpartition("@")[2])
    port = int(found[2] or _PORTS.get(parts.scheme, 0)) if found is not None else 0
    if found is None or not 0 < port <= _MAX_PORT:
        raise SourceError(Cause.FORBIDDEN, "it leads to what is no plain URL of http or https")
    return found[1].strip("[]").lower(), port


def _ask(
    server: socket.socket, method: str, parts: SplitResult, headers: list[tuple[str, str]]
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(parts.hostname or "")
    connection.sock = server
    # A redirect may name letters that are not encoded, which http.client refuses.
    path = quote(
        urlunsplit(("", "", parts.path or "/", parts.query, "")), safe=_AS_IT_IS, errors="surrogateescape"
    )
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Connection", "close")
    connection.endheaders()
    return connection.getresponse()


def _all_of(answer: http.client.HTTPResponse) -> bytes:
    content = answer.read(_PLAYLIST_LIMIT_BYTES)
    if answer.read(1):
        raise SourceError(Cause.CORRUPT, "its playlist is larger than 4 MiB")
    return content


def _one_line(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())
