"""Many cameras that cost little: `python -m benchmarks.crowd CLIP CAMERAS`, which prints a URL for each.

A camera of the tests makes RTP packets of each picture anew for each who watches; a hundred would need more
cores than the agent that is measured. Here they are made once, and the same bytes go to all. The cameras
play the clip at up to ten phases, so that their key frames do not all come at the same time.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from benchmarks.video import FPS
from tests.camera.connection import Connection
from tests.camera.media import Unit
from tests.camera.rtp import PAYLOADS, RtpStream
from tests.camera.rtsp import RtspCamera

PHASES = 10
PHASE_S = 5.2 / FPS  # between two phases: over ten of them about a group of pictures of 2 s
_CHANNEL = 0  # of RTP, interleaved; what FFmpeg asks for first


class SharedCamera(RtspCamera):
    """An RTSP camera for clients over TCP, all of which get the same packets."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, group_first=False)
        self._rtp = RtpStream(kind=self.broadcast.media.payload_type, source=1, sequence=0, origin=0)
        self._packed: tuple[int, bytes] = (-1, b"")

    def packed(self, unit: Unit, timestamp: int) -> bytes:
        """All that goes over the line for one picture."""
        if self._packed[0] != timestamp:
            payloads = list(PAYLOADS[self.broadcast.media.codec](unit.parts))
            last = len(payloads) - 1
            packets = [
                self._rtp.packet(payload, timestamp, last=i == last) for i, payload in enumerate(payloads)
            ]
            framed = [
                b"$" + bytes([_CHANNEL]) + len(packet).to_bytes(2, "big") + packet for packet in packets
            ]
            self._packed = (timestamp, b"".join(framed))
        return self._packed[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = SharedConnection(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                await connection.serve()
        finally:
            connection.abort()
            del self._connections[task]


class SharedConnection(Connection):
    """A client of such a camera."""

    def __init__(
        self, camera: SharedCamera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(camera, reader, writer)
        self._shared = camera
        self._line = writer

    def show(self, unit: Unit, timestamp: int) -> None:
        """Send a picture."""
        if not self._line.is_closing():
            self._line.write(self._shared.packed(unit, timestamp))


def main() -> int:
    """Play until told to end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description="Play many cameras.")
    parser.add_argument("file", type=Path)
    parser.add_argument("cameras", type=int)
    options = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before the cameras' threads, which inherit it
    with contextlib.ExitStack() as stack:
        cameras = []
        for _ in range(min(PHASES, options.cameras)):
            cameras.append(stack.enter_context(SharedCamera(options.file)))
            time.sleep(PHASE_S)
        for number in range(options.cameras):
            print(cameras[number % len(cameras)].bare_url, flush=True)
        signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
