"""Retained states: of each topic only the last one matters. Pure."""

from dataclasses import dataclass

from agent.delivery.backlog import Entry


@dataclass(slots=True)
class _Slot:
    entry: Entry
    settled: bool = False  # the broker has answered for it at least once


class States:
    """The current state of every topic, at most `count` topics: further ones are refused (`put` is False).

    After each new connection everything is sent again: the broker may have been replaced, or may have
    published our last will. An empty payload clears a topic; it is forgotten once the broker has it.
    """

    def __init__(self, count: int = 4_096) -> None:
        self._count = count
        self._slots: dict[str, _Slot] = {}
        self._due: dict[str, None] = {}  # topics to send, oldest first
        self.superseded = 0
        self.republished = 0

    def __len__(self) -> int:
        return len(self._due)

    @property
    def unsettled(self) -> int:
        """Topics for whose current state the broker has never answered."""
        return sum(not slot.settled for slot in self._slots.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of what is to be sent."""
        return sum(self._slots[topic].entry.size_bytes for topic in self._due)

    def put(self, entry: Entry) -> bool:
        """Replace the state of the topic; False when there is no room for another topic."""
        topic = entry.message.topic
        old = self._slots.get(topic)
        if old is None and len(self._slots) >= self._count:
            return False
        if old is not None and not old.settled:
            self.superseded += 1
        self._slots[topic] = _Slot(entry)
        self._due.setdefault(topic)
        return True

    def next(self) -> Entry | None:
        """The state that is due for longest, taken off the list."""
        if not self._due:
            return None
        topic = next(iter(self._due))
        del self._due[topic]
        return self._slots[topic].entry

    def settled(self, entry: Entry) -> bool:
        """The broker has answered for `entry`: whether that is its first answer for a current state."""
        topic = entry.message.topic
        slot = self._slots.get(topic)
        if slot is None or slot.entry is not entry:
            return False  # counted as superseded when the newer one came
        if not entry.message.payload:
            del self._slots[topic]
        if slot.settled:
            self.republished += 1
            return False
        slot.settled = True
        return True

    def forget(self, entry: Entry) -> None:
        """Send this state never again: it ends connections."""
        slot = self._slots.get(entry.message.topic)
        if slot is not None and slot.entry is entry:
            del self._slots[entry.message.topic]
            self._due.pop(entry.message.topic, None)

    def all_due(self) -> None:
        """There is a new connection: everything is to be sent."""
        self._due = dict.fromkeys(self._slots)
