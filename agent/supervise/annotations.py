"""Pictures with results drawn on them: each by a short-lived process, for drawing is foreign code."""

import asyncio
from collections.abc import Mapping

from agent.errors import Cause, KindError, SourceError
from agent.ipc.recording import Annotated
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.catalog import Catalog, ask
from agent.supervise.specs import painter_args
from agent.worker.args import AnnotateArgs, PainterArgs

_AT_ONCE = 2  # processes
_LIMIT_S = 10.0


class Annotations:
    """Draws the newest results of a stream's algorithms on its pictures."""

    def __init__(self, algorithms: Mapping[str, AlgorithmRun], catalog: Catalog) -> None:
        self._algorithms = algorithms
        self._catalog = catalog
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def draw(self, stream: str, jpeg: bytes, quality: int) -> tuple[bytes, tuple[str, ...]]:
        """The picture with the results, and whose these are; as it is where there are none.

        Raises SourceError when the process that draws fails, or takes too long.
        """
        found = self._found(stream)
        if not found:
            return jpeg, ()
        args = AnnotateArgs(jpeg=jpeg, quality=quality, results=tuple(found))
        async with self._room:
            try:
                async with asyncio.timeout(_LIMIT_S):
                    heard, reason = await ask("agent.worker.annotate:main", (args,))
            except TimeoutError as err:
                raise SourceError(
                    Cause.TIMEOUT, f"drawing on stream {stream!r} took longer than {_LIMIT_S:g} s"
                ) from err
        for message in heard:
            if isinstance(message, Annotated):
                return message.jpeg, tuple(painter.algorithm for painter, _, _ in found)
        raise SourceError(Cause.TIMEOUT, f"nothing could be drawn on stream {stream!r}: the process {reason}")

    def _found(self, stream: str) -> list[tuple[PainterArgs, bytes, bytes]]:
        found = []
        for run in self._algorithms.values():
            newest = run.newest.get(stream)
            if newest is None:
                continue
            try:
                kind = self._catalog.find(run.config.kind)
            except KindError:  # it went since
                continue
            found.append((painter_args(run.config, kind), newest.data, b"" if newest.data else newest.json))
        return found
