"""What is wrong with a document, in words: where, what, and the nearest name for a misspelt key."""

import json
import re
import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.config.nearest import nearest
from agent.config.patterns import WORDS as PATTERN_WORDS
from agent.config.secret import redact_url

_Location = Sequence[int | str]

_BARE = re.compile(r"[A-Za-z0-9_…-]+")
_MAX_KEY = 64  # characters of one that are shown
MAX_PROBLEMS = 50  # that are told; one document may have a hundred thousand
_MAX_LINE = 500  # characters of what is told of one

_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_TRUTH = "must be true or false"
_TABLE = "must be a table"
_LIST = "must be a list"
_DATE = "must be a date, such as 2027-12-31"
_WORDS = {  # what pydantic calls a problem, and what people do
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "path_type": "must be a path",
    "finite_number": "must be a finite number",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "bool_parsing": _TRUTH,
    "bool_type": _TRUTH,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "date_from_datetime_parsing": _DATE,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line a problem, `streams[2].fps: …`; never shows a value, which might be a secret.

    Beyond MAX_PROBLEMS the last line says how many there are more.
    """
    # Masked all the same: some people put a source where its id belongs, and a key can be anything.
    found = error.errors(include_url=False, include_input=False)
    lines = [redact_url(_line(problem, model)) for problem in found[:MAX_PROBLEMS]]
    return [*lines, and_more(len(found) - MAX_PROBLEMS)] if len(found) > MAX_PROBLEMS else lines


def readable(lines: Sequence[str]) -> list[str]:
    """Problems as they are shown: not too many, each on one line, and none too long."""
    shown = [" ".join(line.splitlines()) for line in lines[:MAX_PROBLEMS]]
    shown = [line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…" for line in shown]
    return [*shown, and_more(len(lines) - MAX_PROBLEMS)] if len(lines) > MAX_PROBLEMS else shown


def and_more(count: int) -> str:
    """The line that stands for problems that are not told."""
    return f"and {count} more"


def _line(problem: Any, model: type[BaseModel]) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    location: _Location = problem["loc"]
    words = _words(problem)
    if problem["type"] == "extra_forbidden":
        near = nearest(str(location[-1]).lower(), _keys_at(model, location[:-1]))
        words = f"unknown key; did you mean `{near}`?" if near else "unknown key"
    elif problem["type"] == "value_error" and location and (named := re.match(r"(\w+): (.*)", words)):
        return f"{_path([*location, named[1]])}: {named[2]}"  # a rule over several keys names one of them
    path = _path(location)
    return f"{path}: {words}" if path else words


def _words(problem: Any) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERN_WORDS:
        return PATTERN_WORDS[context["pattern"]]
    if kind in _WORDS:
        return _WORDS[kind].format(**{key: _short(value) for key, value in context.items()})
    message: str = problem["msg"]
    return message[:1].lower() + message[1:]


def _short(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _path(location: _Location) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith(("function-", "tagged-", "[key]")):
            path += f".{_key(step)}" if path else _key(step)
    return path


def _key(name: str) -> str:
    """A key as TOML writes it: on one line, whatever is in it."""
    name = name if len(name) <= _MAX_KEY else f"{name[:_MAX_KEY]}…"
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=not name.isprintable())


def _keys_at(model: type[BaseModel], location: _Location) -> list[str]:
    """The keys of the table at a place."""
    for step in location:
        if isinstance(step, str) and step in model.model_fields:
            inner = _model_in(model.model_fields[step].annotation)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, list, dict):
        for argument in typing.get_args(annotation):
            if (inner := _model_in(argument)) is not None:
                return inner
    return None
