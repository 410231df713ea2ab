"""Answers /metrics, /livez and /readyz on the spot: as much HTTP/1.1 as these need.

One request a connection, GET only, no body. At most MAX_CONNECTIONS at once, one more is turned away; each
holds at most twice MAX_REQUEST_BYTES and an answer, for at most twice TIME_LIMIT_S.
"""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from agent import log
from agent.backoff import Backoff
from agent.contract.status import Reported
from agent.errors import ConfigError
from agent.health.metrics import CONTENT_TYPE as METRICS_CONTENT_TYPE
from agent.health.metrics import Metrics
from agent.health.vitals import Vitals

_log = log.get_logger("health")

MAX_REQUEST_BYTES: Final = 8192
MAX_CONNECTIONS: Final = 8
TIME_LIMIT_S: Final = 5.0  # for the request to come in, and again for the answer to go out
GOODBYE_S: Final = 1.0  # for the other side to close first
GOODBYE_BYTES: Final = 1 << 18  # what may still come meanwhile
CONNECTION_LIMIT_S: Final = 20.0  # one that is served for longer hangs: more than all of these together
OPEN_LIMIT_S: Final = 5.0  # a host's name may resolve slowly, and start-up does not wait for it

_MOST_PORT: Final = 65535
_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})", re.ASCII)
_REQUEST: Final = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[01]")
_PATHS: Final = (b"/metrics", b"/livez", b"/readyz")
_END: Final = b"\r\n\r\n"
_TEXT: Final = "text/plain; charset=utf-8"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[IPv6]:port`. Raises ConfigError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > _MOST_PORT:
        raise ConfigError(
            f"health.listen = {text!r} is not an address and a port, like 127.0.0.1:9464 or [::1]:9464"
        )
    return match["six"] or match["host"], int(match["port"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back."""

    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT

    def http(self) -> bytes:
        """As it goes over the wire."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        ]
        if self.status is HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append("Allow: GET")
        return "\r\n".join(lines).encode() + _END + self.body


def _plain(status: HTTPStatus, text: str = "") -> Answer:
    return Answer(status=status, body=(text or status.phrase).encode() + b"\n")


class HealthListener:
    """Listens on `address` while its `async with` block lasts; an empty address: nothing does.

    All that is given is called in the event loop, one call a request; `live` and `ready` give the
    reason why the agent is not, or None. An address that cannot be had ends nothing: the agent's work is
    video, so it is logged once and tried again, for the interface of a small machine may come up after the
    agent.
    """

    def __init__(
        self,
        address: str,
        *,
        report: Callable[[], Reported],
        vitals: Callable[[], Vitals],
        live: Callable[[], str | None],
        ready: Callable[[], str | None],
        retry: Backoff = Backoff(first_s=2.0, cap_s=60.0),  # noqa: B008  frozen
    ) -> None:
        self._address = address
        self._metrics = Metrics(report, vitals)
        self._live = live
        self._ready = ready
        self._retry = retry
        self._server: asyncio.Server | None = None
        self._at_work: dict[asyncio.Task[None], float] = {}  # since when, oldest first
        self._opening: asyncio.Task[None] | None = None

    @property
    def bound(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports that are listened on now."""
        sockets = () if self._server is None else self._server.sockets
        return tuple(socket.getsockname()[:2] for socket in sockets)

    def owes_since(self) -> float | None:
        """Since when (monotonic seconds) the oldest connection is served; None: there is none."""
        return next(iter(self._at_work.values()), None)

    async def __aenter__(self) -> Self:
        """Listens when this returns, or has said why not."""
        if not self._address:
            return self
        try:
            host, port = parse_address(self._address)
        except ConfigError as err:
            _log.error("health.unavailable", error=str(err))
            return self
        try:
            self._server = await self._open(host, port)
        except ConfigError as err:
            _log.error("health.unavailable", error=str(err))
            self._opening = asyncio.create_task(self._keep_opening(host, port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No connection outlives the block."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _open(self, host: str, port: int) -> asyncio.Server:
        """Listen from now on. Raises ConfigError: somebody else listens there, no such address."""
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                server = await asyncio.start_server(self._accept, host, port, limit=MAX_REQUEST_BYTES)
        except (OSError, UnicodeError) as err:  # UnicodeError: what can be no host's name
            raise ConfigError(
                f"nothing answers /metrics, /livez and /readyz: health.listen = {self._address!r} cannot be "
                f"listened on: {str(err) or 'its name is not resolved in time'}"
            ) from err
        _log.info("health.listening", address=self._address)
        return server

    async def _keep_opening(self, host: str, port: int) -> None:
        while self._server is None:
            self._retry = self._retry.after_failure(lasted_s=0.0)
            await asyncio.sleep(self._retry.delay_s(1.0))  # no jitter: there is nobody to spread
            with suppress(ConfigError):  # was told the first time
                self._server = await self._open(host, port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._at_work) >= MAX_CONNECTIONS:
            writer.write(_plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections").http())
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._at_work[task] = time.monotonic()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._at_work.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("health.crashed", error=error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits for all of it
        try:
            answer = await self._answer(reader)
            if answer is None:
                return
            async with asyncio.timeout(TIME_LIMIT_S):
                writer.write(answer.http())
                await writer.drain()
                writer.write_eof()
                await _goodbye(reader)
        except (OSError, TimeoutError):
            pass  # it went away, or does not read: nobody is left to tell
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer | None:
        """None when the other side went away without a request."""
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                head = await reader.readuntil(_END)
        except TimeoutError:
            return _plain(HTTPStatus.REQUEST_TIMEOUT)
        except asyncio.LimitOverrunError:
            return _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except asyncio.IncompleteReadError as err:
            return _plain(HTTPStatus.BAD_REQUEST) if err.partial else None
        return self._answer_to(head.partition(b"\r\n")[0])

    def _answer_to(self, line: bytes) -> Answer:
        request = _REQUEST.fullmatch(line)
        if request is None:
            return _plain(HTTPStatus.BAD_REQUEST)
        method, target = request[1], request[2].partition(b"?")[0]
        if target not in _PATHS:
            return _plain(HTTPStatus.NOT_FOUND, "there are /metrics, /livez and /readyz")
        if method != b"GET":
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        return self._told(target)

    def _told(self, path: bytes) -> Answer:
        if path == b"/metrics":
            return Answer(
                status=HTTPStatus.OK, body=self._metrics.exposition(), content_type=METRICS_CONTENT_TYPE
            )
        reason = self._live() if path == b"/livez" else self._ready()
        return _plain(HTTPStatus.OK) if reason is None else _plain(HTTPStatus.SERVICE_UNAVAILABLE, reason)


async def _goodbye(reader: asyncio.StreamReader) -> None:
    """Let the other side close first: with its bytes unread, closing would reset what it has yet to read."""
    left = GOODBYE_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            while left > 0 and (chunk := await reader.read(left)):
                left -= len(chunk)
