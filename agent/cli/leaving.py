"""How commands that go on until they are told end: by Ctrl-C, SIGTERM, or a terminal that goes away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted_by_signals() -> None:
    """Have each of them raise KeyboardInterrupt."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)


@contextmanager
def deaf_when_leaving() -> Iterator[None]:
    """From the end of the block on, a second Ctrl-C cannot leave anything half ended."""
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
