"""One process of ours, from its start to its end."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable

from agent.ipc.child import enter


class Process:
    """A process that runs, and a callback into the event loop when it has ended.

    `on_exit` is called once, with the reason, when the process is gone and all that it started, too; soon
    when it cannot be started at all: then `pid` is 0.
    """

    def __init__(
        self, main: str, theirs: socket.socket, args: tuple[object, ...], *, on_exit: Callable[[str], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        context = multiprocessing.get_context("forkserver")
        self._process = context.Process(target=enter, args=(main, theirs, *args))
        self._ended = False
        self.pid = 0
        try:
            self._process.start()
        except (EOFError, OSError) as err:
            # The fork server has just been killed: the next start makes a new one. Or the machine has no
            # descriptor or process left.
            self._ended = True
            self._loop.call_soon(on_exit, f"could not be started: {str(err) or type(err).__name__}")
            return
        assert self._process.pid is not None  # noqa: S101  it has just been started
        self.pid = self._process.pid
        self._sentinel = self._process.sentinel
        self._loop.add_reader(self._sentinel, self._exited)

    def kill(self) -> None:
        """SIGKILL to the process and to all that it started."""
        if self._ended or self._process.exitcode is not None:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not made its session yet
            self._process.kill()

    def _exited(self) -> None:
        self._loop.remove_reader(self._sentinel)
        self._process.join()
        code = self._process.exitcode or 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what it started and left behind
        self._process.close()
        self._ended = True
        self._on_exit(_reason(code))


def _reason(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" if code else "ended"
