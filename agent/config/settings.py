"""All settings, and how they are read: command line over environment over file over defaults."""

import os
import re
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

from agent.config.addresses import source_problem
from agent.config.algorithms import AlgorithmConfig
from agent.config.document import read_toml
from agent.config.environment import DELIMITER, PREFIX, json_of, unusable_variables, with_variable
from agent.config.homeassistant import HomeAssistantConfig
from agent.config.ids import ID_PATTERN, MAX_ITEMS
from agent.config.nearest import did_you_mean
from agent.config.problems import MAX_PROBLEMS, problems_of, readable
from agent.config.secret import redacted
from agent.config.sinks import SinkConfig
from agent.config.streams import StreamConfig
from agent.config.tables import (
    BrokerConfig,
    DeliveryConfig,
    DeviceConfig,
    HealthConfig,
    LimitsConfig,
    LogConfig,
    PathsConfig,
    RecordingsConfig,
    SecurityConfig,
)
from agent.errors import ConfigError

PLACES = (Path("agent.toml"), Path("/etc/vedette/agent.toml"))

_file: ContextVar[Mapping[str, Any]] = ContextVar("_file")  # what the file says, while it is being read


class Settings(BaseSettings):
    """Everything that agent.toml may say."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    device: DeviceConfig = Field(default_factory=DeviceConfig)
    broker: BrokerConfig = Field(default_factory=BrokerConfig)
    delivery: DeliveryConfig = Field(default_factory=DeliveryConfig)
    paths: PathsConfig = Field(default_factory=PathsConfig)
    security: SecurityConfig = Field(default_factory=SecurityConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    recordings: RecordingsConfig = Field(default_factory=RecordingsConfig)
    health: HealthConfig = Field(default_factory=HealthConfig)
    homeassistant: HomeAssistantConfig = Field(default_factory=HomeAssistantConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    streams: tuple[StreamConfig, ...] = Field(default=(), max_length=MAX_ITEMS)
    algorithms: tuple[AlgorithmConfig, ...] = Field(default=(), max_length=MAX_ITEMS)
    sinks: tuple[SinkConfig, ...] = ()
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
            {index: stream.source for index, stream in enumerate(self.streams)},
            [sink.id for sink in self.sinks],
        )
        if (problem := self.homeassistant.problem_with(self.delivery.codec)) is not None:
            problems.append(problem)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def redacted(self) -> dict[str, Any]:
        """Everything as plain values without secrets; `{secret:name}` stays, since it tells nothing."""
        plain: dict[str, Any] = redacted(self.model_dump(mode="json"))
        return plain


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
        lists = _lists(content, overrides or {})
        found += [line for line in _cross_check_raw(lists) if line not in found]
        told = found[:MAX_PROBLEMS]
        problems += [with_variable(_with_id(line, lists), overrides or {}, os.environ) for line in told]
        problems += found[MAX_PROBLEMS:]  # these are only counted
    finally:
        _file.reset(token)
    if problems:
        where = f"{path}: " if path is not None else ""
        lines = "".join(f"\n  {problem}" for problem in readable(problems))
        raise ConfigError(f"{where}the configuration cannot be used:{lines}")
    return settings


def _tables() -> dict[str, Any]:
    """The tables of agent.toml: name to type."""
    fields = Settings.model_fields.items()
    return {name: field.annotation for name, field in fields if name != "config_file"}


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
    streams: Sequence[str],
    algorithms: Sequence[str],
    asked: Sequence[Sequence[str]],
    sources: Mapping[int, str],
    sinks: Sequence[str],
) -> list[str]:
    """What only shows when all items are seen together, and what a command is told in other words."""
    problems = []
    known = frozenset(streams)
    for index, source in sources.items():
        # Not by StreamConfig: to a command the allow-list says 403, whether or not there are such sources.
        if (problem := source_problem(source)) is not None:
            problems.append(f"streams[{index}].source: {problem}")
    for name, ids in (("streams", streams), ("algorithms", algorithms), ("sinks", sinks)):
        problems += [f"{name}: the id {key!r} is there {n} times" for key, n in Counter(ids).items() if n > 1]
    for index, names in enumerate(asked):
        for stream in names:
            if stream != "*" and stream not in known:
                hint = did_you_mean(stream, known) if len(problems) < MAX_PROBLEMS else ""
                problems.append(f"algorithms[{index}].streams: there is no stream {stream!r}{hint}")
    return problems


def _cross_check_raw(lists: Mapping[str, Any]) -> list[str]:
    """The same for lists that have other problems, too, as far as they can be read."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, items in lists.items():
        if not isinstance(items, list | tuple):
            return []
        tables[name] = [item if isinstance(item, dict) else {} for item in items]
    asked = [item.get("streams") for item in tables["algorithms"]]
    sources = {index: item.get("source") for index, item in enumerate(tables["streams"])}
    return _cross_check(
        [item["id"] for item in tables["streams"] if _is_id(item.get("id"))],
        [item["id"] for item in tables["algorithms"] if _is_id(item.get("id"))],
        [[key for key in keys if _is_id(key)] if isinstance(keys, list | tuple) else [] for keys in asked],
        {index: source for index, source in sources.items() if isinstance(source, str)},
        [item["id"] for item in tables["sinks"] if _is_id(item.get("id"))],
    )


def _lists(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The lists in force, as they were written."""
    return {
        name: next(
            (said for said in (overrides.get(name), json_of(name, os.environ), content.get(name)) if said), []
        )
        for name in ("streams", "algorithms", "sinks")
    }


def _is_id(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(ID_PATTERN, name) is not None


def _read(path: Path) -> dict[str, Any]:
    content = read_toml(path)
    if "config_file" in content:
        raise ConfigError(f"{path}: config_file: unknown key")
    return content


def _with_id(line: str, lists: Mapping[str, Any]) -> str:
    """Names the item of a list, which people know by its id."""
    if found := re.match(r"(streams|algorithms|sinks)\[(\d+)\]", line):
        items, index = lists[found[1]], int(found[2])
        item = items[index] if isinstance(items, list | tuple) and index < len(items) else None
        if isinstance(item, dict) and _is_id(item.get("id")):
            return f"{found[0]} ({item['id']}){line.removeprefix(found[0])}"
    return line
