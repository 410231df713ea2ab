"""The delivery thread: one loop that waits for the socket, for new messages and for the clock."""

import selectors
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from agent.delivery.audience import Audience
from agent.delivery.backlog import Entry
from agent.delivery.connector import Connector
from agent.delivery.desk import Desk
from agent.delivery.endpoint import Endpoint
from agent.delivery.hearing import Hearing
from agent.delivery.messages import Inbound, Link, LinkState, Outgoing
from agent.delivery.pace import Pace
from agent.delivery.reasons import LinkError
from agent.delivery.saver import Durability, Saver
from agent.delivery.session import Accepted, Acked, Ended, Session, Subscribed
from agent.delivery.spool import Spool
from agent.delivery.window import ENDS, Window

IDLE_S = 2.0  # the loop turns at least that often: keep-alive, and proof of life for the watchdog
ACK_TIMEOUT_S = 60.0  # a broker that leaves a message unanswered for so long gets a new connection
_GOODBYE_S = 1.0  # for the last message and DISCONNECT
_NO_SUBSCRIBERS = 0x10
_REFUSED = 0x80


class Courier:
    """What the delivery thread knows; others read `turned_s` and `opened`, and touch nothing."""

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
        spool: Spool | None,
        durability: Durability,
        keep_unmatched: bool,
    ) -> None:
        self.turned_s = time.monotonic()
        self.opened = False
        self._desk = desk
        self._connector = Connector(endpoint, will, desk.wake, self._on_begin)
        self._hearing = Hearing(subscriptions, endpoint.address)
        self._on_inbound = on_inbound
        self._on_link = on_link
        self._farewell = farewell
        self._flush_s = flush_s
        self._spool = spool
        self._durability = durability
        self._audience = Audience(keep=keep_unmatched)
        self._saver: Saver | None = None
        self._window = Window()
        self._pace = Pace(drain_rate)
        self._session: Session | None = None
        self._accepted: Accepted | None = None
        self._fd = -1
        self._accepted_s = 0.0
        self._misc_s = 0.0
        self._flush_until_s: float | None = None

    def run(self) -> None:
        """Until the desk is closing."""
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())  # epoll: no limit at descriptor 1024
            selector.register(self._desk.wake_fd, selectors.EVENT_READ)
            if self._spool is not None:
                self._saver = Saver(self._desk, stack.enter_context(self._spool), self._durability)
            self.opened = True
            while not (self._desk.closing and self._may_end()):
                self._turn(selector)
            self._part()
            if self._saver is not None:
                self._saver.end()
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
        if self._saver is not None:
            self._saver.turn(now, linked=self._accepted is not None)
        if unheard := self._audience.given_up(now):
            self._desk.unheard(unheard)
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
            due = min(due, self._audience.doubt_s)
            if self._late_waiting() and self._window.late_room:
                due = min(due, max(now + self._pace.wait_s(), self._audience.next_s))
        elif self._session is not None:
            due = min(due, self._connector.limit_s)
        else:
            due = min(due, self._connector.due_s)
        if self._flush_until_s is not None:
            due = min(due, self._flush_until_s)
        return due if self._saver is None else min(due, self._saver.due_s())

    def _advance(self, now: float) -> None:
        """What the clock or a try to connect brings."""
        if self._session is not None:
            if now >= self._misc_s:
                self._misc_s = now + IDLE_S
                self._session.misc()
                self._hearing.turn(self._session, now)
            oldest = self._window.oldest_s
            if self._accepted is None and now > self._connector.limit_s:
                self._lose(self._connector.slow("no answer to CONNECT"), by_peer=False, now=now)
            elif oldest is not None and now > oldest + ACK_TIMEOUT_S:
                self._lose(self._connector.slow("no answer to a message"), by_peer=False, now=now)
            return
        outcome = self._connector.turn(now, begin=not self._desk.closing)
        if isinstance(outcome, Session):
            self._session = outcome
            self._misc_s = now + IDLE_S
        elif outcome is not None:
            self._lose(outcome, by_peer=False, now=now)

    # The connection.

    def _take_events(self, now: float) -> None:
        session = self._session
        while session is not None and session is self._session and session.events:
            match session.events.popleft():
                case Accepted() as accepted:
                    self._enter(session, accepted, now)
                case Acked() as acked:
                    self._settle(acked)
                case Subscribed() as answer:
                    self._hear(session, answer, now)
                case Inbound() as inbound:
                    self._desk.count("inbound")
                    if self._on_inbound is not None:
                        self._on_inbound(inbound)
                case Ended() as ended:
                    self._lose(ended.error, by_peer=ended.by_peer, now=now)

    def _enter(self, session: Session, accepted: Accepted, now: float) -> None:
        self._accepted, self._accepted_s = accepted, now
        self._connector.accepted()
        self._window.open(accepted.receive_max)
        self._desk.count("subscriptions_refused", -len(self._hearing))
        self._hearing.begin(session)
        self._desk.count("connects")
        self._desk.link_up()
        self._tell(Link(state=LinkState.CONNECTED, protocol=session.protocol))

    def _hear(self, session: Session, answer: Subscribed, now: float) -> None:
        before = len(self._hearing)
        if self._hearing.answered(answer, now):
            self._desk.count("subscriptions_refused", len(self._hearing) - before)
            why = self._hearing.complaint
            cause, reason = (None, "") if why is None else (why.cause, str(why))
            self._tell(Link(state=LinkState.CONNECTED, protocol=session.protocol, cause=cause, reason=reason))

    def _lose(self, error: LinkError, *, by_peer: bool, now: float) -> None:
        """There is no connection (any more): try again later, or at once with the other protocol."""
        answered = self._session is not None
        if self._session is not None:
            self._session.close()
        in_flight = self._window.ended(by_peer=by_peer, now_s=now) + self._audience.take_held()
        for entry in in_flight:
            if entry.ends >= ENDS:
                self._refuse(entry, f"ends the connection: {error}", for_good=True)
        lasted_s = 0.0 if self._accepted is None else now - self._accepted_s
        self._session, self._accepted = None, None
        self._desk.link_down(entry for entry in in_flight if entry.ends < ENDS)
        delay_s = self._connector.failed(error, lasted_s=lasted_s, answered=answered, now_s=now)
        self._desk.count("connects_failed", lasted_s == 0.0)
        self._tell(
            Link(
                state=LinkState.WAITING,
                cause=error.cause,
                reason=str(error),
                attempts=self._connector.failures,
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
            entry = self._next(now)
            if entry is None:
                break
            if accepted.max_packet_bytes is not None and entry.size_bytes > accepted.max_packet_bytes:
                self._refuse(entry, f"larger than the broker's {accepted.max_packet_bytes} bytes")
                continue
            self._publish(session, accepted, entry, now)
        if self._window.cautious and not len(self._window) and not self._desk.pending[2]:
            self._window.cautious = False

    def _next(self, now: float) -> Entry | None:
        """What is live, else what is late if the pace allows: from disk first, for that is older."""
        entry = self._desk.next(late=False)
        late = entry is None and self._late_waiting() and self._window.late_room and self._pace.ready(now)
        if late and self._audience.may_send(now):
            self._audience.probed(now)
            entry = self._saver.next() if self._saver is not None else None
            if entry is None:
                entry = self._desk.next(late=True)
        return entry

    def _late_waiting(self) -> bool:
        return self._desk.pending[1] or (self._saver is not None and self._saver.waiting)

    def _publish(self, session: Session, accepted: Accepted, entry: Entry, now: float) -> None:
        message = entry.message
        if accepted.max_qos == 0:
            session.publish(replace(message, qos=0), replay=entry.late)
            self._deliver(entry, unmatched=False)
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
            self._refuse(entry, f"{acked.text} (0x{acked.code:02x})")
            return
        unmatched, was_absent = acked.code == _NO_SUBSCRIBERS, self._audience.absent
        for done, unheard in self._audience.answered(entry, unmatched=unmatched, now_s=time.monotonic()):
            self._deliver(done, unmatched=unheard)
        if was_absent and not self._audience.absent:
            self._desk.heard()

    def _deliver(self, entry: Entry, *, unmatched: bool) -> None:
        self._desk.delivered(entry, unmatched=unmatched)
        if self._saver is not None:
            self._saver.settled(entry)

    def _refuse(self, entry: Entry, reason: str, *, for_good: bool = False) -> None:
        self._desk.refused(entry, reason, for_good=for_good)
        if self._saver is not None:
            self._saver.settled(entry)

    # The end.

    def _may_end(self) -> bool:
        """Whether everything urgent is out, the farewell too, or the time for it is up."""
        if self._accepted is None:
            return True
        now = time.monotonic()
        if self._flush_until_s is None:
            self._flush_until_s = now + self._flush_s
        urgent, _, _ = self._desk.pending
        if now < self._flush_until_s and (urgent or len(self._window)):
            return False
        if self._farewell is None:
            return True
        self._desk.put(self._farewell())
        self._farewell, self._flush_until_s = None, now + _GOODBYE_S
        return False

    def _part(self) -> None:
        """Say goodbye if somebody listens, and leave nothing open."""
        if self._session is not None:
            if self._accepted is not None:
                self._session.disconnect()
                until_s = time.monotonic() + _GOODBYE_S
                while (
                    self._session.want_write() and self._session.fileno() >= 0 and time.monotonic() < until_s
                ):
                    self._session.write()
            self._session.close()
        self._connector.end()
        self._desk.link_down(
            self._window.ended(by_peer=False, now_s=time.monotonic()) + self._audience.take_held()
        )

    def _on_begin(self, failures: int) -> None:
        self._tell(Link(state=LinkState.CONNECTING, attempts=failures))

    def _tell(self, link: Link) -> None:
        if self._on_link is not None:
            self._on_link(link)
