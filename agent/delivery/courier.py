"""The delivery thread: one loop that waits for the socket, for new messages and for the clock."""

import logging
import random
import selectors
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from agent.delivery.attempts import Attempts
from agent.delivery.backlog import Entry
from agent.delivery.desk import Desk
from agent.delivery.dial import DIAL_TIMEOUT_S, Dial
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Inbound, Link, LinkCause, LinkState, Outgoing
from agent.delivery.pace import Pace
from agent.delivery.reasons import LinkError
from agent.delivery.session import Accepted, Acked, Ended, Session
from agent.delivery.window import ENDS, Window

T = TypeVar("T")

IDLE_S = 2.0  # the loop turns at least that often: keep-alive, and proof of life for the watchdog
ACK_TIMEOUT_S = 60.0  # a broker that leaves a message unanswered for so long gets a new connection
_GOODBYE_S = 1.0  # for the last message and DISCONNECT
_ABANDON_S = 5.5  # a TCP connection under way ends within 5 s
_NO_SUBSCRIBERS = 0x10
_REFUSED = 0x80

_log = logging.getLogger("vedette.delivery")


class Courier:
    """What the delivery thread knows; nothing here is touched by another thread, but `turned_s` is read."""

    def __init__(  # noqa: PLR0913  made in one place
        self,
        endpoint: Endpoint,
        desk: Desk,
        *,
        subscriptions: tuple[str, ...],
        on_inbound: Callable[[Inbound], None] | None,
        on_link: Callable[[Link], None] | None,
        will: Outgoing | None,
        farewell: Callable[[], Outgoing] | None,
        drain_rate: float,
        flush_s: float,
    ) -> None:
        self.turned_s = time.monotonic()
        self._endpoint = endpoint
        self._desk = desk
        self._subscriptions = subscriptions
        self._on_inbound = on_inbound
        self._on_link = on_link
        self._will = will
        self._farewell = farewell
        self._flush_s = flush_s
        self._attempts = Attempts.begin(endpoint.protocol)
        self._window = Window()
        self._pace = Pace(drain_rate)
        self._dial: Dial | None = None
        self._stuck: Dial | None = None  # an abandoned try that still hangs
        self._session: Session | None = None
        self._accepted: Accepted | None = None
        self._fd = -1
        self._began_s = 0.0  # of this try
        self._accepted_s = 0.0
        self._retry_s = 0.0
        self._misc_s = 0.0
        self._flush_until_s: float | None = None
        self._random = random.Random()  # noqa: S311  jitter

    def run(self) -> None:
        """Until the desk is closing."""
        with selectors.DefaultSelector() as selector:  # epoll: no limit at descriptor 1024
            selector.register(self._desk.wake_fd, selectors.EVENT_READ)
            while not (self._desk.closing and self._may_end()):
                self._turn(selector)
            self._part(selector)
        self._tell(Link(state=LinkState.STOPPED))

    # One turn of the loop.

    def _turn(self, selector: selectors.BaseSelector) -> None:
        self._watch(selector)
        ready = selector.select(max(0.0, self._due_s() - time.monotonic()))
        now = self.turned_s = time.monotonic()
        for key, events in ready:
            if key.fd == self._desk.wake_fd:
                self._desk.woken()
            elif self._session is not None and key.fd == self._fd and events & selectors.EVENT_READ:
                self._session.read()
        self._advance(now)
        self._take_events(now)
        if self._accepted is not None:
            self._send(now)
        if self._session is not None:
            if self._session.want_write():
                self._session.write()
            self._take_events(now)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Have the selector wait for the present socket."""
        fd = -1 if self._session is None else self._session.fileno()
        known = self._fd >= 0 and self._fd in selector.get_map()
        if fd != self._fd and known:
            selector.unregister(self._fd)
            known = False
        self._fd = fd
        if self._session is None or fd < 0:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._session.want_write() else 0)
        if not known:
            selector.register(fd, events)
        elif selector.get_key(fd).events != events:
            selector.modify(fd, events)

    def _due_s(self) -> float:
        """When the loop has to turn even if nothing happens."""
        now = time.monotonic()
        due = now + IDLE_S
        if self._accepted is not None:
            due = min(due, self._misc_s)
            _, late, _ = self._desk.pending
            if late and self._window.late_room:
                due = min(due, now + self._pace.wait_s())
        elif self._dial is not None or self._session is not None:
            due = min(due, self._began_s + DIAL_TIMEOUT_S)
        else:
            due = min(due, self._retry_s)
        if self._flush_until_s is not None:
            due = min(due, self._flush_until_s)
        return due

    def _advance(self, now: float) -> None:
        """What the clock or a try to connect brings."""
        if self._session is not None:
            if now >= self._misc_s:
                self._misc_s = now + IDLE_S
                self._session.misc()
            oldest = self._window.oldest_s
            if self._accepted is None and now > self._began_s + DIAL_TIMEOUT_S:
                self._lose(self._slow("no answer to CONNECT"), by_peer=False, now=now)
            elif oldest is not None and now > oldest + ACK_TIMEOUT_S:
                self._lose(self._slow("no answer to a message"), by_peer=False, now=now)
        elif self._dial is not None:
            outcome = self._dial.outcome()
            if isinstance(outcome, Session):
                self._dial, self._session = None, outcome
                self._misc_s = now + IDLE_S
            elif isinstance(outcome, LinkError):
                self._dial = None
                self._lose(outcome, by_peer=False, now=now)
            elif now > self._began_s + DIAL_TIMEOUT_S:
                self._dial.abandon()
                self._stuck, self._dial = self._dial, None
                self._lose(self._slow("no connection"), by_peer=False, now=now)
        elif now >= self._retry_s and not self._desk.closing:
            self._begin_try(now)

    def _slow(self, what: str) -> LinkError:
        return LinkError(LinkCause.TIMEOUT, f"{what} within the time limit, {self._endpoint.address}")

    # The connection.

    def _begin_try(self, now: float) -> None:
        if self._stuck is not None and self._stuck.alive:
            self._retry_s = now + IDLE_S  # its name look-up still hangs: another one would hang beside it
            return
        self._stuck = None
        self._began_s = now
        self._tell(Link(state=LinkState.CONNECTING, attempts=self._attempts.backoff.failures))
        self._dial = Dial(Session(self._endpoint, self._attempts.protocol, self._will), self._desk.wake)

    def _take_events(self, now: float) -> None:
        session = self._session
        while session is not None and session is self._session and session.events:
            match session.events.popleft():
                case Accepted() as accepted:
                    self._enter(session, accepted, now)
                case Acked() as acked:
                    self._settle(acked)
                case Inbound() as inbound:
                    self._desk.count("inbound")
                    self._call(self._on_inbound, inbound)
                case Ended() as ended:
                    self._lose(ended.error, by_peer=ended.by_peer, now=now)

    def _enter(self, session: Session, accepted: Accepted, now: float) -> None:
        self._accepted, self._accepted_s = accepted, now
        self._attempts = self._attempts.accepted()
        self._window.open(accepted.receive_max)
        if self._subscriptions:
            session.subscribe(self._subscriptions)
        self._desk.count("connects")
        self._desk.link_up()
        self._tell(Link(state=LinkState.CONNECTED, protocol=session.protocol))

    def _lose(self, error: LinkError, *, by_peer: bool, now: float) -> None:
        """There is no connection (any more): try again later, or at once with the other protocol."""
        answered = self._session is not None
        if self._session is not None:
            self._session.close()
        in_flight = self._window.ended(by_peer=by_peer, now_s=now)
        for entry in in_flight:
            if entry.ends >= ENDS:
                self._desk.refused(entry, f"ends the connection: {error}", for_good=True)
        lasted_s = 0.0 if self._accepted is None else now - self._accepted_s
        self._session, self._accepted = None, None
        self._desk.link_down(entry for entry in in_flight if entry.ends < ENDS)
        self._attempts, at_once = self._attempts.failed(error.cause, lasted_s=lasted_s, answered=answered)
        delay_s = 0.0 if at_once else self._attempts.backoff.delay_s(self._random.random())
        self._retry_s = now + delay_s
        self._desk.count("connects_failed", lasted_s == 0.0)
        self._tell(
            Link(
                state=LinkState.WAITING,
                cause=error.cause,
                reason=str(error),
                attempts=self._attempts.backoff.failures,
                retry_in_s=round(delay_s, 3),
            )
        )

    # Messages.

    def _send(self, now: float) -> None:
        session, accepted = self._session, self._accepted
        if session is None or accepted is None:
            return
        while not session.want_write() and (fleeting := self._desk.next_fleeting()) is not None:
            session.publish(fleeting, replay=False)
        while self._window.room:
            may_replay = self._window.late_room and self._pace.ready(now)
            entry = self._desk.next(late=may_replay)
            if entry is None:
                break
            if accepted.max_packet_bytes is not None and entry.size_bytes > accepted.max_packet_bytes:
                self._desk.refused(entry, f"larger than the broker's {accepted.max_packet_bytes} bytes")
                continue
            self._publish(session, accepted, entry, now)
        if self._window.cautious and not len(self._window) and not self._desk.pending[2]:
            self._window.cautious = False

    def _publish(self, session: Session, accepted: Accepted, entry: Entry, now: float) -> None:
        message = entry.message
        if accepted.max_qos == 0:
            session.publish(replace(message, qos=0), replay=entry.late)
            self._desk.delivered(entry, unmatched=False)
            return
        mid = session.publish(message, replay=entry.late)
        entry.sends += 1
        if mid is None:  # the connection is over, which its events will tell: nothing is lost
            self._window.add(-id(entry), entry, now)
            return
        self._window.add(mid, entry, now)
        self._desk.sent(entry)
        if entry.late:
            self._pace.take()

    def _settle(self, acked: Acked) -> None:
        entry = self._window.answered(acked.mid)
        if entry is None:
            return
        if acked.code >= _REFUSED:
            self._desk.refused(entry, f"{acked.text} (0x{acked.code:02x})")
        else:
            self._desk.delivered(entry, unmatched=acked.code == _NO_SUBSCRIBERS)

    # The end.

    def _may_end(self) -> bool:
        """Whether everything urgent is out, or the time for it is up."""
        if self._accepted is None:
            return True
        now = time.monotonic()
        if self._flush_until_s is None:
            self._flush_until_s = now + self._flush_s
        urgent, _, _ = self._desk.pending
        return now >= self._flush_until_s or not (urgent or len(self._window))

    def _part(self, selector: selectors.BaseSelector) -> None:
        """Say goodbye if somebody listens, and leave nothing open."""
        session = self._session
        if session is not None and self._accepted is not None:
            until_s = time.monotonic() + _GOODBYE_S
            if self._farewell is not None:
                mid = session.publish(self._farewell(), replay=False)
                self._drive(selector, session, until_s, mid)
            session.disconnect()
            self._drive(selector, session, until_s, None)
        if session is not None:
            session.close()
        if self._dial is not None:
            self._dial.abandon(_ABANDON_S)
        self._desk.link_down(self._window.ended(by_peer=False, now_s=time.monotonic()))

    def _drive(
        self, selector: selectors.BaseSelector, session: Session, until_s: float, mid: int | None
    ) -> None:
        """Turn until `mid` is acknowledged, the connection is over, or the time is."""
        while session.fileno() >= 0 and (left_s := until_s - time.monotonic()) > 0:
            if session.want_write():
                session.write()
            while session.events:
                event = session.events.popleft()
                if isinstance(event, Ended) or (isinstance(event, Acked) and event.mid == mid):
                    return
                if isinstance(event, Acked):
                    self._settle(event)
            self._watch(selector)
            if session.fileno() < 0:
                return
            for key, events in selector.select(left_s):
                if key.fd == self._desk.wake_fd:
                    self._desk.woken()
                elif events & selectors.EVENT_READ:
                    session.read()

    def _tell(self, link: Link) -> None:
        self._call(self._on_link, link)

    def _call(self, callback: Callable[[T], None] | None, argument: T) -> None:
        """Call back into the agent, whose mistakes must not end the delivery."""
        if callback is None:
            return
        try:
            callback(argument)
        except Exception:  # noqa: BLE001  logged with its traceback; anything narrower ends the delivery
            self._desk.count("callback_errors")
            _log.exception("delivery.callback_failed")
