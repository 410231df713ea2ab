"""Pictures for people who look: at a low rate, as long as somebody has a lease; nothing at all without."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent import log
from agent.errors import CommandError, SourceError
from agent.ipc.messages import SnapshotTaken
from agent.supervise.snapshots import Snapshots
from agent.supervise.streams import StreamRun

_log = log.get_logger("previews")

MAX_VIEWERS = 32  # of one stream
MAX_STREAMS = 64
_RETRY_S = 1.0  # while there is no picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one viewer wants, and until when (monotonic seconds)."""

    fps: float
    max_width: int
    quality: int
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What all viewers of a stream together want."""

    viewers: int = 0
    fps: float = 0.0
    max_width: int = 0
    quality: int = 0


class Previews:
    """Leases by stream and viewer; a task for each stream that somebody looks at."""

    def __init__(
        self,
        snapshots: Snapshots,
        streams: Mapping[str, StreamRun],
        publish: Callable[[str, SnapshotTaken], None],
    ) -> None:
        self._snapshots = snapshots
        self._streams = streams
        self._publish = publish
        self._leases: dict[str, dict[str, Lease]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Nobody gets pictures any more."""
        self._leases.clear()
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, stream: str, viewer: str, lease: Lease) -> Wish:
        """Begin, or go on; what all want then. Raises CommandError 429."""
        leases = self._live(stream)
        if viewer not in leases and len(leases) >= MAX_VIEWERS:
            raise CommandError(429, f"stream {stream!r} has {MAX_VIEWERS} viewers already")
        if stream not in self._tasks and len(self._tasks) >= MAX_STREAMS:
            raise CommandError(429, f"{MAX_STREAMS} streams are being looked at already")
        self._leases.setdefault(stream, {})[viewer] = lease
        if stream not in self._tasks:
            self._tasks[stream] = asyncio.create_task(self._show(stream))
        return self.wish(stream)

    def stop(self, stream: str, viewer: str) -> Wish:
        """Take a viewer's lease away; what the others want then."""
        self._leases.get(stream, {}).pop(viewer, None)
        return self.wish(stream)

    def wish(self, stream: str) -> Wish:
        """What all viewers together want now."""
        leases = self._live(stream).values()
        if not leases or stream not in self._streams:
            return Wish()
        return Wish(
            viewers=len(leases),
            fps=max(lease.fps for lease in leases),
            max_width=max(lease.max_width for lease in leases),
            quality=max(lease.quality for lease in leases),
        )

    def _live(self, stream: str) -> dict[str, Lease]:
        """The leases of a stream that are not over; those that are, go."""
        now_s = time.monotonic()
        leases = {
            viewer: lease for viewer, lease in self._leases.get(stream, {}).items() if lease.until_s > now_s
        }
        if leases:
            self._leases[stream] = leases
        else:
            self._leases.pop(stream, None)
        return leases

    async def _show(self, stream: str) -> None:
        """One picture after the other; never two on their way."""
        shown = (-1, -1)  # generation and number of the newest frame that was published
        try:
            while (wish := self.wish(stream)).viewers:
                began_s = time.monotonic()
                wait_s = 1.0 / wish.fps
                run = self._streams.get(stream)
                if run is None or not run.live:
                    wait_s = max(wait_s, _RETRY_S)
                else:
                    shown = await self._picture(stream, wish, run.generation, shown)
                await asyncio.sleep(max(0.0, began_s + wait_s - time.monotonic()))
        finally:
            self._tasks.pop(stream, None)

    async def _picture(
        self, stream: str, wish: Wish, generation: int, shown: tuple[int, int]
    ) -> tuple[int, int]:
        try:
            taken = await self._snapshots.take(stream, quality=wish.quality, max_width=wish.max_width)
        except SourceError as err:
            _log.debug("preview.none", stream=stream, error=str(err))
            return shown
        if (generation, taken.frame) != shown:
            self._publish(stream, taken)
        return generation, taken.frame
