"""What was read and has not been looked at: bounded, in order, from one thread to another."""

import collections
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

MAX_ITEMS = 256
MAX_BYTES = 256 << 20  # of pixels


@dataclass(frozen=True, slots=True)
class _Placed(Generic[_Item]):
    item: _Item
    size: int


class Belt(Generic[_Item]):
    """A queue that makes its filler wait when it is full: nothing is ever dropped.

    Full is a count of items, or of bytes; one item fits always.
    """

    def __init__(self, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: collections.deque[_Placed[_Item]] = collections.deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether nobody takes anything any more."""
        return self._stopped

    @property
    def has_room(self) -> bool:
        """Whether `put` would not wait."""
        return not self._items or (len(self._items) < self._max_items and self._bytes < self._max_bytes)

    def put(self, item: _Item, size: int) -> None:
        """Wait for room, and place an item of so many bytes; nothing happens when the belt was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self.has_room)
            if not self._stopped:
                self._items.append(_Placed(item, size))
                self._bytes += size
                self._changed.notify_all()

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing more is taken: what lies there is forgotten, and who waits goes on."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> _Item | None:
        """Wait for the next item; None at the end. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._ended or self._stopped, timeout_s):
                raise TimeoutError
            if not self._items:
                return None
            placed = self._items.popleft()
            self._bytes -= placed.size
            self._changed.notify_all()
            return placed.item
