"""Settings in the environment: which variables there are, and what is wrong with those that are set."""

import difflib
import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

PREFIX = "VEDETTE_"
DELIMITER = "__"
_OTHERS = (f"{PREFIX}SECRET_", f"{PREFIX}TEST_")  # ours, but no settings


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
    unusable = {}
    for name in sorted(environ):
        asked = name.upper()
        if not asked.startswith(PREFIX) or asked.startswith((*_OTHERS, *maps)):
            continue
        if asked not in known:
            near = difflib.get_close_matches(asked, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            unusable[name] = f"environment: {name}: unknown setting{hint}"
        elif known[asked]:
            try:
                json.loads(environ[name])
            except json.JSONDecodeError as err:
                unusable[name] = f"environment: {name}: must be JSON; {err.msg} at character {err.pos + 1}"
    return unusable


def with_variable(line: str, environ: Mapping[str, str]) -> str:
    """A problem's line, naming the variable that the value came from, if it came from one."""
    if found := re.match(r"(\w+)\.(\w+)(?=[:.\[])", line):
        names = {name.upper(): name for name in environ}
        if name := names.get(variable(found[1], found[2])):
            return f"{found[0]} ({name}){line.removeprefix(found[0])}"
    return line


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
