"""What stands between FFmpeg and a network source that a command named.

FFmpeg connects to whatever a redirect, a playlist or a DNS server leads it to. So it is made to connect
through this process: as to an HTTP proxy for http and https, whose every request is checked, and as to the
camera itself for rtsp, rtsps, rtmp and rtmps, which lead to one checked address only.
"""

import ipaddress
import os
import re
import socket
import ssl
from typing import Protocol
from urllib.parse import SplitResult, urlunsplit

from agent.capture.dial import Dialler
from agent.capture.doorway import Doorway, copy
from agent.capture.rtsp_answers import BadAnswerError, RtspAnswers
from agent.errors import Cause, SourceError

_DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
_HEAD_LIMIT_BYTES = 65_536
_REQUEST = re.compile(r"([A-Z]{1,16}) (\S+|\S.*\S) (HTTP/1\.[01])")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_ABSOLUTE = re.compile(r"(?i)http://([^/?#]*)(.*)")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Guard(Protocol):
    """In force from its making until `close`."""

    target: str
    """What FFmpeg is to open."""
    options: dict[str, str]
    """What FFmpeg needs to be told to go through here."""
    refusal: SourceError | None
    """Why something was not let through: the clause is about the place that was to be opened."""

    def close(self) -> None:
        """End all connections."""


def guard(parts: SplitResult, dialler: Dialler) -> Guard:
    """The guard for a URL of one of the network's schemes, its server reached. Raises SourceError."""
    if parts.scheme in ("http", "https"):
        return HttpGuard(parts, dialler)
    return StreamGuard(parts, dialler)


class StreamGuard:
    """One server at one checked address; FFmpeg sees it at a port of loopback, without TLS."""

    def __init__(self, parts: SplitResult, dialler: Dialler) -> None:
        self._host, self._port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        self._tls = parts.scheme in ("rtsps", "rtmps")
        self._rtsp = parts.scheme.startswith("rtsp")
        self._dialler = dialler
        self.refusal: SourceError | None = None
        first = self._dial()
        self._waiting: list[socket.socket] = [first]
        self._doorway = Doorway(self._talk)
        self._doorway.keep(first)
        userinfo, at, _ = parts.netloc.rpartition("@")
        netloc = f"{userinfo}{at}127.0.0.1:{self._doorway.port}"
        self.target = urlunsplit((parts.scheme[:4], netloc, parts.path, parts.query, ""))
        self.options: dict[str, str] = {}
        if not self._rtsp:
            app = parts.path.strip("/").partition("/")[0]
            self.options = {"rtmp_tcurl": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{app}"}

    def close(self) -> None:
        """See `Guard.close`."""
        self._doorway.close()
        while self._waiting:
            self._waiting.pop().close()

    def _dial(self) -> socket.socket:
        sock = self._dialler.connect(self._host, self._port)
        if not self._tls:
            return sock
        context = ssl.create_default_context()
        # As FFmpeg has it: cameras show certificates that nobody signed.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(sock, server_hostname=self._host)
        except OSError as err:
            sock.close()
            raise SourceError(Cause.REFUSED, "the server does not speak TLS as we do") from err

    def _talk(self, client: socket.socket) -> None:
        try:
            # FFmpeg connects once; for a second answer to a password RTMP does it again.
            server = self._waiting.pop() if self._waiting else self._doorway.keep(self._dial())
        except SourceError as err:
            self.refusal = err
            return
        try:
            if self._rtsp:
                answers = RtspAnswers(_address_of(server))
                copy(client, server, answers.sent, answers.received)
            else:
                copy(client, server, _same, _same)
        except BadAnswerError as err:
            self.refusal = SourceError(Cause.FORBIDDEN, str(err))
        finally:
            self._doorway.drop(server)


class HttpGuard:
    """An HTTP proxy for FFmpeg: each request, redirected or from a playlist, is checked and dialled."""

    def __init__(self, parts: SplitResult, dialler: Dialler) -> None:
        self._dialler = dialler
        self.refusal: SourceError | None = None
        place = (parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])
        # Before FFmpeg is asked, whose errors do not tell a host that is down from one that is refused.
        self._waiting: dict[tuple[str, int], socket.socket] = {place: dialler.connect(*place)}
        self._doorway = Doorway(self._talk)
        self._doorway.keep(self._waiting[place])
        self.target = urlunsplit(parts)
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

    def _talk(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        try:
            place, forward = _request(head)
            waiting = self._waiting.pop(place, None)
            server = waiting or self._doorway.keep(self._dialler.connect(*place))
        except SourceError as err:
            self.refusal = err
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        try:
            if forward:
                server.sendall(forward + rest)
            else:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            copy(client, server, _same, _same)
        finally:
            self._doorway.drop(server)


def _read_head(client: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(_HEAD_LIMIT_BYTES)
        if not more or len(data) > _HEAD_LIMIT_BYTES:
            raise ConnectionError("no head came")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("utf-8", "surrogateescape"), rest


def _request(head: str) -> tuple[tuple[str, int], bytes]:
    """Host and port of a proxy's request, and what the server is to get; empty for CONNECT."""
    lines = head.split("\r\n")
    found = _REQUEST.fullmatch(lines[0])
    if found is None:
        raise _unreadable()
    method, target, version = found.groups()
    if method == "CONNECT":
        return _place(target), b""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise _unreadable()
    path = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
    # One request a connection: the next may be for another host.
    kept = [line for line in lines[1:] if not line.lower().startswith(("connection:", "proxy-"))]
    forward = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""])
    return _place(absolute[1]), forward.encode("utf-8", "surrogateescape")


def _place(authority: str) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise _unreadable()
    return found[1].strip("[]").lower(), int(found[2] or 80)


def _unreadable() -> SourceError:
    return SourceError(Cause.FORBIDDEN, "it leads to what is no plain URL of http or https")


def _address_of(server: socket.socket) -> str:
    return str(ipaddress.ip_address(str(server.getpeername()[0]).partition("%")[0]))


def _same(data: bytes) -> bytes:
    return data
