"""What stands between FFmpeg and a network source that a command named.

FFmpeg connects to whatever a redirect, a playlist or a DNS server leads it to. So it is made to connect
through this process: as to an HTTP proxy for http and https (`agent.capture.http_guard`), whose every request
is checked, and as to the server itself for rtsp, rtsps, rtmp and rtmps, which lead to one checked address.
"""

import ipaddress
import socket
from typing import Protocol
from urllib.parse import SplitResult, urlunsplit

from agent.capture.dial import Dialler
from agent.capture.doorway import Doorway, copy
from agent.capture.http_guard import HttpGuard
from agent.capture.rtsp_answers import BadAnswerError, RtspAnswers
from agent.errors import Cause, SourceError

_DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443}


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
            here = parts.netloc.rpartition("@")[2]
            self.options = {"rtmp_tcurl": f"{parts.scheme}://{here}/{_application(parts.path)}"}

    def close(self) -> None:
        """See `Guard.close`."""
        self._doorway.close()
        while self._waiting:
            self._waiting.pop().close()

    def _dial(self) -> socket.socket:
        return self._dialler.connect(self._host, self._port, tls=self._tls)

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


def _application(path: str) -> str:
    """The part of an RTMP path that names the application, as FFmpeg takes it: of three levels, two."""
    first, _, rest = path.strip("/").partition("/")
    instance, more, _ = rest.partition("/")
    return f"{first}/{instance}" if more and ":" not in instance else first


def _address_of(server: socket.socket) -> str:
    return str(ipaddress.ip_address(str(server.getpeername()[0]).partition("%")[0]))


def _same(data: bytes) -> bytes:
    return data
