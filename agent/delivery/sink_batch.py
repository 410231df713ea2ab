"""What a sink has in hand: taken out of the desk, and not settled. Pure."""

from collections import deque

from agent.delivery.backlog import Entry

BATCH_BYTES = 1 << 20  # nothing is added beyond this
PROBES = 20  # results behind a suspect that may be tried
ENDS = 2  # processes that a result alone in hand has to end before it is suspected


class SinkBatch:
    """Results in order, oldest first; the same ones go again until they are settled.

    After a delivery that ended the sink's process, or took too long, they go one by one. A result is put
    aside as the culprit when it ends processes alone, at least ENDS times, and another one was delivered in
    between: a sink that is broken altogether costs no result. To find that out, those behind a suspect are
    tried in turn with it, and one of them may be delivered before it.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._first = 0  # index of what was sent first
        self._sent = 0  # how many were sent, and are not answered for
        self._one_by_one = False
        self._settled = 0  # ever
        self._settled_before = 0  # when the oldest ended a process for the first time
        self._probe = 0  # index of the last one behind the suspect that was tried

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def room(self) -> bool:
        """Whether another one may be added."""
        if self._one_by_one:
            return self._suspected and len(self._entries) <= min(self._probe + 1, PROBES)
        if self._entries and self._entries[0].sends > 0:
            return False  # a batch that is tried again is the same, and so are its key and its body
        return len(self._entries) < self._count and self._bytes < BATCH_BYTES

    @property
    def sent(self) -> int:
        """How many the sink has, and has not answered for."""
        return self._sent

    def add(self, entry: Entry) -> None:
        """Take one more in."""
        self._entries.append(entry)
        self._bytes += entry.size_bytes

    def due_s(self, wait_s: float) -> float | None:
        """From when (monotonic) it is to be sent, when others are waited for that long; None: it is empty."""
        if not self._entries:
            return None
        oldest = self._entries[0]
        full = len(self._entries) >= self._count or self._bytes >= BATCH_BYTES
        at_once = full or oldest.late or oldest.sends > 0
        return 0.0 if at_once else oldest.accepted_s + wait_s

    def send(self) -> list[Entry]:
        """What is handed over now."""
        probed, self._first = self._first > 0, 0
        self._sent = len(self._entries)
        if self._one_by_one:
            self._sent = 1
            if self._suspected and not probed and len(self._entries) > 1:
                self._probe = self._probe % (len(self._entries) - 1) + 1
                self._first = self._probe
        sent = [self._entries[self._first + index] for index in range(self._sent)]
        for entry in sent:
            entry.sends += 1
        return sent

    def settle(self, count: int) -> list[Entry]:
        """The oldest `count` of what was sent are done with."""
        settled = [self._remove(self._first) for _ in range(min(count, self._sent))]
        self._settled += len(settled)
        self._sent = 0
        if not self._entries:
            self._one_by_one = False
        return settled

    def ended(self, *, by_itself: bool) -> Entry | None:
        """The process is gone, `by_itself` if nobody ended it; the culprit is taken out, if it is found."""
        sent, self._sent = self._sent, 0
        if not sent:
            return None
        self._one_by_one = True
        oldest = self._entries[0]
        if sent > 1 or self._first or not by_itself:
            return None
        if not oldest.ends:
            self._settled_before = self._settled
        oldest.ends += 1
        if oldest.ends < ENDS or self._settled == self._settled_before:
            return None
        self._one_by_one = len(self._entries) > 1
        return self._remove(0)

    @property
    def _suspected(self) -> bool:
        """Whether another one has to show that the oldest is the culprit, and not the sink."""
        return bool(self._entries) and self._entries[0].ends >= ENDS and self._settled == self._settled_before

    def _remove(self, index: int) -> Entry:
        entry = self._entries[index]
        del self._entries[index]
        self._bytes -= entry.size_bytes
        if index == 0:
            self._probe = 0
        return entry
