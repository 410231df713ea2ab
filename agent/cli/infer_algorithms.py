"""Which algorithms the words on the command line mean."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from agent.cli.words import clean
from agent.config.algorithms import AlgorithmConfig
from agent.config.problems import problems_of
from agent.errors import ConfigError

_SIZE = re.compile(r"(\d{1,4})[xX](\d{1,4})")


def algorithms(
    kinds: Sequence[str],
    settings: Mapping[str, Any],
    parameters: Sequence[str],
    configured: Sequence[AlgorithmConfig],
) -> list[AlgorithmConfig]:
    """One table for each kind, or what is configured where none is named, both with `settings` over them.

    Raises BadParameter and ConfigError.
    """
    if not kinds and not configured:
        raise typer.BadParameter("name an algorithm, or a file that has some with --config", param_hint="-a")
    tables: list[dict[str, Any]] = [{"id": _id(kind), "kind": kind} for kind in kinds]
    if not kinds:
        tables = [config.model_dump(exclude_unset=True) for config in configured]
    names = [table["id"] for table in tables]
    settings = dict(settings)
    if "size" in settings:
        settings["size"] = _size(settings["size"])
    for table in tables:
        table.update(settings)
        table["params"] = dict(table.get("params", {}))
    for parameter in parameters:
        _set(tables, names, parameter)
    return [_checked(table) for table in tables]


def _id(kind: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", Path(kind).stem if kind.endswith(".py") else kind)[:64]


def _size(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{clean(text)!r} is no size such as 640x360", param_hint="--size")
    return int(found[1]), int(found[2])


def _set(tables: list[dict[str, Any]], names: list[str], parameter: str) -> None:
    """`key=value` goes to all, `name.key=value` to the one that is called so; dots go deeper."""
    path, equals, text = parameter.partition("=")
    steps = path.split(".")
    if not equals or not all(steps):
        raise typer.BadParameter(f"{clean(parameter)!r} is not KEY=VALUE", param_hint="--param")
    wanted = tables
    if len(steps) > 1 and steps[0] in names:
        wanted = [table for table in tables if table["id"] == steps[0]]
        steps = steps[1:]
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    for table in wanted:
        place = table["params"]
        for step in steps[:-1]:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise typer.BadParameter(f"{clean(path)}: {step} is no map", param_hint="--param")
        place[steps[-1]] = value


def _checked(table: dict[str, Any]) -> AlgorithmConfig:
    try:
        return AlgorithmConfig.model_validate(table)
    except ValidationError as err:
        lines = "".join(f"\n  {line}" for line in problems_of(err, AlgorithmConfig))
        raise ConfigError(f"{table['id']} cannot be used:{lines}") from None
