"""One child process: its start, its pipe, its end."""

import asyncio
import os
import socket
from collections.abc import Callable

from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.message import Message
from agent.supervise.forkserver import is_zombie
from agent.supervise.process import Process


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
            self._process = Process(main, theirs, args, on_exit=self._exited)
        self.pid = self._process.pid
        self._channel = Channel(ours)
        self._open = True
        self._closed_why = ""
        self._loop.add_reader(self._channel.fileno(), self._readable)

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

    def _exited(self, reason: str) -> None:
        while self._open and self._readable():  # what it said last is still in the pipe
            pass
        self._close_channel("it has ended")
        self._on_exit(reason)
