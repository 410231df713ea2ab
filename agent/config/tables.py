"""The tables of agent.toml that are not lists."""

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agent.config.ids import ID_PATTERN, Id
from agent.config.numbers import Number, Whole

BROKER_SCHEMES = ("mqtt", "mqtts", "ws", "wss")
EMBEDDED = "embedded"
_PREFIX = r"^[^+#$\s/][^+#\s]*$"


def host_name() -> str:
    """The machine's name as an id."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64]
    return name if re.fullmatch(ID_PATTERN, name) else "vedette"


def default_state_dir() -> Path:
    """Where systemd says, else the user's state folder."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "vedette"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DeviceConfig(_Table):
    """What this device is called."""

    id: Id = Field(default_factory=host_name, description="name in every topic; default: the host's name")
    groups: tuple[Id, ...] = Field(default=(), description="groups it belongs to, told in `info`")
    labels: dict[str, str] = Field(default={}, description="anything else worth knowing, told in `info`")


class BrokerConfig(_Table):
    """The MQTT broker."""

    url: str = Field(
        default="mqtt://127.0.0.1:1883",
        description=(
            "`mqtt://`, `mqtts://` (TLS), `ws://` or `wss://` host[:port]; `embedded`: a broker inside, on "
            "loopback only, for trying out"
        ),
    )
    username: str | None = Field(default=None, description="user name; default: none")
    password: str | None = Field(default=None, repr=False, description="password, best as `{secret:name}`")
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="default: `vedette-` and the device's id"
    )
    ca_file: Path | None = Field(default=None, description="certificates to trust; default: the system's")
    cert_file: Path | None = Field(default=None, description="client certificate (PEM)")
    key_file: Path | None = Field(default=None, description="its key (PEM)")
    topic_prefix: str = Field(
        default="vedette/v1", max_length=128, pattern=_PREFIX, description="beginning of every topic"
    )
    keepalive_s: Whole = Field(
        default=30, ge=5, le=3600, description="seconds without a message after which the link is tested"
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        default="auto", description="version of MQTT; auto: 5, and 3.1.1 if the broker refuses that"
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        scheme, found, rest = url.partition("://")
        if url != EMBEDDED and (not found or scheme not in BROKER_SCHEMES or not rest):
            raise ValueError("must be mqtt://, mqtts://, ws:// or wss:// and a host, or `embedded`")
        return url

    @model_validator(mode="after")
    def _certificates_fit(self) -> Self:
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        given = {name: path for name, path in files.items() if path is not None}
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file: needs cert_file, too")
        if given and not self.url.startswith(("mqtts://", "wss://")):
            raise ValueError(f"{next(iter(given))}: needs a broker URL with TLS, mqtts:// or wss://")
        for name, path in given.items():
            try:
                with path.open("rb"):
                    pass
            except OSError as err:
                raise ValueError(f"{name}: {path} cannot be read: {err.strerror}") from err
        return self


class DeliveryConfig(_Table):
    """How results get to the broker."""

    codec: Literal["msgpack", "json", "both"] = Field(
        default="msgpack", description="of results; json ones go to `…/result.json`"
    )
    durability: Literal["lazy", "strict"] = Field(
        default="lazy",
        description="lazy: on disk if not acknowledged within 50 ms; strict: on disk before it is sent",
    )
    spool_max_bytes: Whole = Field(
        default=268_435_456,
        ge=1_048_576,
        description="disk for what waits for the broker; beyond it the oldest are dropped, and counted",
    )
    spool_max_age_s: Whole = Field(
        default=604_800, ge=60, description="seconds; what waits longer is dropped, and counted"
    )
    drain_rate: Whole = Field(
        default=200,
        ge=1,
        le=100_000,
        description="messages a second, at most, of those sent late, after an outage",
    )


class PathsConfig(_Table):
    """Folders and files on this machine."""

    state_dir: Path = Field(
        default_factory=default_state_dir,
        description="what the agent remembers; default: $STATE_DIRECTORY, else the user's state folder",
    )
    algorithms: Path | None = Field(default=None, description="folder of algorithm files, `*.py`")
    media_roots: tuple[Path, ...] = Field(
        default=(), description="folders whose files a command may name as a source"
    )
    secrets: Path | None = Field(
        default=None, description="folder of secrets, a file each, beside $CREDENTIALS_DIRECTORY"
    )


class SecurityConfig(_Table):
    """What comes over MQTT may do; the file itself is trusted."""

    source_schemes: tuple[str, ...] = Field(
        default=("rtsp", "rtsps", "http", "https", "file", "usb", "test"),
        description="kinds of sources that a command may add",
    )
    source_hosts: tuple[str, ...] = Field(
        default=(),
        description="networks (`10.0.0.0/8`) or host names a command may name; empty: all but loopback, "
        "link-local and metadata addresses",
    )
    max_payload_bytes: Whole = Field(
        default=262_144, ge=1024, le=16_777_216, description="of a command; larger ones get 413"
    )
    commands_per_s: Number = Field(default=20.0, gt=0, le=10_000, description="faster ones get 429")


class HealthConfig(_Table):
    """What can be asked on the spot."""

    listen: str = Field(
        default="127.0.0.1:9464",
        pattern=r"^$|^.+:\d{1,5}$",
        description="address and port for /metrics, /livez and /readyz, not served yet; empty: none",
    )


class LogConfig(_Table):
    """What is logged, to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level")
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, else JSON, one event a line"
    )
