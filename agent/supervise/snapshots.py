"""Pictures on request: a question to a capture process, and its one answer."""

import asyncio
import itertools
from collections.abc import Callable

from agent.errors import Cause, SourceError
from agent.ipc.message import Message
from agent.ipc.messages import SnapshotTaken, TakeSnapshot

LIMIT_S = 10.0


class Snapshots:
    """Asks for snapshots, and waits for them."""

    def __init__(self, post: Callable[[str, Message], None]) -> None:
        self._post = post
        self._requests = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[SnapshotTaken]]] = {}

    async def take(self, stream: str, *, quality: int, max_width: int) -> SnapshotTaken:
        """The newest frame of a stream as JPEG. Raises SourceError when there is none in time."""
        request = next(self._requests)
        future: asyncio.Future[SnapshotTaken] = asyncio.get_running_loop().create_future()
        self._waiting[request] = (stream, future)
        self._post(f"capture/{stream}", TakeSnapshot(request, quality, max_width))
        try:
            taken = await asyncio.wait_for(future, LIMIT_S)
        except TimeoutError as err:
            raise SourceError(Cause.TIMEOUT, f"stream {stream!r} gave no picture in {LIMIT_S:g} s") from err
        finally:
            del self._waiting[request]
        if taken.error:
            raise SourceError(Cause.TIMEOUT, taken.error)
        return taken

    def taken(self, answer: SnapshotTaken) -> None:
        """A capture process answers."""
        _, future = self._waiting.get(answer.request, ("", None))
        if future is not None and not future.done():
            future.set_result(answer)

    def stream_gone(self, stream: str) -> None:
        """The capture process is gone: nobody answers any more."""
        for asked, future in self._waiting.values():
            if asked == stream and not future.done():
                future.set_exception(SourceError(Cause.ENDED, f"stream {stream!r} ended meanwhile"))
