"""Settings in the environment: which variables there are, and what is wrong with those that are set."""

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from agent.config.document import read_json
from agent.config.nearest import nearest
from agent.config.problems import MAX_PROBLEMS

PREFIX = "VEDETTE_"
DELIMITER = "__"
TEST_PREFIX = f"{PREFIX}TEST_"
_OTHERS = (f"{PREFIX}SECRET_", TEST_PREFIX)  # ours, but no settings


def variable(*path: str) -> str:
    """The variable of a table or key: `VEDETTE_BROKER__URL`."""
    return PREFIX + DELIMITER.join(path).upper()


def variables(tables: Mapping[str, Any]) -> dict[str, bool]:
    """The variables of all tables and their keys; true where the value is JSON. `tables`: name to type."""
    found = {}
    for name, annotation in tables.items():
        found[variable(name)] = True
        for key, field in getattr(annotation, "model_fields", {}).items():
            found[variable(name, key)] = _is_json(field.annotation)
    return found


def unusable_variables(tables: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, or should be JSON and are not: name to problem.

    The problem is one line, and does not show the value.
    """
    known = variables(tables)
    maps = tuple(_maps(tables))
    unusable: dict[str, str] = {}
    for name in sorted(environ):
        asked = name.upper()
        if not asked.startswith(PREFIX) or asked.startswith((*_OTHERS, *maps)):
            continue
        if asked not in known:
            near = nearest(asked, known) if len(unusable) < MAX_PROBLEMS else None
            hint = f"; did you mean {near}?" if near else ""
            unusable[name] = f"environment: {_shown(name)}: unknown setting{hint}"
        elif known[asked]:
            try:
                read_json(environ[name])
            except ValueError as err:
                unusable[name] = f"environment: {name}: must be JSON; {err}"
    return unusable


def json_of(table: str, environ: Mapping[str, str]) -> Any:  # noqa: ANN401  any JSON
    """What the variable of a whole table or list says; None when it is not set, or is no JSON."""
    name = _names(environ).get(variable(table))
    try:
        return None if name is None else read_json(environ[name])
    except ValueError:
        return None


def with_variable(line: str, overrides: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """A problem's line, naming the variable that the value came from, if it came from one.

    `overrides` is what comes before the environment.
    """
    where, colon, words = line.partition(": ")
    found = re.match(r"(\w+)(?:\.(\w+))?", where)
    if found is None or not colon:
        return line
    table, key = found.groups()
    overruling = overrides.get(table)
    if table in overrides and (not isinstance(overruling, Mapping) or key in overruling):
        return line
    names = _names(environ)
    name = names.get(variable(table, key)) if key is not None else None
    if name is None:
        whole = json_of(table, environ)
        if whole is not None and (key is None or not isinstance(whole, dict) or key in whole):
            name = names[variable(table)]
    return line if name is None else f"{where} ({name}): {words}"


def _names(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables by their names in capitals: those of settings may be in small letters."""
    return {name.upper(): name for name in environ}


def _shown(name: str) -> str:
    """A variable's name on one line: it may be anything."""
    return name if name.isprintable() else repr(name)


def _maps(tables: Mapping[str, Any]) -> Iterator[str]:
    """Begins of variables whose end anybody may choose: `VEDETTE_DEVICE__LABELS__`."""
    for name, annotation in tables.items():
        for key, field in getattr(annotation, "model_fields", {}).items():
            if typing.get_origin(field.annotation) is dict:
                yield variable(name, key) + DELIMITER


def _is_json(annotation: Any) -> bool:  # noqa: ANN401  any annotation
    return typing.get_origin(annotation) in (tuple, list, dict) or (
        isinstance(annotation, type) and issubclass(annotation, BaseModel)
    )
