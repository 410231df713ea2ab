"""The tables of agent.toml that are not lists."""

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from agent.config.addresses import host_or_network, listen_address, source_scheme, url_problem
from agent.config.ids import ID_PATTERN, Id
from agent.config.keys import MAX_KEYS, Keys
from agent.config.numbers import Number, Whole
from agent.config.patterns import TOPIC_PREFIX_PATTERN
from agent.config.table import Table

BROKER_SCHEMES = ("mqtt", "mqtts", "ws", "wss")
EMBEDDED = "embedded"
_TLS = ("mqtts://", "wss://")
_MAX_PEM_BYTES = 4_194_304  # beyond any bundle of authorities


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


def _named(path: object) -> object:
    if path == "":
        raise ValueError("must not be empty; leave the key out for the default")
    if isinstance(path, str) and "\0" in path:
        raise ValueError("has a NUL character in it")
    return path


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has control characters in it")
    return text


_Path = Annotated[Path, BeforeValidator(_named)]  # "" would be the folder the agent was started in


class DeviceConfig(Table):
    """What this device is called."""

    id: Id = Field(default_factory=host_name, description="name in every topic; default: the host's name")
    groups: tuple[Id, ...] = Field(default=(), description="groups it belongs to, told in `info`")
    labels: dict[str, str] = Field(default={}, description="anything else worth knowing, told in `info`")


class BrokerConfig(Table):
    """The MQTT broker."""

    url: str = Field(
        default="mqtt://127.0.0.1:1883",
        description=(
            "`mqtt://`, `mqtts://` (TLS), `ws://` or `wss://` host[:port]; `embedded`: a broker inside, on "
            "loopback only, for trying out"
        ),
    )
    username: Annotated[str, StringConstraints(max_length=1024), AfterValidator(_printable)] | None = Field(
        default=None, description="user name; default: none"
    )
    password: str | None = Field(default=None, repr=False, description="password, best as `{secret:name}`")
    client_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)] | None
    ) = Field(default=None, description="default: `vedette-` and the device's id")
    ca_file: _Path | None = Field(default=None, description="certificates to trust; default: the system's")
    cert_file: _Path | None = Field(default=None, description="client certificate (PEM)")
    key_file: _Path | None = Field(
        default=None, validate_default=True, description="its key (PEM); default: it is in cert_file"
    )
    topic_prefix: str = Field(
        default="vedette/v1",
        max_length=128,
        pattern=TOPIC_PREFIX_PATTERN,
        description="beginning of every topic",
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
        if url != EMBEDDED and (problem := url_problem(url)) is not None:
            raise ValueError(problem)
        return url

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _certificates_fit(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("cert_file")  # also None while it is looked at itself, or wrong
        if path is None:
            if info.field_name == "key_file" and certificate is not None and not _has_key(certificate):
                raise ValueError("is missing: cert_file has no private key in it")
            return None
        if info.field_name == "key_file" and "cert_file" in info.data and certificate is None:
            raise ValueError("needs cert_file, too")
        if not info.data.get("url", _TLS[0]).startswith(_TLS):
            raise ValueError("needs a broker URL with TLS, mqtts:// or wss://")
        _read(path)
        return path


def _has_key(certificate: Path) -> bool:
    return b"PRIVATE KEY-----" in _read(certificate)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_PEM_BYTES)
    except OSError as err:
        raise ValueError(f"{path} cannot be read: {err.strerror}") from err


class DeliveryConfig(Table):
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
    unmatched: Literal["deliver", "keep"] = Field(
        default="deliver",
        description="a result that no subscriber wanted, if the broker says so (MQTT 5): with `keep` it is "
        "sent again once there is one",
    )
    events_max_bytes: Whole | None = Field(
        default=None, ge=65_536, description="of these, for events, which are dropped last; default: all"
    )
    events_max_age_s: Whole | None = Field(default=None, ge=60, description="default: spool_max_age_s")
    results_max_bytes: Whole | None = Field(
        default=None, ge=65_536, description="likewise for results; default: all"
    )
    results_max_age_s: Whole | None = Field(default=None, ge=60, description="default: spool_max_age_s")
    metrics_max_bytes: Whole = Field(
        default=8_388_608, ge=65_536, description="likewise for metrics, which are dropped first"
    )
    metrics_max_age_s: Whole = Field(default=86_400, ge=60, description="likewise")


class PathsConfig(Table):
    """Folders and files on this machine."""

    state_dir: _Path = Field(
        default_factory=default_state_dir,
        description="what the agent remembers; default: $STATE_DIRECTORY, else the user's state folder",
    )
    algorithms: _Path | None = Field(default=None, description="folder of algorithm files, `*.py`")
    media_roots: tuple[_Path, ...] = Field(
        default=(), description="folders whose files a command may name as a source"
    )
    secrets: _Path | None = Field(
        default=None, description="folder of secrets, a file each, beside $CREDENTIALS_DIRECTORY"
    )


class SecurityConfig(Table):
    """What comes over MQTT may do; the file itself is trusted."""

    source_schemes: tuple[Annotated[str, AfterValidator(source_scheme)], ...] = Field(
        default=("rtsp", "rtsps", "http", "https", "file", "usb", "test"),
        description="kinds of sources that a command may add",
    )
    source_hosts: tuple[Annotated[str, AfterValidator(host_or_network)], ...] = Field(
        default=(),
        description="networks (`10.0.0.0/8`) or host names a command may name; empty: all but loopback, "
        "link-local and metadata addresses",
    )
    max_payload_bytes: Whole = Field(
        default=262_144, ge=1024, le=16_777_216, description="of a command; larger ones get 413"
    )
    commands_per_s: Number = Field(
        default=20.0,
        gt=0,
        le=10_000,
        description="of one client, told by its response topic; faster ones get 429",
    )
    all_commands_per_s: Number = Field(
        default=100.0,
        gt=0,
        le=10_000,
        description="of all clients together; when that is less than each may send, they share it evenly",
    )
    keys: Keys = Field(
        default={},
        max_length=MAX_KEYS,
        description="keys that may sign commands, by name: `[security.keys.NAME]`",
    )
    require_signature: bool = Field(
        default=False,
        description="refuse commands that none of the keys has signed, with 401; without it, signatures are "
        "checked where there is one",
    )

    @field_validator("require_signature")
    @classmethod
    def _somebody_can_sign(cls, required: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic's way
        if required and not info.data.get("keys", True):  # not there: it is wrong, and told already
            raise ValueError("needs a key in [security.keys.NAME]; `vedette keys new` makes one")
        return required


class LimitsConfig(Table):
    """What the agent takes on."""

    admission: Literal["off", "warn", "strict"] = Field(
        default="warn",
        description="a command that asks for more than the processor has left, by estimate: `warn` says so "
        "in the reply, `strict` refuses it with 409",
    )
    cores: Number | None = Field(
        default=None, gt=0, le=4096, description="what the agent may use; default: all that it is given"
    )


class RecordingsConfig(Table):
    """What `record` of algorithms leaves on this machine."""

    folder: _Path | None = Field(
        default=None,
        description="where recordings lie, each in `ALGORITHM/STREAM/`; the agent deletes the oldest in it; "
        "default: `recordings` in the state folder",
    )
    segment_s: Number = Field(default=600.0, ge=1, le=86_400, description="seconds of a file")
    max_bytes: Whole = Field(
        default=10_737_418_240, ge=1_048_576, description="of all recordings; the oldest are deleted"
    )
    keep_free_bytes: Whole = Field(
        default=536_870_912,
        ge=0,
        description="of the disk, for everything else: rather than take these, "
        "the oldest recordings are deleted, and at last none is made",
    )


class HealthConfig(Table):
    """What can be asked on the spot."""

    listen: Annotated[str, AfterValidator(listen_address)] = Field(
        default="127.0.0.1:9464",
        description="address and port for /metrics, /livez and /readyz; empty: none",
    )
    publish_s: Number = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="seconds from digest to digest on the metrics topic; 0: none",
    )


class LogConfig(Table):
    """What is logged, to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level")
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, else JSON, one event a line"
    )
