"""What the agent tells its service manager, by the protocol of sd_notify(3); without one, nothing."""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends to $NOTIFY_SOCKET; a manager that does not listen is none of our business."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        ours = not pid or pid == str(os.getpid())
        self.watchdog_interval_s: float | None = int(usec) / 1e6 if usec.isdigit() and ours else None

    def ready(self) -> None:
        """Start-up is through; also the end of a reload."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def watchdog(self) -> None:
        """Everything was looked at, and moves."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """agent.toml is being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(message.encode(), self._address)
        except OSError:
            return  # the manager is gone, and will notice that we are, too
