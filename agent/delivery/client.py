"""A visitor to the broker, for the command line: connect, ask or listen, leave. No spool, no reconnecting."""

import select
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from agent.delivery.endpoint import Endpoint, Protocol
from agent.delivery.messages import Inbound, LinkCause, Outgoing
from agent.delivery.reasons import LinkError, closing
from agent.delivery.session import Accepted, Acked, Ended, Event, Session

_CONNECT_LIMIT_S = 10.0
_MISC_EVERY_S = 2.0


class Client:
    """One connection; `with` connects (MQTT 5, else 3.1.1) and leaves. Raises LinkError."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: Session | None = None
        self._inbound: list[Inbound] = []
        self._acked: set[int] = set()
        self.protocol: Protocol = "5"

    def __enter__(self) -> Self:
        choices: tuple[Protocol, ...] = ("5", "3.1.1")
        if self._endpoint.protocol != "auto":
            choices = (self._endpoint.protocol,)
        for protocol in choices:
            try:
                self._connect(protocol)
            except LinkError as err:
                if err.cause is not LinkCause.PROTOCOL or protocol == choices[-1]:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.disconnect()
            self._session.write()
            self._session.close()

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1."""
        self._open.subscribe(filters)
        self._turn(0.0)

    def publish(self, message: Outgoing, timeout_s: float = 10.0) -> None:
        """Publish, and wait until the broker has it."""
        mid = self._open.publish(message, replay=False)
        deadline_s = time.monotonic() + timeout_s
        while mid not in self._acked and message.qos:
            if time.monotonic() > deadline_s:
                raise LinkError(LinkCause.TIMEOUT, f"{self._endpoint.address} did not take the message")
            self._turn(deadline_s - time.monotonic())
        self._turn(0.0)

    def messages(self, timeout_s: float | None = None) -> Iterator[Inbound]:
        """What comes, until nothing has for `timeout_s` (None: for ever). Raises LinkError at the end."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            waiting, self._inbound = self._inbound, []
            for message in waiting:
                yield message
                deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
            left_s = _MISC_EVERY_S if deadline_s is None else deadline_s - time.monotonic()
            if left_s <= 0:
                return
            self._turn(left_s)

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise LinkError(LinkCause.CLOSED, "there is no connection")
        return self._session

    def _connect(self, protocol: Protocol) -> None:
        self._session = Session(self._endpoint, protocol, None)
        self.protocol = protocol
        self._session.open()
        deadline_s = time.monotonic() + _CONNECT_LIMIT_S
        while not any(isinstance(event, Accepted) for event in self._turn(0.5)):
            if time.monotonic() > deadline_s:
                raise closing(self._endpoint, "no answer to CONNECT", LinkCause.TIMEOUT)

    def _turn(self, timeout_s: float) -> list[Event]:
        """Move bytes, wait for at most `timeout_s` for some to come, and sort what happened."""
        session = self._open
        session.write()
        if session.fileno() >= 0:
            poll = select.poll()
            poll.register(session.fileno(), select.POLLIN | (select.POLLOUT if session.want_write() else 0))
            if poll.poll(int(max(0.0, min(timeout_s, _MISC_EVERY_S)) * 1000)):
                session.read()
                session.write()
        session.misc()
        events = list(session.events)
        session.events.clear()
        for event in events:
            match event:
                case Inbound():
                    self._inbound.append(event)
                case Acked(mid):
                    self._acked.add(mid)
                case Ended(error):
                    raise error
                case Accepted():
                    pass
        return events
