"""An HTTP server for video: files of a folder (with ranges), and a live MJPEG stream, with faults."""

import asyncio
import contextlib
import mimetypes
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tests.camera.auth import Account
from tests.camera.broadcast import Broadcast
from tests.camera.media import Unit, load
from tests.camera.thread import LoopThread

BOUNDARY = "picture"
MAX_BACKLOG_BYTES = 32 << 20
CHUNK_BYTES = 1 << 16
REASONS = {
    200: "OK",
    206: "Partial Content",
    401: "Unauthorized",
    404: "Not Found",
    416: "Range Not Satisfiable",
}
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".mkv": "video/x-matroska"}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class HttpCamera(LoopThread):
    """Serves the files of `folder` at `url(name)`, and `mjpeg` (a file of MJPEG) live at `mjpeg_url`.

    The stream is `multipart/x-mixed-replace`, in real time, over and over. With `user`, Basic
    authentication is wanted. Methods are called from outside its thread.
    """

    def __init__(
        self, folder: Path, *, mjpeg: Path | None = None, user: str | None = None, password: str = ""
    ) -> None:
        super().__init__("http-camera")
        self.port = 0
        self.requests: list[str] = []
        """Method and path of each request."""
        self._folder = folder.resolve()
        self._account = Account(user=user, password=password, scheme="basic") if user is not None else None
        self._broadcast = Broadcast(load(mjpeg), loop=True, group_first=True) if mjpeg is not None else None
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._playing: asyncio.Task[None] | None = None

    def url(self, name: str) -> str:
        """Of a file in the folder, with user and password when they are needed."""
        who = ""
        if self._account is not None:
            who = f"{quote(self._account.user, safe='')}:{quote(self._account.password, safe='')}@"
        return f"http://{who}127.0.0.1:{self.port}/{quote(name)}"

    @property
    def mjpeg_url(self) -> str:
        """Of the live stream."""
        return self.url("mjpeg")

    @property
    def clients(self) -> int:
        """How many watch the live stream."""
        return self._broadcast.viewers if self._broadcast is not None else 0

    def stall(self) -> None:
        """Keep every connection and send no picture."""
        self.do(self._stall(on=True))

    def resume(self) -> None:
        """Send pictures again."""
        self.do(self._stall(on=False))

    def hang_up(self) -> None:
        """Close every connection at once; new ones are welcome."""
        self.do(self._hang_up())

    def offline(self) -> None:
        """Refuse connections, and close those there are."""
        self.do(self.end())

    def online(self) -> None:
        """Listen again, on the same port."""
        self.do(self._listen())

    # --- inside the loop ---

    async def serve(self) -> None:
        """Start the clock and listen."""
        await self._listen()
        if self._broadcast is not None:
            self._playing = asyncio.create_task(self._broadcast.play())

    async def end(self) -> None:
        """Close everything."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._hang_up()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        tasks = list(self._connections)
        for writer in self._connections.values():
            writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks)

    async def _stall(self, *, on: bool) -> None:
        assert self._broadcast is not None
        self._broadcast.stalled = on

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    await writer.drain()
        finally:
            writer.transport.abort()
            del self._connections[task]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in head.split("\r\n"))
        }
        path = unquote(urlsplit(target).path)
        self.requests.append(f"{method} {path}")
        if self._account is not None and not self._account.allows(
            headers.get("authorization", ""), method, ""
        ):
            self._head(writer, 401, {"WWW-Authenticate": self._account.challenge(""), "Content-Length": "0"})
            return True
        if path == "/mjpeg" and self._broadcast is not None:
            self._head(writer, 200, {"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
            await self._live(self._broadcast, reader, writer)
            return False
        content = self._content(path)
        if content is None:
            self._head(writer, 404, {"Content-Length": "0"})
            return True
        wanted = _RANGE.fullmatch(headers.get("range", ""))
        await self._file(writer, path, content, wanted, body=method != "HEAD")
        return True

    def _content(self, path: str) -> bytes | None:
        """Of a file in the folder, not above it; the files of tests are small enough to be read at once."""
        file = (self._folder / path.lstrip("/")).resolve()
        return file.read_bytes() if file.is_relative_to(self._folder) and file.is_file() else None

    async def _live(
        self, broadcast: Broadcast, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        viewer = MultipartViewer(writer)
        broadcast.add(viewer)
        try:
            await reader.read()  # nothing more is asked: this is the client's end of the connection
        finally:
            broadcast.remove(viewer)

    async def _file(
        self,
        writer: asyncio.StreamWriter,
        path: str,
        content: bytes,
        wanted: re.Match[str] | None,
        *,
        body: bool,
    ) -> None:
        size = len(content)
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2]), size - 1) if wanted and wanted[2] else size - 1
        kind = TYPES.get(path[path.rfind(".") :]) or mimetypes.guess_type(path)[0]
        if first >= size:
            self._head(writer, 416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        headers = {
            "Content-Type": kind or "application/octet-stream",
            "Accept-Ranges": "bytes",
            "Content-Length": str(last - first + 1),
        }
        if wanted:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._head(writer, 206 if wanted else 200, headers)
        if body:
            rest = content[first : last + 1]
            for at in range(0, len(rest), CHUNK_BYTES):
                writer.write(rest[at : at + CHUNK_BYTES])
                await writer.drain()

    def _head(self, writer: asyncio.StreamWriter, status: int, headers: dict[str, str]) -> None:
        lines = [
            f"HTTP/1.1 {status} {REASONS[status]}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())


class MultipartViewer:
    """Sends each picture as a part of a message that never ends."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def show(self, unit: Unit, timestamp: int) -> None:  # noqa: ARG002 - MJPEG over HTTP has no time
        """Send a picture; a client that does not read is hung up on."""
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self._writer.transport.abort()
        image = unit.parts[0]
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
        self._writer.write(head.encode() + image + b"\r\n")

    def finish(self) -> None:
        """Close when everything is sent."""
        self._writer.close()
