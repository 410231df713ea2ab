"""Wait for a condition outside the process instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.015


def eventually(check: Callable[[], T], timeout_s: float = 10.0, what: str = "") -> T:
    """Poll `check` until it gives something true, and return that.

    Raises AssertionError with the last value and `what` when `timeout_s` is over. An AssertionError
    inside `check` counts as "not yet", so a check may be written with asserts.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        reason: object
        try:
            value = check()
        except AssertionError as not_yet:
            reason = not_yet
        else:
            if value:
                return value
            reason = value
        if time.monotonic() >= deadline:
            name = what or getattr(check, "__name__", repr(check))
            raise AssertionError(f"not within {timeout_s:g} s: {name}; last seen: {reason!r}")
        time.sleep(POLL_S)
