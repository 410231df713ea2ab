"""The parameters of a kind, from their JSON Schema, as fields of a form; and back from what was entered."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent.errors import VedetteError

Sort = Literal["whole", "number", "flag", "choice", "text", "json"]

MAX_WHOLE = (1 << 53) - 1  # a browser's numbers are floats
_UNITS = frozenset({"s", "ms", "us", "px", "deg", "hz", "fps", "mb"})
_MAX_LINE = 60  # characters of a text that fits into one line
_SORTS: dict[str, Sort] = {"integer": "whole", "number": "number", "boolean": "flag", "string": "text"}
_PROBLEM = re.compile(r"\s*[^\s:]+: params(?:\.(?P<name>[^.:\s\[]+))?(?P<rest>[^:\s]*): (?P<what>.*)")


class FieldError(VedetteError):
    """What was entered into a field means nothing: whoever entered it acts."""

    code = "field"


class _Nothing:
    """No value: the parameter is left out, and the kind does what it does without it."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter."""

    name: str
    sort: Sort
    default: Any = NOTHING
    low: float | None = None  # inclusive
    high: float | None = None
    choices: tuple[Any, ...] = ()
    nullable: bool = False  # None is a value of its own: an empty field
    required: bool = False
    whole_map: bool = False  # all parameters in one field, of a kind that tells of none
    meaning: str = ""

    @property
    def label(self) -> str:
        """Its name as a person reads it."""
        words = self.name.replace("_", " ").strip()
        before, _, unit = words.rpartition(" ")
        words = f"{before} ({unit})" if before and unit in _UNITS else words
        return words[:1].upper() + words[1:]

    @property
    def entry(self) -> Any:  # noqa: ANN401  whatever the widget takes
        """What stands in the field at first; None: it is empty."""
        if self.default is NOTHING or self.default is None:
            return "" if self.sort in ("text", "json") else None
        return _as_json(self.default) if self.sort == "json" else self.default

    def value(self, entry: Any) -> Any:  # noqa: ANN401  any plain value
        """What an entry means: a value, or NOTHING. Raises FieldError."""
        if entry is None or (entry == "" and (self.sort == "json" or self.nullable)):
            if self.required:
                raise FieldError("is required")
            return None if self.nullable else NOTHING
        if self.sort != "json":
            return entry
        try:
            value = json.loads(entry)
        except ValueError as err:
            raise FieldError(f"is no JSON: {err}") from None
        except RecursionError:
            raise FieldError("is too deep") from None
        if self.whole_map and not isinstance(value, dict):
            raise FieldError('must be a map, such as {"level": 12}')
        return value


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of an object schema, in its order; one for everything where it tells of no parameters."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        if schema.get("additionalProperties", True) is False or properties is not None:
            return []
        return [Field(name="parameters", sort="json", whole_map=True, meaning="A map, as JSON.")]
    definitions = schema.get("$defs", {})
    required = schema.get("required", ())
    return [_field(name, found, definitions, name in required) for name, found in properties.items()]


def parameters(form: Sequence[Field], entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What was entered, without what is as it was; and what is wrong, by the name of the field."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in form:
        try:
            value = field.value(entries.get(field.name, field.entry))
        except FieldError as err:
            problems[field.name] = str(err)
            continue
        if field.whole_map:
            values.update({} if value is NOTHING else value)
        elif value is not NOTHING and (type(value), value) != (type(field.default), field.default):
            values[field.name] = value
    return values, problems


def by_field(form: Sequence[Field], text: str) -> tuple[dict[str, str], list[str]]:
    """The lines of an error that are about a field, by its name; and the others, without their heading."""
    names = {field.name for field in form}
    found: dict[str, str] = {}
    others: list[str] = []
    for line in text.splitlines():
        match = _PROBLEM.fullmatch(line)
        if match is None:
            others.append(line.strip())
            continue
        name = match["name"] if match["name"] in names else form[0].name if len(form) == 1 else None
        if name is None:
            others.append(line.strip())
        else:
            deeper = match["rest"].lstrip(".")
            found.setdefault(name, f"{deeper} {match['what']}" if deeper else match["what"])
    if len(others) < len(text.splitlines()) or len(others) > 1:
        others = [line for line in others if not line.endswith(":")]
    return found, others


def _field(name: str, told: Mapping[str, Any], definitions: Mapping[str, Any], required: bool) -> Field:  # noqa: FBT001
    options = [_resolved(option, definitions) for option in told.get("anyOf", [told])]
    real = [option for option in options if option.get("type") != "null"]
    one = real[0] if len(real) == 1 else {}
    sort, choices = _sort(one)
    low, high = _bounds(one, sort)
    default = told.get("default", NOTHING)
    if sort == "choice" and default is not NOTHING and default not in choices:
        default = NOTHING if default is not None else None
    return Field(
        name=name,
        sort=sort,
        default=default,
        low=low,
        high=high,
        choices=choices,
        nullable=len(real) < len(options),
        required=required,
        meaning=str(told.get("description", "")),
    )


def _sort(told: Mapping[str, Any]) -> tuple[Sort, tuple[Any, ...]]:
    if "const" in told:
        return "choice", (told["const"],)
    if isinstance(told.get("enum"), list) and told["enum"]:
        return "choice", tuple(told["enum"])
    return _SORTS.get(str(told.get("type")), "json"), ()


def _bounds(told: Mapping[str, Any], sort: Sort) -> tuple[float | None, float | None]:
    """Inclusive ones. A number that only must be more than 0 may be entered as 0, and is refused then."""
    if sort not in ("whole", "number"):
        return None, None
    low, high = told.get("minimum"), told.get("maximum")
    step = 1 if sort == "whole" else 0
    if low is None and "exclusiveMinimum" in told:
        low = told["exclusiveMinimum"] + step
    if high is None and "exclusiveMaximum" in told:
        high = told["exclusiveMaximum"] - step
    return low, high


def _resolved(told: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(told.get("$ref", "")).rpartition("/")[2]
    found = definitions.get(reference, told)
    return found if isinstance(found, dict) else told


def _as_json(value: object) -> str:
    """On one line where it fits."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_LINE else json.dumps(value, ensure_ascii=False, indent=2)
