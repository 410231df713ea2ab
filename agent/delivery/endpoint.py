"""Where the broker is and how to enter."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from agent.config.secret import Secrets
from agent.config.tables import BrokerConfig
from agent.errors import ConfigError

Protocol = Literal["5", "3.1.1"]

_SCHEMES: dict[str, tuple[Literal["tcp", "websockets"], bool, int]] = {
    "mqtt": ("tcp", False, 1883),
    "mqtts": ("tcp", True, 8883),
    "ws": ("websockets", False, 80),
    "wss": ("websockets", True, 443),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A broker and our identity there; its repr shows no password."""

    host: str
    port: int
    client_id: str
    transport: Literal["tcp", "websockets"] = "tcp"
    path: str = "/mqtt"  # of the WebSocket
    tls: bool = False
    ca_file: Path | None = None  # default: the system's authorities
    cert_file: Path | None = None
    key_file: Path | None = None  # default: the key is in cert_file
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30
    protocol: Literal["auto", "5", "3.1.1"] = "auto"

    @classmethod
    def from_url(  # noqa: PLR0913  one argument a key of [broker]
        cls,
        url: str,
        *,
        client_id: str,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        keepalive_s: int = 30,
        protocol: Literal["auto", "5", "3.1.1"] = "auto",
    ) -> "Endpoint":
        """The endpoint of mqtt://, mqtts://, ws:// or wss://; raises ConfigError, which shows no password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as err:
            raise ConfigError("broker.url: the port is not a number between 1 and 65535") from err
        if parts.scheme not in _SCHEMES:
            raise ConfigError(f"broker.url: begins with {' '.join(s + '://' for s in _SCHEMES)}")
        if not parts.hostname:
            raise ConfigError("broker.url: names no host")
        transport, tls, default_port = _SCHEMES[parts.scheme]
        return cls(
            host=parts.hostname,
            port=port or default_port,
            client_id=client_id,
            transport=transport,
            path=parts.path or "/mqtt",
            tls=tls,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
            username=username if parts.username is None else unquote(parts.username),
            password=password if parts.password is None else unquote(parts.password),
            keepalive_s=keepalive_s,
            protocol=protocol,
        )

    @classmethod
    def of(cls, broker: BrokerConfig, secrets: Secrets, *, url: str, client_id: str) -> "Endpoint":
        """The endpoint that [broker] describes, at `url`; raises ConfigError, also for a missing secret."""
        username = secrets.expand(broker.username).reveal() if broker.username is not None else None
        password = secrets.expand(broker.password).reveal() if broker.password is not None else None
        return cls.from_url(
            secrets.expand(url, url=True).reveal(),
            client_id=client_id,
            username=username,
            password=password,
            ca_file=broker.ca_file,
            cert_file=broker.cert_file,
            key_file=broker.key_file,
            keepalive_s=broker.keepalive_s,
            protocol=broker.protocol,
        )

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"
