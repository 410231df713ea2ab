"""An asyncio server in a thread of its own, steered from a test that knows nothing of asyncio."""

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

CONTROL_S = 10.0


class LoopThread:
    """Runs an event loop inside its `with`; `serve` and `end` say what happens in it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.do(self.serve())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.do(self._wind_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CONTROL_S)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CONTROL_S)

    @abstractmethod
    async def serve(self) -> None:
        """Start serving; returns when connections are accepted."""

    @abstractmethod
    async def end(self) -> None:
        """Close the listener and every connection."""

    async def _wind_up(self) -> None:
        await self.end()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close in the loop's next turn
        await self._loop.shutdown_asyncgens()
