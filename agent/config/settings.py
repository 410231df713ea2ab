"""All settings, and how they are read: command line over environment over file over defaults."""

import difflib
import os
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from agent.config.algorithms import AlgorithmConfig
from agent.config.problems import problems_of
from agent.config.secret import redact_url
from agent.config.streams import StreamConfig
from agent.config.tables import (
    BrokerConfig,
    DeliveryConfig,
    DeviceConfig,
    HealthConfig,
    LogConfig,
    PathsConfig,
    SecurityConfig,
)
from agent.errors import ConfigError

ENV_PREFIX = "VEDETTE_"
_OTHERS = ("VEDETTE_SECRET_", "VEDETTE_TEST_")  # ours, but no settings
PLACES = (Path("agent.toml"), Path("/etc/vedette/agent.toml"))

_file: ContextVar[Mapping[str, Any]] = ContextVar("_file")  # what the file says, while it is being read


class Settings(BaseSettings):
    """Everything that agent.toml may say."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, nested_model_default_partial_update=True
    )

    device: DeviceConfig = Field(default_factory=DeviceConfig)
    broker: BrokerConfig = Field(default_factory=BrokerConfig)
    delivery: DeliveryConfig = Field(default_factory=DeliveryConfig)
    paths: PathsConfig = Field(default_factory=PathsConfig)
    security: SecurityConfig = Field(default_factory=SecurityConfig)
    health: HealthConfig = Field(default_factory=HealthConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    streams: tuple[StreamConfig, ...] = ()
    algorithms: tuple[AlgorithmConfig, ...] = ()
    config_file: Path | None = Field(default=None, exclude=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not read
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First wins, key by key."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, dict(_file.get({})))

    @model_validator(mode="after")
    def _names_fit(self) -> "Settings":
        problems = _cross_check(
            [stream.id for stream in self.streams],
            [algorithm.id for algorithm in self.algorithms],
            [algorithm.streams for algorithm in self.algorithms],
        )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def redacted(self) -> dict[str, Any]:
        """Everything as plain values without secrets; `{secret:name}` stays, since it tells nothing."""
        plain = self.model_dump(mode="json")
        password = plain["broker"]["password"]
        if password is not None and not password.startswith("{secret:"):
            plain["broker"]["password"] = "***"  # noqa: S105  it is none
        return _redacted(plain)  # type: ignore[no-any-return]


def load_settings(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force. Raises ConfigError that lists every problem, one a line."""
    path = config or next((place for place in PLACES if place.exists()), None)
    content = _read(path) if path is not None else {}
    problems = list(_unknown_variables(os.environ))
    token = _file.set(content)
    try:
        settings = Settings(**(overrides or {}), config_file=path)
    except ValidationError as err:
        found = [line for problem in problems_of(err, Settings) for line in problem.split("\n")]
        found += [line for line in _cross_check_raw(content) if line not in found]
        problems += [_with_id(line, content) for line in found]
    except SettingsError as err:
        problems.append(f"environment: {err}; lists and tables are written as JSON")
    finally:
        _file.reset(token)
    if problems:
        where = f"{path}: " if path is not None else ""
        raise ConfigError(f"{where}the configuration cannot be used:\n" + "\n".join(f"  {p}" for p in problems))
    return settings


def _cross_check(
    streams: Sequence[str], algorithms: Sequence[str], asked: Sequence[Sequence[str]]
) -> list[str]:
    """What only shows when all items are seen together."""
    problems = []
    for name, ids in (("streams", streams), ("algorithms", algorithms)):
        problems += [f"{name}: the id {key!r} is there {n} times" for key, n in Counter(ids).items() if n > 1]
    for index, names in enumerate(asked):
        for stream in names:
            if stream != "*" and stream not in streams:
                near = difflib.get_close_matches(stream, streams, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                problems.append(f"algorithms[{index}].streams: there is no stream {stream!r}{hint}")
    return problems


def _cross_check_raw(content: Mapping[str, Any]) -> list[str]:
    """The same for a file that has other problems, too, as far as it can be read."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for name in ("streams", "algorithms"):
        items = content.get(name, [])
        tables[name] = [i for i in items if isinstance(i, dict)] if isinstance(items, list) else []
    asked = [item.get("streams", ["*"]) for item in tables["algorithms"]]
    return _cross_check(
        [str(item.get("id")) for item in tables["streams"]],
        [str(item.get("id")) for item in tables["algorithms"]],
        [[str(name) for name in names] if isinstance(names, list) else [] for names in asked],
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path} is not UTF-8 text (byte {err.start})") from err
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"{path} is no TOML: {err}") from err
    if "config_file" in content:
        raise ConfigError(f"{path}: config_file: unknown key")
    return content


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    names = []
    for table, field in Settings.model_fields.items():
        names.append(f"{ENV_PREFIX}{table.upper()}")
        keys = getattr(field.annotation, "model_fields", {})
        names += [f"{ENV_PREFIX}{table.upper()}__{key.upper()}" for key in keys]
    for variable in environ:
        if variable.upper().startswith(ENV_PREFIX) and not variable.startswith(_OTHERS):
            known = variable.upper() in names or variable.upper().startswith(f"{ENV_PREFIX}DEVICE__LABELS__")
            if not known:
                near = difflib.get_close_matches(variable.upper(), names, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield f"environment: {variable}: unknown setting{hint}"


def _with_id(line: str, content: Mapping[str, Any]) -> str:
    """Names the item of a list, which people know by its id."""
    for table in ("streams", "algorithms"):
        head, bracket, rest = line.partition(f"{table}[")
        index, closing, tail = rest.partition("]")
        items = content.get(table)
        if head or not bracket or not closing or not isinstance(items, list) or not index.isdigit():
            continue
        item = items[int(index)] if int(index) < len(items) else None
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            return f"{table}[{index}] ({item['id']}){tail}"
    return line


def _redacted(value: Any) -> Any:  # noqa: ANN401  any plain tree
    if isinstance(value, str):
        return redact_url(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value
