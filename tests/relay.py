"""A way to the broker that opens when a test says so, also out of another network namespace."""

import asyncio
import ctypes
import os
import socket
import threading
from pathlib import Path

from tests.camera.thread import LoopThread

_CHUNK_BYTES = 1 << 16
_CLONE_NEWNET = 0x40000000


class Relay(LoopThread):
    """Passes what connects to `listener` on to a port of 127.0.0.1, both ways, inside its `with`."""

    def __init__(self, listener: socket.socket, target: int) -> None:
        super().__init__("relay")
        self._listener = listener
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self) -> None:
        """Accept."""
        self._server = await asyncio.start_server(self._accept, sock=self._listener)

    async def end(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, there_writer}
        pumps = [
            asyncio.create_task(_pump(*pair)) for pair in ((reader, there_writer), (there_reader, writer))
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for half in (writer, there_writer):
            half.transport.abort()
        await asyncio.gather(*pumps)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass


def bound(address: tuple[str, int], *, kind: socket.SocketKind, inside: int | None = None) -> socket.socket:
    """A socket on an address; of the network that the process `inside` has, where that is another one."""
    made: list[socket.socket] = []

    def make() -> None:
        if inside is not None:
            handle = os.open(Path(f"/proc/{inside}/ns/net"), os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            finally:
                os.close(handle)
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        made.append(sock)

    # A thread enters a namespace alone, and this one does nothing else.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]
