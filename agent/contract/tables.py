"""Models as Markdown tables, for the reference."""

import json
from typing import Any

from pydantic import BaseModel

from agent.config.markdown import table, type_words
from agent.contract.patch import Patch


def fields_table(model: type[BaseModel]) -> str:
    """A table of a model's keys, from its JSON Schema."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    left_out = "unchanged" if issubclass(model, Patch) else ""
    rows = []
    for key, field in schema.get("properties", {}).items():
        default = "required" if key in required else left_out or _default(field)
        rows.append((f"`{key}`", type_words(field, definitions), default, field.get("description", "")))
    return table(("key", "type", "default", "meaning"), rows)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if isinstance(default, dict) and default else f"`{json.dumps(default, ensure_ascii=False)}`"
