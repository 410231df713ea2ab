"""Messages in flight: sent, and not yet acknowledged. Pure."""

from agent.delivery.backlog import Entry

WINDOW = 100  # measured: 500 is slower than 100
ENDS = 2  # connections that a message alone in flight may end before it is put aside
_SUSPECT_S = 2.0  # a connection that a message ends, ends soon after it


class Window:
    """At most `limit` messages without an answer, at most half of them late ones.

    A broker may close the connection over one message, again and again (one too large for it, say, with
    MQTT 3.1.1). When a connection was ended by the other side with messages in flight, these are sent one
    at a time on the next connection, so that the culprit is found and does not block the rest for ever.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Entry, float]] = {}
        self._late = 0
        self._limit = WINDOW
        self.cautious = False  # one message at a time, in search of the one that ends connections

    def __len__(self) -> int:
        return len(self._entries)

    def open(self, receive_max: int) -> None:
        """Begin with a new connection."""
        self._limit = max(1, min(WINDOW, receive_max))

    @property
    def room(self) -> bool:
        """Whether another message may be sent."""
        return len(self._entries) < (1 if self.cautious else self._limit)

    @property
    def late_room(self) -> bool:
        """Whether another late message may be sent: half of the window is kept for live ones."""
        return self.room and not self.cautious and self._late < max(1, self._limit // 2)

    @property
    def oldest_s(self) -> float | None:
        """When the oldest message in flight was sent."""
        return next((sent_s for _, sent_s in self._entries.values()), None)

    def add(self, mid: int, entry: Entry, now_s: float) -> None:
        """`entry` was sent as `mid`."""
        self._entries[mid] = (entry, now_s)
        self._late += entry.late

    def answered(self, mid: int) -> Entry | None:
        """The broker has answered for `mid`: its entry, or None for an id that is not ours."""
        found = self._entries.pop(mid, None)
        if found is None:
            return None
        entry = found[0]
        self._late -= entry.late
        return entry

    def ended(self, *, by_peer: bool, now_s: float) -> list[Entry]:
        """The connection is over: what was in flight, in the order it was sent."""
        entries = [entry for entry, _ in self._entries.values()]
        recent = any(now_s - sent_s < _SUSPECT_S for _, sent_s in self._entries.values())
        if by_peer and recent and len(entries) == 1:
            entries[0].ends += 1
        self.cautious = self.cautious or (by_peer and recent)
        self._entries.clear()
        self._late = 0
        return entries
