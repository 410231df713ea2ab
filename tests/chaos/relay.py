"""Between the agent and the broker: connections can be cut here, in the middle of anything."""

import asyncio
from collections.abc import Callable

from tests.camera.thread import LoopThread

_CHUNK_BYTES = 1 << 16


class Relay(LoopThread):
    """Listens on `host` and passes everything on to a port of 127.0.0.1, both ways.

    It adds nothing to what is promised: what the broker acknowledges, it acknowledges itself.
    """

    def __init__(self, host: str, target: Callable[[], int]) -> None:
        super().__init__("relay")
        self.host = host
        self.port = 0
        self.answered = 0
        """Connections on which the broker has said something, since the beginning."""
        self._target = target
        self._listener: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    @property
    def url(self) -> str:
        """Where the agent connects."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Open at the moment."""
        return len(self._open)

    def cut(self) -> None:
        """Reset every connection."""
        self.do(self._cut())

    # --- inside the loop ---

    async def serve(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def end(self) -> None:
        """Listen no more, and close everything."""
        if self._listener is not None:
            self._listener.close()
        await self._cut()

    async def _cut(self) -> None:
        tasks = list(self._open)
        for writers in self._open.values():
            for writer in writers:
                writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = [writer]
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target())
            self._open[task].append(there_writer)
            pumps = [
                asyncio.create_task(_pump(reader, there_writer)),
                asyncio.create_task(self._answers(there_reader, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the broker is away
        finally:
            for half in self._open.pop(task):
                half.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(_CHUNK_BYTES)
        self.answered += bool(first)
        writer.write(first)
        await _pump(reader, writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
