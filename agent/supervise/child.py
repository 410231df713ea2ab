"""One child process: its start, its pipe, its end."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable

from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.child import enter
from agent.ipc.message import Message
from agent.supervise.forkserver import is_zombie


class Child:
    """A process that runs, the channel to it, and callbacks into the event loop.

    `on_message` gets each message; `on_exit` is called once, after the last message, with the reason.
    """

    def __init__(
        self,
        main: str,
        args: tuple[object, ...],
        *,
        on_message: Callable[[Message], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_exit = on_exit
        ours, theirs = socket.socketpair()
        with theirs:
            context = multiprocessing.get_context("forkserver")
            self._process = context.Process(target=enter, args=(main, theirs, *args))
            self._process.start()
        assert self._process.pid is not None  # noqa: S101  it has just been started
        self.pid: int = self._process.pid
        self._channel = Channel(ours)
        self._sentinel = self._process.sentinel
        self._open = True
        self._closed_why = ""
        self._loop.add_reader(self._channel.fileno(), self._readable)
        self._loop.add_reader(self._sentinel, self._exited)

    def post(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send a message without waiting; to a child that is gone it is nothing."""
        if not self._open:
            return
        try:
            self._channel.post(message, fds)
        except ChannelClosedError as err:
            self._close_channel(str(err))
            return
        if self._channel.backlogged:
            self._loop.add_writer(self._channel.fileno(), self._writable)

    def kill(self) -> None:
        """SIGKILL to the child and to all that it started."""
        if self._process.exitcode is not None:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not made its session yet
            self._process.kill()

    @property
    def unreaped(self) -> bool:
        """Whether it has ended, and the fork server has not told so."""
        return not self._open and is_zombie(self.pid)

    def _readable(self) -> bool:
        """Handle what has come; whether anything has."""
        came = False
        try:
            for message, fds in self._channel.receive(block=False):
                came = True
                for fd in fds:  # no child lends us anything
                    os.close(fd)
                self._on_message(message)
        except ChannelClosedError as err:
            self._close_channel(str(err))
        return came

    def _writable(self) -> None:
        try:
            self._channel.flush()
        except ChannelClosedError as err:
            self._close_channel(str(err))
            return
        if not self._channel.backlogged:
            self._loop.remove_writer(self._channel.fileno())

    def _close_channel(self, why: str) -> None:
        if self._open:
            self._open = False
            self._closed_why = why
            self._loop.remove_reader(self._channel.fileno())
            self._loop.remove_writer(self._channel.fileno())
            self._channel.close()
            self.kill()  # a child that closes its end, or talks nonsense, is of no more use

    def _exited(self) -> None:
        self._loop.remove_reader(self._sentinel)
        while self._open and self._readable():  # what it said last is still in the pipe
            pass
        self._close_channel("it has ended")
        self._process.join()
        code = self._process.exitcode or 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what it started and left behind
        self._process.close()
        self._on_exit(_reason(code))


def _reason(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" if code else "ended"
