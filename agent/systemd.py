"""Tells systemd how the service fares (sd_notify), and learns how often it wants to hear.

The protocol is a datagram of `KEY=value` lines to the socket that $NOTIFY_SOCKET names: sd_notify(3).
"""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_SEND_TIMEOUT_S: Final = 0.5  # systemd that does not read is no reason to stop watching children


class Notifier:
    """Speaks to the service manager that `environ` names; without one every call does nothing.

    Each call opens a socket of its own: they come every few seconds, and nothing is held open meanwhile.
    None raises; each returns whether the message was delivered.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A path, or `@name` in the abstract namespace; an address of another kind counts as none.
        self._address = address if address.startswith(("/", "@")) else ""
        self.watchdog_interval_s = _watchdog_interval_s(environ)
        """Seconds within which systemd wants each `watchdog` call; None: it does not watch this process."""

    def ready(self, status: str = "") -> bool:
        """The service is up (or has read its configuration again)."""
        return self._tell("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """What `systemctl status` shows: one line."""
        return self._tell(*_status(text))

    def watchdog(self) -> bool:
        """The service was looked at as a whole just now, and is well."""
        return self._tell("WATCHDOG=1")

    def reloading(self) -> bool:
        """The configuration is being read again; `ready` ends it."""
        # The time lets systemd tell an answer to its own request from an earlier one (Type=notify-reload).
        return self._tell(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )

    def stopping(self, status: str = "") -> bool:
        """The service has begun to end."""
        return self._tell("STOPPING=1", *_status(status))

    def _tell(self, *lines: str) -> bool:
        if not self._address:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(_SEND_TIMEOUT_S)
                sock.connect(address)
                sock.send("\n".join(lines).encode())
        except OSError:  # the manager is gone, or its queue is full; the next message may get through
            return False
        return True


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    try:
        interval_us = int(environ["WATCHDOG_USEC"])
        process = int(environ.get("WATCHDOG_PID", os.getpid()))
    except (KeyError, ValueError):
        return None
    return interval_us / 1e6 if interval_us > 0 and process == os.getpid() else None


def _status(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())  # a second line would be another assignment
    return (f"STATUS={line}",) if line else ()
