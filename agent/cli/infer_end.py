"""How an inference of the command line is ended early: by Ctrl-C or SIGTERM, between two results."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """While it is entered, both signals raise KeyboardInterrupt; a first one waits for what is `held`.

    What is raised may be lost: Python only prints what comes up while an object is being deleted. So that a
    signal came is remembered, and whoever goes on for long looks at `has_come`.
    """

    def __init__(self) -> None:
        self._is_held = self._has_come = False

    @property
    def has_come(self) -> bool:
        """Whether a signal came."""
        return self._has_come

    @contextmanager
    def taken(self) -> Iterator[None]:
        """SIGTERM ends the block as Ctrl-C does."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A result is written whole and counted; a second signal does not wait, should that hang."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._has_come:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        waits, self._has_come = self._is_held and not self._has_come, True
        if not waits:
            raise KeyboardInterrupt(number)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
