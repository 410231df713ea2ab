"""What Home Assistant takes as a discovery document, as far as the agent uses it; the suite checks with this.

The rules are written down in discovery.schema.json, from what its MQTT integration accepts. That they are of
one opinion with the real one, about right documents and about the `WRONG` ones, `tools/homeassistant-check`
shows.
"""

import copy
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
from jinja2 import Environment, TemplateSyntaxError

SCHEMA = json.loads(Path(__file__).with_name("discovery.schema.json").read_text("utf-8"))
_FORMATS = jsonschema.FormatChecker(())
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=_FORMATS)


@_FORMATS.checks("jinja2", raises=TemplateSyntaxError)
@lru_cache(maxsize=1000)
def _is_template(text: object) -> bool:
    return isinstance(text, str) and Environment().parse(text) is not None  # noqa: S701  only parsed


def problems(document: object) -> list[str]:
    """Why Home Assistant would not take it; empty when it would."""
    return [f"{error.json_path}: {error.message}" for error in _VALIDATOR.iter_errors(document)]


def WRONG(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: N802  a table, but lazy
    """Variants that it would refuse, each with what is wrong; of each platform one entity is made wrong."""
    for what in ("device", "origin", "components"):
        yield f"no {what}", {key: value for key, value in document.items() if key != what}
    for path, wrong in (
        (("device", "identifiers"), []),
        (("device", "name"), {}),
        (("device", "colour"), "red"),
        (("origin", "name"), None),
        (("availability",), [{"value_template": "online"}]),
        (("availability",), [{"topic": "a/#/b"}]),
        (("availability",), [{"topic": "a", "value_template": "{{ 1 +"}]),
    ):
        yield f"{'.'.join(path)} = {wrong!r}", _with(document, path, wrong)
    whole = {name: one for name, one in document["components"].items() if len(one) > 1}
    for name, component in {one["platform"]: (name, one) for name, one in whole.items()}.values():
        for key, value in _wrong_keys(component["platform"]):
            yield f"{name}.{key} = {value!r}", _with(document, ("components", name, key), value)


def _wrong_keys(platform: str) -> Iterator[tuple[str, object]]:
    yield "platform", "no_platform"
    yield "unique_id", None
    yield "entity_category", "no_category"
    yield "availability_mode", "most"
    match platform:
        case "binary_sensor" | "sensor":
            yield "state_topic", "a/#/b"
            yield "device_class", "no_class"
            yield "expire_after", "soon"
            yield "value_template", "{{ 1 +"
        case "image":
            yield "image_topic", None
        case "button":
            yield "command_topic", "a/+"
            yield "command_template", "{% if %}"
    if platform == "sensor":
        yield "state_class", "no_class"
        yield "suggested_display_precision", -1


def _with(document: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed
