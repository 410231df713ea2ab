"""Where messages are handed in and taken out: the only state that threads share, under one lock."""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from agent.delivery.backlog import Backlog, Entry, Limits
from agent.delivery.ledger import Ledger
from agent.delivery.messages import SPOOLED, DeliveryCounters, Kind, Outgoing
from agent.delivery.states import States

FLEETING = 200  # messages with QoS 0 that may wait for the next turn
_DEAD_LETTERS = 100
DEAD_PAYLOAD_BYTES = 16_384  # kept of each: a hundred whole ones might be a gigabyte
_FRESH = 1_000


class Desk:
    """Bounded like its backlog; `put` never blocks longer than a few dictionary operations take."""

    def __init__(self, limits: dict[Kind, Limits] | None, *, spooling: bool = False) -> None:
        self._lock = threading.Lock()
        self._backlog = Backlog(limits)
        self._states = States()
        self._fleeting: deque[Outgoing] = deque()
        self._linked = False
        self._signalled = False
        self._closing = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._tally: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._dead_changed = False
        self.ledger = Ledger()
        self._spooling = spooling
        self._fresh: deque[Entry] = deque()  # not on disk, in order of acceptance; also some that are done
        self._fresh_limit = _FRESH
        self._evicted: list[Entry] = []  # out of memory, for they are on disk
        self._dead: deque[tuple[Outgoing, str]] = deque(maxlen=_DEAD_LETTERS)

    # Called from any thread.

    def put(self, message: Outgoing) -> None:
        """Take a message in; what does not fit pushes out the oldest of its kind."""
        entry = Entry(message, time.monotonic(), message.size_bytes)
        with self._lock:
            if message.qos == 0:
                if not self._linked or len(self._fleeting) >= FLEETING:
                    self._tally["fleeting_dropped"] += 1
                    return
                self._fleeting.append(message)
            else:
                self._tally["accepted"] += 1
                if message.epoch is not None and message.seq is not None:
                    self.ledger.accepted(message.epoch, message.seq)
                if message.kind != "state":
                    self._backlog.accept(entry)
                    self._account_dropped()
                    if self._spooling and message.kind in SPOOLED:
                        self._fresh.append(entry)
                        self._trim_fresh()
                elif not self._states.put(entry):
                    self._dropped[message.kind] += 1
        self.wake()

    def wake(self) -> None:
        """Make the delivery thread look."""
        with self._lock:
            if self._signalled or self._wake_fd < 0:
                return
            self._signalled = True
            os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """Ask the delivery thread to end."""
        with self._lock:
            self._closing = True
        self.wake()

    def counters(self) -> DeliveryCounters:
        """What was counted so far."""
        with self._lock:
            tally = dict(self._tally)
            tally["waiting"] = len(self._backlog) + self._states.unsettled
            tally["waiting_bytes"] = self._backlog.size_bytes + self._states.size_bytes
            tally["gaps"] = len(self.ledger.gaps())
            tally["superseded"] = self._states.superseded
            tally["republished"] = self._states.republished
            return DeliveryCounters(dropped=dict(self._dropped), **tally)

    def unsettled_states(self) -> int:
        """How many of those that wait in memory are states."""
        with self._lock:
            return self._states.unsettled

    def dead_letters(self) -> tuple[tuple[Outgoing, str], ...]:
        """The last messages that the broker would not have, each with the reason."""
        with self._lock:
            return tuple(self._dead)

    # Called from the delivery thread.

    @property
    def wake_fd(self) -> int:
        """Readable when there is something new."""
        return self._wake_fd

    def woken(self) -> None:
        """Look again at the next `wake` only."""
        with self._lock:
            self._signalled = False
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake_fd)

    @property
    def closing(self) -> bool:
        """Whether the delivery thread is to end."""
        return self._closing

    def release(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            os.close(self._wake_fd)
            self._wake_fd = -1

    def link_up(self) -> None:
        """There is a new connection."""
        with self._lock:
            self._linked = True
            self._backlog.link_up()
            self._states.all_due()

    def link_down(self, in_flight: Iterable[Entry]) -> None:
        """The connection is over; `in_flight` is what was not acknowledged."""
        with self._lock:
            self._linked = False
            self._tally["fleeting_dropped"] += len(self._fleeting)
            self._fleeting.clear()
            self._backlog.link_down()
            self._backlog.again(entry for entry in in_flight if entry.message.kind != "state")
            self._tally["in_flight"] = 0

    def next(self, *, live: bool = True, late: bool) -> Entry | None:
        """The most urgent message; it counts as in flight (states stay where they are)."""
        with self._lock:
            entry = self._states.next()
            if entry is None:
                entry = self._backlog.next(live=live, late=late)
                self._tally["in_flight"] += entry is not None
            return entry

    def next_fleeting(self) -> Outgoing | None:
        """The oldest message with QoS 0."""
        with self._lock:
            return self._fleeting.popleft() if self._fleeting else None

    @property
    def pending(self) -> tuple[bool, bool, bool]:
        """Whether something waits that is (urgent, late, a repetition)."""
        with self._lock:
            states = len(self._states) > 0
            return (
                states or self._backlog.live or bool(self._fleeting),
                self._backlog.late,
                states or self._backlog.repeating,
            )

    def sent(self, entry: Entry) -> None:
        """`entry` was handed to the connection."""
        with self._lock:
            self._tally["sent"] += 1
            self._tally["resent"] += entry.sends > 1 and entry.message.kind != "state"
            self._tally["replayed"] += entry.late

    def delivered(self, entry: Entry, *, unmatched: bool) -> None:
        """The broker has it."""
        with self._lock:
            if self._settle(entry):
                self._tally["delivered"] += 1
                self._tally["unmatched"] += unmatched

    def unheard(self, entries: list[Entry]) -> None:
        """Nobody subscribes to results: these wait again, and so do all that come."""
        with self._lock:
            self._tally["in_flight"] -= len(entries)
            self._backlog.audience(absent=True)
            self._backlog.wait_again(entries)

    def heard(self) -> None:
        """Somebody subscribes to results again."""
        with self._lock:
            self._backlog.audience(absent=False)

    def refused(self, entry: Entry, reason: str, *, for_good: bool = False) -> None:
        """The broker will not have it; `for_good`: a state is not tried on the next connection either."""
        with self._lock:
            if self._settle(entry):
                self._tally["dead"] += 1
                kept = replace(entry.message, payload=entry.message.payload[:DEAD_PAYLOAD_BYTES])
                self._dead.append((kept, reason))
                self._dead_changed = True
                self._gap(entry.message, reason)
            if for_good and entry.message.kind == "state":
                self._states.forget(entry)

    # Called from the delivery thread, about the spool.

    def remember(self, dead: Iterable[tuple[Outgoing, str]]) -> None:
        """Take over the dead letters of earlier processes."""
        with self._lock:
            self._dead.extendleft(reversed(list(dead)))

    def fresh_since(self) -> float | None:
        """When the oldest message that is neither on disk nor done was accepted."""
        with self._lock:
            while self._fresh and self._fresh[0].done:
                self._fresh.popleft()
            return self._fresh[0].accepted_s if self._fresh else None

    def take_fresh(self, accepted_before_s: float, limit: int) -> list[Entry]:
        """The oldest messages to be written, accepted not after that moment."""
        taken: list[Entry] = []
        with self._lock:
            while self._fresh and self._fresh[0].accepted_s <= accepted_before_s and len(taken) < limit:
                entry = self._fresh.popleft()
                if not entry.done:
                    taken.append(entry)
        return taken

    def refresh(self, entries: Iterable[Entry]) -> None:
        """Put back what could not be written."""
        with self._lock:
            self._fresh.extendleft(entry for entry in reversed(list(entries)) if not entry.done)
            self._trim_fresh()

    def saved(self, entries: Iterable[Entry], rows: Iterable[int]) -> list[Entry]:
        """Note the rows of what was written; those that were dropped from memory meanwhile."""
        late: list[Entry] = []
        with self._lock:
            for entry, row in zip(entries, rows, strict=True):
                entry.row = row
                self._tally["disk_writes"] += 1
                if entry.done:
                    late.append(entry)
        return late

    def only_saved(self, *, only: bool) -> None:
        """Whether events and results are held back until they are on disk."""
        with self._lock:
            self._backlog.only_saved = only

    def take_evicted(self, *, linked: bool) -> list[Entry]:
        """What leaves memory because it is on disk."""
        with self._lock:
            evicted, self._evicted = self._evicted, []
            return evicted + self._backlog.release_saved(linked=linked)

    def drop(self, kind: Kind) -> None:
        """The spool has given up a message."""
        with self._lock:
            self._dropped[kind] += 1

    def take_dead_changed(self) -> bool:
        """Whether there are dead letters that are not on disk."""
        with self._lock:
            changed, self._dead_changed = self._dead_changed, False
            return changed

    def disk(self, **counters: int) -> None:
        """What the spool counts itself."""
        with self._lock:
            for name, value in counters.items():
                self._tally[name] = value

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the counters."""
        with self._lock:
            self._tally[name] += by

    def _settle(self, entry: Entry) -> bool:
        if entry.message.kind == "state":
            return self._states.settled(entry)
        entry.done = True
        self._tally["in_flight"] -= 1
        return True

    def _account_dropped(self) -> None:
        for entry in self._backlog.take_dropped():
            if entry.row is not None:
                self._evicted.append(entry)  # not lost: it is on disk
                continue
            entry.done = True
            self._dropped[entry.message.kind] += 1
            self._gap(entry.message, "memory full")

    def _trim_fresh(self) -> None:
        """Let go of what is done, before it is more than what is not."""
        if len(self._fresh) >= self._fresh_limit:
            self._fresh = deque(entry for entry in self._fresh if not entry.done)
            self._fresh_limit = max(_FRESH, 2 * len(self._fresh))

    def _gap(self, message: Outgoing, reason: str) -> None:
        if message.epoch is not None and message.seq is not None:
            self.ledger.dropped(message.epoch, message.seq, reason)
