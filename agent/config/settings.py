"""All settings, and how they are read: command line over environment over file over defaults."""

import difflib
import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from agent.config.algorithms import AlgorithmConfig
from agent.config.environment import DELIMITER, PREFIX, unusable_variables, variable, with_variable
from agent.config.ids import ID_PATTERN
from agent.config.problems import problems_of
from agent.config.secret import HIDDEN, ONLY_SECRETS, redact_url
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

PLACES = (Path("agent.toml"), Path("/etc/vedette/agent.toml"))

_file: ContextVar[Mapping[str, Any]] = ContextVar("_file")  # what the file says, while it is being read


class Settings(BaseSettings):
    """Everything that agent.toml may say."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True
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
        if isinstance(env_settings, EnvSettingsSource):  # one that is broken would hide all other problems
            unusable = {name.upper() for name in unusable_variables(_tables(), os.environ)}
            env_settings.env_vars = {
                name: value for name, value in env_settings.env_vars.items() if name.upper() not in unusable
            }
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
        if password is not None and not ONLY_SECRETS.fullmatch(password):
            plain["broker"]["password"] = HIDDEN
        return _redacted(plain)  # type: ignore[no-any-return]


def load_settings(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force. Raises ConfigError that lists every problem, one a line."""
    path = config or _find()
    content = _read(path) if path is not None else {}
    problems = list(unusable_variables(_tables(), os.environ).values())
    token = _file.set(content)
    try:
        settings = Settings(**(overrides or {}), config_file=path)
    except ValidationError as err:
        found = [line for problem in problems_of(err, Settings) for line in problem.split("\n")]
        found += [line for line in _cross_check_raw({**content, **(overrides or {})}) if line not in found]
        overruled = {variable(table, key) for table, keys in (overrides or {}).items() for key in _keys(keys)}
        in_force = {name: value for name, value in os.environ.items() if name.upper() not in overruled}
        problems += [with_variable(_with_id(line, content), in_force) for line in found]
    finally:
        _file.reset(token)
    if problems:
        where = f"{path}: " if path is not None else ""
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigError(f"{where}the configuration cannot be used:{lines}")
    return settings


def _tables() -> dict[str, Any]:
    """The tables of agent.toml: name to type."""
    fields = Settings.model_fields.items()
    return {name: field.annotation for name, field in fields if name != "config_file"}


def _keys(table: object) -> list[str]:
    return list(table) if isinstance(table, Mapping) else []


def _find() -> Path | None:
    for place in PLACES:
        try:
            place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as err:
            raise ConfigError(f"{place} cannot be read: {err.strerror}") from err
        return place
    return None


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
        if variable(name) in map(str.upper, os.environ) or not isinstance(items, list | tuple):
            return []  # what is there instead of the file's cannot be read from here
        tables[name] = [item if isinstance(item, dict) else {} for item in items]
    ids = {name: [item["id"] for item in items if "id" in item] for name, items in tables.items()}
    asked = [item.get("streams", []) for item in tables["algorithms"]]
    return _cross_check(
        [key for key in ids["streams"] if isinstance(key, str)],
        [key for key in ids["algorithms"] if isinstance(key, str)],
        [[name for name in names if _is_id(name)] if isinstance(names, list) else [] for names in asked],
    )


def _is_id(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(ID_PATTERN, name) is not None


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
