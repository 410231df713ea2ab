"""Which kinds are installed: looked up in a child process, since looking means importing foreign code."""

import asyncio
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent import log
from agent.errors import KindError
from agent.ipc.inspecting import Inspected, Inspecting, KindFailed, KindFound
from agent.ipc.message import Message
from agent.supervise.child import Child

_log = log.get_logger("catalog")

LOAD_LIMIT_S = 60.0  # for one file or entry point; some import large frameworks


class Catalog:
    """The installed kinds, and what is wrong with those that cannot be loaded."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kinds: dict[str, KindFound] = {}
        self._failed: dict[str, str] = {}

    @property
    def kinds(self) -> Mapping[str, KindFound]:
        """By name."""
        return self._kinds

    @property
    def failed(self) -> Mapping[str, str]:
        """Files and entry points that give no kind: origin to error."""
        return self._failed

    def find(self, kind: str) -> KindFound:
        """An installed kind. Raises KindError, naming the nearest and the files that failed."""
        found = self._kinds.get(kind)
        if found is not None:
            return found
        near = difflib.get_close_matches(kind, self._kinds, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; installed are {', '.join(sorted(self._kinds))}"
        broken = "".join(f"; {origin} cannot be loaded: {why}" for origin, why in self._failed.items())
        raise KindError(f"no algorithm kind {kind!r}{hint}{broken}")

    async def refresh(self) -> None:
        """Look again. A file that kills or hangs the process is left out, and named."""
        kinds: dict[str, KindFound] = {}
        failed: dict[str, str] = {}
        while True:
            culprit, why = await self._inspect(kinds, failed)
            if culprit is None:
                break
            failed[culprit] = why
        for origin, error in failed.items():
            _log.warning("kind.failed", origin=origin, error=error)
        self._kinds, self._failed = kinds, failed

    async def check(self, kind: str, params: Mapping[str, Any]) -> None:
        """Raises KindError when there is no such kind, or it does not take these parameters."""
        found = self.find(kind)
        main, args = "agent.worker.inspection:check_params", (found.origin, kind, dict(params))
        heard, reason = await ask(main, args)
        for message in heard:
            if isinstance(message, Inspected):
                if message.problems:
                    raise KindError("; ".join(message.problems))
                return
        raise KindError(f"kind {kind!r} cannot be loaded: its process {reason}")

    async def _inspect(self, kinds: dict[str, KindFound], failed: dict[str, str]) -> tuple[str | None, str]:
        at: str | None = None

        def heard(message: Message) -> None:
            nonlocal at
            match message:
                case Inspecting(origin):
                    at = origin
                case KindFound():
                    other = kinds.setdefault(message.kind, message)
                    if other is not message and other.origin != message.origin:
                        failed[message.origin] = f"{message.kind!r} is offered by {other.origin} already"
                case KindFailed(origin, error):
                    failed[origin] = error
                case Inspected():
                    at = None

        skip = frozenset(failed) | {found.origin for found in kinds.values()}
        reason = await _converse("agent.worker.inspection:inspect_kinds", (self._folder, skip), heard)
        return at, f"its process {reason}"


async def ask(main: str, args: tuple[object, ...]) -> tuple[list[Message], str]:
    """What a child says until its end, and the reason for that."""
    heard: list[Message] = []
    return heard, await _converse(main, args, heard.append)


async def _converse(main: str, args: tuple[object, ...], on_message: Callable[[Message], None]) -> str:
    """Run a child to its end, which comes by force when it says nothing for LOAD_LIMIT_S; its reason."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[str] = loop.create_future()
    limit: asyncio.TimerHandle

    def hear(message: Message) -> None:
        nonlocal limit
        limit.cancel()
        limit = loop.call_later(LOAD_LIMIT_S, child.kill)
        on_message(message)

    child = Child(main, args, on_message=hear, on_exit=over.set_result)
    limit = loop.call_later(LOAD_LIMIT_S, child.kill)
    try:
        return await asyncio.shield(over)
    finally:
        limit.cancel()
        if not over.done():
            child.kill()
            await over
