"""Models as Markdown, for the generated references."""

import textwrap
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from agent.config.ids import ID_PATTERN

_SIMPLE = {
    "object": "map",
    "integer": "int",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}


def type_words(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema in a few words; `definitions` are its `$defs`."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return type_words(definitions[name], definitions) if "enum" in definitions[name] else name
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in field:
            return " or ".join(dict.fromkeys(type_words(option, definitions) for option in field[choice]))
    match field.get("type"):
        case "array" if "prefixItems" in field:
            return f"[{', '.join(type_words(item, definitions) for item in field['prefixItems'])}]"
        case "array":
            return f"list of {type_words(field.get('items', {}), definitions)}"
        case kind:
            return _simple_type(kind, field, definitions)


def _simple_type(kind: str | None, field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {type_words(field['additionalProperties'], definitions)}"
    for items in field.get("patternProperties", {}).values():
        return f"map of {type_words(items, definitions)}"
    if "const" in field:
        return f"`{field['const']}`"
    if kind == "string" and field.get("pattern") == ID_PATTERN:
        return "id"
    if field.get("format") in ("path", "date"):
        return str(field["format"])
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
