"""The two clocks of commands, as one argument: tests bring their own."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is told and remembered, monotonic time for rates."""

    def now_us(self) -> int:
        """Integer microseconds since the Unix epoch."""

    def monotonic_s(self) -> float:
        """Seconds that only grow."""


class SystemClock:
    """The clocks of this machine."""

    def now_us(self) -> int:
        """Integer microseconds since the Unix epoch."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()
