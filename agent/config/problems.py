"""What is wrong with a document, in words: where, what, and the nearest name for a misspelt key."""

import difflib
import re
import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

_Location = Sequence[int | str]


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line a problem, `streams[2].fps: …`; never shows a value, which might be a secret."""
    return [_line(problem, model) for problem in error.errors(include_url=False, include_input=False)]


def _line(problem: Any, model: type[BaseModel]) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    location: _Location = problem["loc"]
    words = _words(problem)
    if problem["type"] == "extra_forbidden":
        name = str(location[-1])
        near = difflib.get_close_matches(name, _keys_at(model, location[:-1]), n=1)
        words = f"unknown key; did you mean `{near[0]}`?" if near else "unknown key"
    elif not location and (named := re.match(r"(\w+): (.*)", words)):  # a rule over several keys
        return f"{named[1]}: {named[2]}"
    elif location and (named := re.match(r"(\w+): (.*)", words)) and problem["type"] == "value_error":
        return f"{_path([*location, named[1]])}: {named[2]}"
    path = _path(location)
    return f"{path}: {words}" if path else words


def _words(problem: Any) -> str:  # noqa: ANN401, PLR0911  pydantic's ErrorDetails; a table reads best so
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return "is missing"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "literal_error" | "enum":
            return f"must be {context['expected']}"
        case "string_pattern_mismatch" if "A-Za-z0-9_.-" in context["pattern"]:
            return "must be 1 to 64 letters, digits, `_`, `.` or `-`"
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}"
        case "finite_number":
            return "must be a finite number"
        case "float_parsing" | "float_type":
            return "must be a number"
        case "int_parsing" | "int_type" | "int_from_float":
            return "must be a whole number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "string_type":
            return "must be a text"
        case "tuple_type" | "list_type":
            return "must be a list"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a table"
        case "value_error":
            return str(context["error"])
        case _:
            message: str = problem["msg"]
            return message[:1].lower() + message[1:]


def _path(location: _Location) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith(("function-", "tagged-")):
            path += f".{step}" if path else step
    return path


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
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, list):
        for argument in typing.get_args(annotation):
            if (inner := _model_in(argument)) is not None:
                return inner
    return None
