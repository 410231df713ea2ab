"""One client of the RTSP camera: its requests (RFC 2326), and the pictures that it is sent."""

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.camera.media import Unit
from tests.camera.rtp import PAYLOADS, RtpStream

if TYPE_CHECKING:
    from tests.camera.rtsp import RtspCamera

MAX_BACKLOG_BYTES = 32 << 20  # a client that reads so slowly is hung up on
REPORT_S = 5.0
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Stream Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    461: "Unsupported Transport",
}
PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
TRACK = "track1"
_CLIENT_PORTS = re.compile(r"client_port=(\d+)-(\d+)")
_CHANNELS = re.compile(r"interleaved=(\d+)-(\d+)")

Send = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One RTSP request; header names in lower case."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One RTSP reply, to be written with the request's CSeq."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Connection:
    """Reads requests until the client goes; it is the viewer of the broadcast, too."""

    def __init__(
        self, camera: "RtspCamera", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._camera = camera
        self._reader = reader
        self._writer = writer
        self._nonce = secrets.token_hex(16)
        self._session = secrets.token_hex(8)
        self._payloads = PAYLOADS[camera.broadcast.media.codec]
        self._rtp = RtpStream(
            kind=camera.broadcast.media.payload_type,
            source=secrets.randbits(32),
            sequence=secrets.randbits(16),
            origin=secrets.randbits(32),
        )
        self._send_rtp: Send | None = None
        self._send_rtcp: Send | None = None
        self._datagrams: list[UdpSender] = []
        self._reported_s = float("-inf")

    async def serve(self) -> None:
        """Answer requests until the client goes, or is silent for longer than a session lasts."""
        while True:
            async with asyncio.timeout(self._camera.session_timeout_s):
                request = await self._read()
            if request is None:
                return
            self._camera.requests[request.method] += 1
            if request.method in self._camera.cutting:
                return
            if request.method in self._camera.hanging:
                continue
            self._write(request, await self._answer(request))
            if request.method == "PLAY" and self._send_rtp is not None:
                self._camera.broadcast.add(self)
            elif request.method == "TEARDOWN":
                self._camera.broadcast.remove(self)
                await self._writer.drain()
                return

    def abort(self) -> None:
        """Close now, whatever is on its way."""
        self._camera.broadcast.remove(self)
        for sender in self._datagrams:
            sender.close()
        self._writer.transport.abort()

    # --- pictures: the Viewer of the broadcast ---

    def show(self, unit: Unit, timestamp: int) -> None:
        """Send a picture; a client that does not read is hung up on."""
        if self._send_rtp is None or self._send_rtcp is None:
            return
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self.abort()
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._reported_s > REPORT_S:
            self._reported_s = now_s
            self._send_rtcp(self._rtp.sender_report(timestamp))
        payloads = list(self._payloads(unit.parts))
        for index, payload in enumerate(payloads):
            self._send_rtp(self._rtp.packet(payload, timestamp, last=index == len(payloads) - 1))

    def finish(self) -> None:
        """Say good-bye and close when everything is sent."""
        if self._send_rtcp is not None:
            self._send_rtcp(self._rtp.goodbye())
        self._writer.close()

    # --- requests ---

    async def _read(self) -> Request | None:
        """The next request; None at the end. What a client sends in between (RTCP) is passed over."""
        while True:
            first = await self._reader.read(1)
            if not first:
                return None
            if first == b"$":
                length = int.from_bytes((await self._reader.readexactly(3))[1:], "big")
                await self._reader.readexactly(length)
                continue
            head = first + await self._reader.readuntil(b"\r\n\r\n")
            start, *lines = head.decode("utf-8", "replace").strip().split("\r\n")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
            }
            await self._reader.readexactly(int(headers.get("content-length", 0)))
            method, url, _ = [*start.split(" "), "", ""][:3]
            return Request(method=method, url=url, headers=headers)

    def _write(self, request: Request, reply: Reply) -> None:
        lines = [
            f"RTSP/1.0 {reply.status} {REASONS[reply.status]}",
            f"CSeq: {request.headers.get('cseq', '0')}",
        ]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        if reply.body:
            lines.append(f"Content-Length: {len(reply.body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)

    async def _answer(self, request: Request) -> Reply:  # noqa: PLR0911 - one for each reason
        if request.method == "OPTIONS":
            return Reply(headers=(("Public", PUBLIC),))
        account = self._camera.account
        if account is not None and not account.allows(
            request.headers.get("authorization", ""), request.method, self._nonce
        ):
            return Reply(status=401, headers=(("WWW-Authenticate", account.challenge(self._nonce)),))
        path = urlsplit(request.url).path.rstrip("/")
        if path not in {self._camera.path, f"{self._camera.path}/{TRACK}"}:
            return Reply(status=404)
        if request.method == "DESCRIBE":
            return self._describe()
        if request.method == "SETUP":
            return await self._set_up(request.headers.get("transport", ""))
        if request.method not in PUBLIC.split(", "):
            return Reply(status=405)
        if self._session not in request.headers.get("session", ""):
            return Reply(status=454)
        if request.method == "PAUSE":
            self._camera.broadcast.remove(self)
        headers = [("Session", self._session)]
        if request.method == "PLAY":
            headers.append(("Range", "npt=now-"))
        return Reply(headers=tuple(headers))

    def _describe(self) -> Reply:
        media = self._camera.broadcast.media
        lines = [
            "v=0",
            f"o=- 0 0 IN IP4 {self._camera.host}",
            "s=test camera",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            "a=control:*",
            f"m=video 0 RTP/AVP {media.payload_type}",
            *media.sdp_lines(),
            f"a=control:{TRACK}",
        ]
        headers = (("Content-Base", f"{self._camera.bare_url}/"), ("Content-Type", "application/sdp"))
        return Reply(headers=headers, body=("\r\n".join(lines) + "\r\n").encode())

    async def _set_up(self, wanted: str) -> Reply:
        ports, channels = _CLIENT_PORTS.search(wanted), _CHANNELS.search(wanted)
        if "RTP/AVP/TCP" in wanted:
            rtp, rtcp = (int(channels[1]), int(channels[2])) if channels else (0, 1)
            self._send_rtp, self._send_rtcp = self._interleaved(rtp), self._interleaved(rtcp)
            agreed = f"RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"
        elif ports and "multicast" not in wanted:
            client = self._writer.get_extra_info("peername")[0]
            near = await self._open_datagrams(client, int(ports[1]), int(ports[2]))
            agreed = f"RTP/AVP;unicast;{ports[0]};server_port={near}-{near + 1}"
        else:
            return Reply(status=461)
        session = f"{self._session};timeout={self._camera.session_timeout_s:.0f}"
        return Reply(headers=(("Transport", f"{agreed};ssrc={self._rtp.source:08X}"), ("Session", session)))

    def _interleaved(self, channel: int) -> Send:
        def send(packet: bytes) -> None:
            if not self._writer.is_closing():
                self._writer.write(b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet)

        return send

    async def _open_datagrams(self, client: str, rtp: int, rtcp: int) -> int:
        near, far = _even_pair(self._camera.host)
        for sock, port in ((near, rtp), (far, rtcp)):
            sock.connect((client, port))
            sender = UdpSender(sock)
            self._datagrams.append(sender)
        self._send_rtp, self._send_rtcp = self._datagrams[0].send, self._datagrams[1].send
        first: int = near.getsockname()[1]
        return first


class UdpSender:
    """Sends datagrams in order, in small bursts so that a receiver's socket buffer does not overflow."""

    BURST = 12
    PAUSE_S = 0.001

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def send(self, packet: bytes) -> None:
        """Send soon."""
        self._queue.put_nowait(packet)

    def close(self) -> None:
        """Send no more."""
        self._task.cancel()
        self._socket.close()

    async def _run(self) -> None:
        while True:
            for _ in range(self.BURST):
                # Refused: the client's socket is gone, it will hang up soon. Would block: datagrams get lost.
                packet = await self._queue.get()
                with contextlib.suppress(ConnectionRefusedError, BlockingIOError):
                    self._socket.send(packet)
            await asyncio.sleep(self.PAUSE_S)


def _even_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on neighbouring ports, as RTP wants them, the lower one even."""
    while True:
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.setblocking(False)  # noqa: FBT003 - the socket's own interface
        second.setblocking(False)  # noqa: FBT003
        first.bind((host, 0))
        port = first.getsockname()[1]
        if port % 2 == 0:
            with contextlib.suppress(OSError):
                second.bind((host, port + 1))
                return first, second
        first.close()
        second.close()
