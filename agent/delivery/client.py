"""A visitor to the broker, for `agent.client`: connect, ask or listen, leave. No spool, no reconnecting."""

import select
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from agent.delivery.endpoint import Endpoint, Protocol
from agent.delivery.hearing import refused
from agent.delivery.messages import Inbound, LinkCause, Outgoing
from agent.delivery.reasons import LinkError, closing
from agent.delivery.session import Accepted, Acked, Ended, Event, Session, Subscribed

_CONNECT_LIMIT_S = 10.0
_MISC_EVERY_S = 2.0
_LEAVE_LIMIT_S = 1.0
_NO_SUBSCRIBERS = 0x10  # MQTT 5: taken, and nobody is there to hear it
_REFUSED = 0x80


class Client:
    """One connection that leaves nothing at the broker; `with` connects (MQTT 5, else 3.1.1) and leaves.

    Every method raises LinkError when the connection ends. For one thread.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: Session | None = None
        self._inbound: list[Inbound] = []
        self._acked: dict[int, Acked] = {}
        self._subscribed: Subscribed | None = None
        self.protocol: Protocol = "5"
        """The version that was agreed on."""

    def __enter__(self) -> Self:
        choices: tuple[Protocol, ...] = ("5", "3.1.1")
        if self._endpoint.protocol != "auto":
            choices = (self._endpoint.protocol,)
        for protocol in choices:
            try:
                self._connect(protocol)
            except LinkError as err:
                self._close()
                # Many old brokers hang up on MQTT 5 without an answer.
                if err.cause not in (LinkCause.PROTOCOL, LinkCause.CLOSED) or protocol == choices[-1]:
                    raise
            except BaseException:
                self._close()
                raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        if session is not None and session.fileno() >= 0:
            session.disconnect()
            deadline_s = time.monotonic() + _LEAVE_LIMIT_S
            session.write()
            while session.want_write() and session.fileno() >= 0 and time.monotonic() < deadline_s:
                _wait(session, deadline_s - time.monotonic())
                session.write()
        self._close()

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1, and wait until the broker agrees; LinkError when it refuses one."""
        self._open.subscribe(filters)
        self._subscribed = None
        deadline_s = time.monotonic() + _CONNECT_LIMIT_S
        while self._subscribed is None:
            if time.monotonic() > deadline_s:
                raise LinkError(LinkCause.TIMEOUT, f"{self._endpoint.address} does not answer a subscription")
            self._turn(deadline_s - time.monotonic())
        no = {name: text for name, code, text in self._subscribed.answers if code >= _REFUSED}
        if no:
            raise refused(self._endpoint.address, no)

    def publish(self, message: Outgoing, timeout_s: float = 10.0) -> bool:
        """Publish, and wait until the broker has it; False when it says that nobody is subscribed there."""
        mid = self._open.publish(message, replay=False)
        if mid is None:
            raise closing(self._endpoint, "", LinkCause.CLOSED)
        self._turn(0.0)
        deadline_s = time.monotonic() + timeout_s
        while message.qos and mid not in self._acked:
            if time.monotonic() > deadline_s:
                raise LinkError(LinkCause.TIMEOUT, f"{self._endpoint.address} did not take the message")
            self._turn(deadline_s - time.monotonic())
        answer = self._acked.pop(mid, Acked(mid, 0, ""))
        if answer.code >= _REFUSED:
            why = f"{self._endpoint.address} refuses messages on {message.topic}: {answer.text}"
            raise LinkError(LinkCause.AUTH, why)
        return answer.code != _NO_SUBSCRIBERS

    def receive(self, timeout_s: float) -> list[Inbound]:
        """What has come, waiting at most `timeout_s` for it; empty when nothing has."""
        if not self._inbound:
            self._turn(timeout_s)
        waiting, self._inbound = self._inbound, []
        return waiting

    def messages(self, timeout_s: float | None = None) -> Iterator[Inbound]:
        """What comes, one by one, until `timeout_s` have passed since the call (None: for ever)."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = _MISC_EVERY_S if deadline_s is None else deadline_s - time.monotonic()
            yield from self.receive(max(0.0, left_s))
            if left_s <= 0:
                return

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise LinkError(LinkCause.CLOSED, "there is no connection")
        return self._session

    def _connect(self, protocol: Protocol) -> None:
        self._session = Session(self._endpoint, protocol, None, visit=True)
        self.protocol = protocol
        self._session.open()
        deadline_s = time.monotonic() + _CONNECT_LIMIT_S
        while not any(isinstance(event, Accepted) for event in self._turn(0.5)):
            if time.monotonic() > deadline_s:
                raise closing(self._endpoint, "no answer to CONNECT", LinkCause.TIMEOUT)

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _turn(self, timeout_s: float) -> list[Event]:
        """Move bytes, wait for at most `timeout_s` for some to come, and sort what happened."""
        session = self._open
        session.write()
        if session.fileno() >= 0 and _wait(session, timeout_s):
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
                    self._acked[mid] = event
                case Subscribed():
                    self._subscribed = event
                case Ended(error):
                    raise error
                case Accepted():
                    pass
        return events


def _wait(session: Session, timeout_s: float) -> bool:
    """Whether the socket is ready, after at most `timeout_s`, and no longer than keep-alive allows."""
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN | (select.POLLOUT if session.want_write() else 0))
    return bool(poll.poll(int(max(0.0, min(timeout_s, _MISC_EVERY_S)) * 1000)))
