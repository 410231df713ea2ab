"""The parameters of a kind, from their JSON Schema, as rows for people."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_WORDS = {"object": "map", "integer": "int", "string": "text", "boolean": "yes/no", "array": "list"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row."""

    name: str
    type: str
    range: str
    default: str
    meaning: str


def parameters(schema: dict[str, Any]) -> Iterator[Parameter]:
    """Every parameter of an object schema, in its order."""
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        options = [_resolved(option, definitions) for option in field.get("anyOf", [field])]
        default = "required" if name in required else json.dumps(field.get("default"), ensure_ascii=False)
        yield Parameter(
            name,
            " or ".join(dict.fromkeys(map(_type, options))),
            ", ".join(filter(None, map(_range, options))),
            default,
            field.get("description", ""),
        )


def _resolved(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = field.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = definitions.get(reference, field)
    return found


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(str(value) for value in field["enum"])
    if "const" in field:
        return str(field["const"])
    kind = field.get("type", "any")
    if kind == "array" and "items" in field:
        return f"list of {_type(field['items'])}"
    return _WORDS.get(str(kind), str(kind))


def _range(field: dict[str, Any]) -> str:
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    start = f"≥ {low:g}" if low is not None else f"> {above:g}" if above is not None else ""
    end = f"≤ {high:g}" if high is not None else f"< {below:g}" if below is not None else ""
    return ", ".join(filter(None, (start, end)))
