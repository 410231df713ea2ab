"""The process of a sink, seen from the thread that feeds it: started, spoken to, ended."""

import queue
import selectors
import socket
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.message import Message
from agent.ipc.sinking import Gone

_BACKLOG_BYTES = 64 << 20  # a batch is at most 1 MiB, or one result


class Starter(Protocol):
    """Starts and kills the process of one sink; `start` and `kill` are called from any thread."""

    def start(self, sock: socket.socket, on_gone: Callable[[Gone], None]) -> None:
        """Start it with this end of its pipe, which is then its own.

        `on_gone` is called once, from any thread, when it is gone or could not be started.
        """

    def kill(self) -> None:
        """End it and all that it started; `on_gone` follows."""

    async def ended(self, grace_s: float) -> None:
        """Return when there is none; it has `grace_s` to end by itself, then it is killed."""


class Phase(Enum):
    """Where the process is in its life."""

    ABSENT = "absent"
    STARTING = "starting"  # it was asked for, and has not said that it is open
    IDLE = "idle"
    BUSY = "busy"  # it has a batch
    ENDING = "ending"  # it was killed, or has closed its end, and is not gone yet


class SinkLink:
    """One process after the other, never two at once; used by the sink's thread only.

    `wake` ends the wait of that thread; `why` is the reason that the process was killed for.
    """

    def __init__(self, starter: Starter, selector: selectors.BaseSelector, wake: Callable[[], None]) -> None:
        self._starter = starter
        self._selector = selector
        self._wake = wake
        self._gone: queue.SimpleQueue[Gone] = queue.SimpleQueue()
        self._channel: Channel | None = None
        self._events = 0
        self.phase = Phase.ABSENT
        self.why = ""

    def start(self) -> None:
        """Ask for a process."""
        self.phase, self.why = Phase.STARTING, ""
        try:
            ours, theirs = socket.socketpair()
        except OSError as err:  # no descriptors
            self._gone.put(Gone(f"cannot be started: {err.strerror}"))
            self._wake()
            return
        self._channel = Channel(ours, max_backlog_bytes=_BACKLOG_BYTES)
        self._starter.start(theirs, self._is_gone)
        self._watch()

    def post(self, message: Message) -> None:
        """Say something, without waiting."""
        if self._channel is not None:
            try:
                self._channel.post(message)
            except ChannelClosedError:
                self.kill("it does not read what it is sent")
            self._watch()

    def receive(self) -> list[Message]:
        """What it has said; also goes on sending what it had no room for."""
        heard: list[Message] = []
        if self._channel is None:
            return heard
        try:
            heard += [message for message, _ in self._channel.receive(block=False)]
            self._channel.flush()
        except ChannelClosedError:
            self.kill("")  # it has ended, mostly: then its end says why
        self._watch()
        return heard

    def kill(self, why: str) -> None:
        """End the process; it is gone when `take_gone` says so. No reason: it has one of its own."""
        if self.phase is not Phase.ABSENT:
            self.hang_up()
            self.phase, self.why = Phase.ENDING, self.why or why
            self._starter.kill()

    def hang_up(self) -> None:
        """Close our end, which asks the process to end."""
        if self._channel is not None:
            if self._events:
                self._selector.unregister(self._channel.fileno())
            self._events = 0
            self._channel.close()
            self._channel = None

    def take_gone(self) -> Gone | None:
        """The end of the process, once."""
        try:
            gone = self._gone.get_nowait()
        except queue.Empty:
            return None
        self.hang_up()
        self.phase = Phase.ABSENT
        return gone

    def _is_gone(self, gone: Gone) -> None:
        self._gone.put(gone)
        self._wake()

    def _watch(self) -> None:
        """Have the selector wait for the present pipe."""
        if self._channel is None:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._channel.backlogged else 0)
        if not self._events:
            self._selector.register(self._channel.fileno(), events)
        elif events != self._events:
            self._selector.modify(self._channel.fileno(), events)
        self._events = events
