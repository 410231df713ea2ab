"""When messages go to disk and when they come back: the two promises of durability.

"lazy": what the broker has not acknowledged within 50 ms is written, in batches; on a healthy link nothing
is. A kill of the agent loses at most what it accepted in its last 50 ms (and what a batch takes to be
written). "strict": nothing is sent before it is on disk. A disk that refuses stops neither: messages then
stay in memory, within its limits, and the disk is tried again.
"""

import time
from collections import deque
from typing import Literal

from agent.delivery.backlog import Entry
from agent.delivery.desk import Desk
from agent.delivery.spool import Spool

Durability = Literal["lazy", "strict"]

LAZY_S = 0.05
_DELETE_S = 0.2  # rows of acknowledged messages are deleted together
_DELETE_ROWS = 500
_BATCH = 1_000
_AHEAD = 64  # rows read at once
_TIDY_S = 10.0


class Saver:
    """Moves messages between the desk and the spool; used by the delivery thread only."""

    def __init__(self, desk: Desk, spool: Spool, durability: Durability, *, lazy_s: float = LAZY_S) -> None:
        self._desk = desk
        self._spool = spool
        self._wait_s = lazy_s if durability == "lazy" else 0.0
        self._strict = desk.ledger.strict = durability == "strict"
        self._ahead: deque[Entry] = deque()  # read, to be sent next
        self._delete_s: float | None = None
        self._tidy_s = time.monotonic() + _TIDY_S
        desk.remember(spool.dead())
        self._report()

    def turn(self, now_s: float, *, linked: bool) -> None:
        """Write what is due, delete what is settled, move what need not be in memory."""
        self._desk.refresh(self._spool.take_lost())
        if now_s >= self._spool.retry_s:
            self._write(now_s - self._wait_s)  # one batch a turn: each turn is a sign of life
        self._desk.only_saved(only=self._strict and self._spool.works)
        for entry in self._desk.take_evicted(linked=linked):
            self._spool.release(entry)
        due = self._delete_s is not None and (
            now_s >= self._delete_s or self._spool.deletions >= _DELETE_ROWS
        )
        if (due or now_s >= self._tidy_s) and now_s >= self._spool.retry_s:
            self._spool.flush()
            self._delete_s, self._tidy_s = None, now_s + _TIDY_S
            self._keep_dead()
        self._report()

    def due_s(self) -> float:
        """When the next turn is needed at the latest."""
        due = self._tidy_s
        if self._delete_s is None and self._desk.ledger.is_dirty:
            self._delete_s = time.monotonic() + _DELETE_S
        if self._delete_s is not None:
            due = min(due, self._delete_s)
        fresh_s = self._desk.fresh_since()
        if fresh_s is not None:
            due = min(due, fresh_s + self._wait_s)
        return max(due, self._spool.retry_s)

    def settled(self, entry: Entry) -> None:
        """The broker has answered for `entry`."""
        if entry.row is not None:
            self._spool.forget(entry)
            if self._delete_s is None:
                self._delete_s = time.monotonic() + _DELETE_S

    @property
    def waiting(self) -> bool:
        """Whether something on disk waits to be sent."""
        return bool(self._ahead) or self._spool.on_disk > 0

    def next(self) -> Entry | None:
        """The oldest message that is only on disk, events first."""
        if not self._ahead:
            self._ahead.extend(self._spool.read(_AHEAD))
        if not self._ahead:
            return None
        self._desk.count("in_flight")
        return self._ahead.popleft()

    def end(self) -> None:
        """Write everything that is left, and settle the books, also if the disk has just refused."""
        self._spool.insist()
        while self._write(time.monotonic()) == _BATCH:
            pass
        self._desk.ledger.end()
        self._spool.flush()
        self._keep_dead()
        for entry in self._desk.take_evicted(linked=False):
            self._spool.release(entry)
        for entry in self._ahead:
            self._spool.release(entry)
        self._report()

    def _write(self, accepted_before_s: float) -> int:
        """Write one batch; how many."""
        batch = self._desk.take_fresh(accepted_before_s, _BATCH)
        if not batch:
            return 0
        rows = self._spool.write(batch)
        if rows is None:
            self._desk.refresh(batch)
            return 0
        for entry in self._desk.saved(batch, rows):
            self._spool.forget(entry)
        return len(batch)

    def _keep_dead(self) -> None:
        if self._desk.take_dead_changed():
            self._spool.keep_dead(self._desk.dead_letters())

    def _report(self) -> None:
        self._desk.disk(
            on_disk=self._spool.on_disk + len(self._ahead),
            disk_bytes=self._spool.bytes,
            disk_errors=self._spool.errors,
            recovered=self._spool.recovered,
        )
