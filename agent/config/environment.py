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


def unknown_variables(tables: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """A line for each variable that looks like a setting and is none."""
    known = variables(tables)
    maps = tuple(_maps(tables))
    for name in sorted(environ):
        asked = name.upper()
        if not asked.startswith(PREFIX) or asked.startswith((*_OTHERS, *maps)) or asked in known:
            continue
        near = difflib.get_close_matches(asked, known, n=1)
        yield f"environment: {name}: unknown setting" + (f"; did you mean {near[0]}?" if near else "")


def broken_variables(tables: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables whose value should be JSON and is not, with a line each that does not show the value."""
    known = variables(tables)
    broken = {}
    for name in sorted(environ):
        if known.get(name.upper()):
            try:
                json.loads(environ[name])
            except json.JSONDecodeError as err:
                broken[name] = f"environment: {name}: must be JSON; {err.msg} at character {err.pos + 1}"
    return broken


def with_variable(line: str, environ: Mapping[str, str]) -> str:
    """A problem's line, naming the variable that its value came from, if it came from one."""
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
