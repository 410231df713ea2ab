"""An RTSP camera that plays a file in real time without transcoding, with faults on demand."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from tests.camera.auth import Account, AuthScheme
from tests.camera.broadcast import Broadcast
from tests.camera.connection import Connection
from tests.camera.media import load
from tests.camera.thread import LoopThread


class RtspCamera(LoopThread):
    """Serves `file` at `url` inside its `with`: over TCP (interleaved) and UDP, to any number of clients.

    `file` is H.264, HEVC or MJPEG in any container, beginning with a key frame; it is played over and
    over with timestamps that run through, or once with `loop=False` (then from the first client on, and
    the connection closes at its end). With `user` the camera wants Basic or Digest authentication.
    `session_timeout_s` is promised to clients and kept: who asks nothing for so long is hung up on.
    All methods are called from outside the camera's thread and have had their effect on return.
    """

    def __init__(  # noqa: PLR0913 - properties of the camera
        self,
        file: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/stream",
        user: str | None = None,
        password: str = "",
        auth: AuthScheme = "digest",
        loop: bool = True,
        group_first: bool = True,
        session_timeout_s: float = 60.0,
    ) -> None:
        super().__init__("rtsp-camera")
        self.host = host
        self.port = port
        self.path = path
        self.account = Account(user=user, password=password, scheme=auth) if user is not None else None
        self.session_timeout_s = session_timeout_s
        self.requests: Counter[str] = Counter()
        """How often each RTSP method was called."""
        self.hanging: frozenset[str] = frozenset()
        self.cutting: frozenset[str] = frozenset()
        self.broadcast = Broadcast(load(file), loop=loop, group_first=group_first)
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._playing: asyncio.Task[None] | None = None

    # --- what a test asks ---

    @property
    def url(self) -> str:
        """Where to watch, with user and password when they are needed."""
        if self.account is None:
            return self.bare_url
        return self.url_as(self.account.user, self.account.password)

    @property
    def bare_url(self) -> str:
        """Where to watch, without user and password."""
        return f"rtsp://{self.host}:{self.port}{self.path}"

    def url_as(self, user: str, password: str) -> str:
        """Where to watch, as somebody."""
        return self.bare_url.replace("//", f"//{quote(user, safe='')}:{quote(password, safe='')}@", 1)

    @property
    def clients(self) -> int:
        """How many clients are being sent pictures."""
        return self.broadcast.viewers

    @property
    def connections(self) -> int:
        """How many connections are open, whatever they do."""
        return len(self._connections)

    @property
    def sent(self) -> int:
        """How many pictures were sent, over all clients."""
        return self.broadcast.sent

    @property
    def played(self) -> int:
        """How many pictures the camera's clock has passed, sent or not."""
        return self.broadcast.played

    # --- what a test has go wrong ---

    def stall(self) -> None:
        """Keep every connection and send no picture; time goes on."""
        self.do(self._stall(on=True))

    def resume(self) -> None:
        """Send pictures again, to each client from the next key frame on."""
        self.do(self._stall(on=False))

    def hang_up(self) -> None:
        """Close every connection at once; new ones are welcome."""
        self.do(self._hang_up())

    def offline(self) -> None:
        """Refuse connections, and close those there are."""
        self.do(self.close_listener())

    def online(self) -> None:
        """Listen again, on the same port."""
        self.do(self._listen())

    def hang_describe(self, on: bool) -> None:  # noqa: FBT001 - reads well at the call
        """Give no answer to DESCRIBE."""
        self.hang_on(*(["DESCRIBE"] if on else []))

    def hang_on(self, *methods: str) -> None:
        """Give no answer to these RTSP methods from now on; to all others again."""
        self.do(self._set(hanging=frozenset(methods), cutting=self.cutting))

    def cut_on(self, *methods: str) -> None:
        """Hang up on whoever calls one of these RTSP methods."""
        self.do(self._set(hanging=self.hanging, cutting=frozenset(methods)))

    def corrupt(self, pictures: int) -> None:
        """Send noise instead of the content of the next pictures."""
        self.do(self._corrupt(pictures))

    # --- inside the loop ---

    async def serve(self) -> None:
        """Start the clock and listen."""
        await self._listen()
        self._playing = asyncio.create_task(self.broadcast.play())

    async def end(self) -> None:
        """Close everything."""
        await self.close_listener()

    async def close_listener(self) -> None:
        """Listen no more, and close all connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._hang_up()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                await connection.serve()
        finally:
            connection.abort()
            del self._connections[task]

    async def _hang_up(self) -> None:
        tasks = list(self._connections)
        for connection in self._connections.values():
            connection.abort()
        if tasks:
            await asyncio.wait(tasks)

    async def _stall(self, *, on: bool) -> None:
        self.broadcast.stalled = on

    async def _corrupt(self, pictures: int) -> None:
        self.broadcast.to_corrupt = pictures

    async def _set(self, *, hanging: frozenset[str], cutting: frozenset[str]) -> None:
        self.hanging, self.cutting = hanging, cutting
