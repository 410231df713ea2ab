"""Keeps windows that workers died of, so that their authors can run them again: see `vedette replay`."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent import log
from agent.ipc.message import Message
from agent.ipc.messages import Kept, Run
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.child import Child
from agent.supervise.dispatch import Dispatcher, Window
from agent.worker.args import KeepArgs

_log = log.get_logger("keeper")

KEEP_MAIN = "agent.worker.keep:main"
PER_ALGORITHM = 5  # the newest
MAX_BYTES = 512 << 20  # of all windows together; the oldest go first
_FREE_SHARE = 4  # at most a quarter of what the disk has left
_LIMIT_S = 30.0  # to write one window to a slow card


@dataclass(slots=True)
class _Work:
    run: AlgorithmRun
    window: Window
    path: Path
    child: Child | None = None
    limit: asyncio.TimerHandle | None = None


class Keeper:
    """Has windows written to `folder`, one at a time, by a process of their own; the agent sees no pixel.

    Without a folder nothing is kept.

    The frames stay where they are until they are written: their algorithm has one window less meanwhile.
    """

    def __init__(
        self, folder: Path | None, dispatcher: Dispatcher, log_settings: Callable[[], tuple[str, log.Style]]
    ) -> None:
        self._folder = folder
        self._dispatcher = dispatcher
        self._log_settings = log_settings
        self._work: _Work | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def close(self) -> None:
        """End what is under way."""
        if self._work is not None and self._work.child is not None:
            self._work.child.kill()
            await self._idle.wait()

    def keep(self, run: AlgorithmRun, window: Window, reason: str) -> None:
        """Write the window that a worker of `run` has just died of; `reason` without secrets."""
        if self._folder is None:
            self._dispatcher.let_go(window)
            return
        try:
            path = self._place(self._folder, run, window)
        except OSError as err:
            self._give_up(window, f"{self._folder} cannot be used: {err.strerror}")
            return
        if path is None:
            return
        work = self._work = _Work(run, window, path)
        self._idle.clear()
        newest = window.frames[-1]
        args = KeepArgs(
            path=path,
            facts={
                "algorithm": run.config.id,
                "kind": run.config.kind,
                "version": run.version,
                "params": run.config.params,
                "stream": window.pair.stream,
                "reason": reason,
                "time": newest.wall_us,
            },
        )
        child = work.child = Child(
            KEEP_MAIN, (args, self._log_settings()), on_message=self._heard, on_exit=self._gone
        )
        for message, fds in self._dispatcher.lends(window):
            child.post(message, fds)
        child.post(Run(window.ticket, window.pair.stream, window.frames))
        work.limit = asyncio.get_running_loop().call_later(_LIMIT_S, child.kill)

    def _place(self, everything: Path, run: AlgorithmRun, window: Window) -> Path | None:
        """Where the window goes; None: it cannot be kept, and was given back."""
        if self._work is not None:
            self._give_up(window, "another window is just being written")
            return None
        folder = everything / run.config.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = self._dispatcher.size_of(window)
        room = min(MAX_BYTES, shutil.disk_usage(folder).free // _FREE_SHARE)
        if size > room:
            self._give_up(window, f"it has {size / 1e6:.0f} MB, and there is room for {room / 1e6:.0f}")
            return None
        _make_room(everything, folder, size)
        newest = window.frames[-1]
        moment = datetime.fromtimestamp(newest.wall_us / 1e6, UTC).strftime("%Y%m%dT%H%M%S.%f")
        return folder / f"{moment}-{window.pair.stream}-{newest.number}.npz"

    def _give_up(self, window: Window, why: str) -> None:
        _log.warning("window.not_kept", algorithm=window.pair.algorithm, reason=why)
        self._dispatcher.let_go(window)

    def _heard(self, message: Message) -> None:
        if self._work is None or not isinstance(message, Kept):
            return
        algorithm = self._work.run.config.id
        if message.error:
            _log.warning("window.not_kept", algorithm=algorithm, reason=message.error)
        else:
            self._work.run.kept += 1
            _log.warning("window.kept", algorithm=algorithm, path=str(self._work.path))

    def _gone(self, reason: str) -> None:
        work, self._work = self._work, None
        self._idle.set()
        if work is None:
            return
        if work.limit is not None:
            work.limit.cancel()
        with suppress(OSError):  # a disk that fails: the frames have to be given back all the same
            work.path.with_suffix(".part").unlink(missing_ok=True)
        _log.debug("keeper.ended", reason=reason)
        self._dispatcher.let_go(work.window)


def _make_room(everything: Path, folder: Path, size_bytes: int) -> None:
    """Delete the oldest windows, until a new one of `size_bytes` fits all limits."""
    own = sorted(folder.glob("*.npz"))
    for path in own[: max(0, len(own) - PER_ALGORITHM + 1)]:
        path.unlink(missing_ok=True)
    all_of_them = sorted((path.stat().st_mtime, path) for path in everything.glob("*/*.npz"))
    total = size_bytes + sum(path.stat().st_size for _, path in all_of_them)
    for _, path in all_of_them:
        if total <= MAX_BYTES:
            break
        total -= path.stat().st_size
        path.unlink(missing_ok=True)
