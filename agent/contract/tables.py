"""Models as Markdown tables, for the reference."""

import json
import textwrap
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from agent.contract.patch import Patch

_SIMPLE = {
    "object": "map",
    "integer": "int",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}


def fields_table(model: type[BaseModel]) -> str:
    """A table of a model's keys, from its JSON Schema."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    left_out = "unchanged" if issubclass(model, Patch) else ""
    rows = []
    for key, field in schema.get("properties", {}).items():
        default = "required" if key in required else left_out or _default(field)
        rows.append((f"`{key}`", _type(field, definitions), default, field.get("description", "")))
    return table(("key", "type", "default", "meaning"), rows)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if isinstance(default, dict) and default else f"`{json.dumps(default, ensure_ascii=False)}`"


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return _type(definitions[name], definitions) if "enum" in definitions[name] else name
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in field:
            return " or ".join(dict.fromkeys(_type(option, definitions) for option in field[choice]))
    match field.get("type"):
        case "array" if "prefixItems" in field:
            return f"[{', '.join(_type(item, definitions) for item in field['prefixItems'])}]"
        case "array":
            return f"list of {_type(field.get('items', {}), definitions)}"
        case kind:
            return _simple_type(kind, field, definitions)


def _simple_type(kind: str | None, field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'], definitions)}"
    if "const" in field:
        return f"`{field['const']}`"
    if kind == "string" and field.get("pattern"):
        return "id"
    return _SIMPLE.get(kind or "", "any") + _range(field)


def _range(field: dict[str, Any]) -> str:
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    start = f"≥ {low}" if low is not None else f"> {above}" if above is not None else ""
    end = f"≤ {high}" if high is not None else f"< {below}" if below is not None else ""
    return f" ({', '.join(filter(None, (start, end)))})" if start or end else ""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def sentence(model: type[BaseModel]) -> str:
    """What a model says of itself, on one line."""
    return " ".join(textwrap.dedent(model.__doc__ or "").split())
