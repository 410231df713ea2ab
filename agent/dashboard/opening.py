"""What the page is told at its start, as /config.json: where to connect; never a secret."""

import json
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from agent.dashboard.errors import DashboardError

_SCHEMES = ("ws", "wss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What its connect form begins with, and whether it connects without being asked."""

    prefix: str
    broker: str | None = None  # ws:// or wss://, without user and password
    user: str | None = None
    connect: bool = False

    @classmethod
    def at(cls, url: str | None, *, prefix: str, connect: bool) -> Self:
        """At the broker of this URL, if there is one. Raises DashboardError: no browser can connect to it."""
        if url is None:
            return cls(prefix=prefix)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as err:
            raise DashboardError("--broker: is no URL; one is like wss://broker.example:8885/mqtt") from err
        if parts.scheme not in _SCHEMES:
            raise DashboardError(
                "--broker: a browser speaks MQTT over WebSocket: give the ws:// or wss:// address of such a "
                "listener of the broker, like wss://broker.example:8885/mqtt (docs/dashboard.md shows one)"
            )
        if not host:
            raise DashboardError("--broker: names no host; a URL is like wss://broker.example:8885/mqtt")
        if parts.password is not None or parts.query or parts.fragment:
            raise DashboardError(
                "--broker: no password, query or fragment belongs here: all who open the page could read it; "
                "the page asks for the password"
            )
        place = f"[{host}]" if ":" in host else host
        return cls(
            prefix=prefix,
            broker=urlunsplit(
                (parts.scheme, place if port is None else f"{place}:{port}", parts.path, "", "")
            ),
            user=unquote(parts.username) if parts.username else None,
            connect=connect and not parts.username,
        )

    def json_bytes(self) -> bytes:
        """As the page reads it."""
        told = {"broker": self.broker, "prefix": self.prefix, "user": self.user, "connect": self.connect}
        return json.dumps(told).encode() + b"\n"
