"""Writes what the dashboard's forms are tested with: `python -m tests.form_cases [--check]`.

`dashboard/tests/schemas.json` has the JSON Schemas as a device publishes them in `info`: arguments of verbs,
parameters of kinds, and those of a planted kind with every shape that an author may come up with.
`dashboard/tests/form-cases.json` has values for them, each with pydantic's verdict. `--check` writes nothing,
and fails when the committed copies are not what the models say.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, StringConstraints, ValidationError

from agent.contract.verbs import VERBS
from agent.worker import kinds
from algos import BaseAlgo
from algos.codes import Codes
from algos.motion import Motion
from algos.probe import Probe
from algos.quality import Quality

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "dashboard" / "tests"

Verdict = Literal["ok", "wrong", "coerced", "beyond"]
"""`coerced`: pydantic makes the right type of it, which a form does not ask for; `beyond`: only a validator
in Python objects, of which no schema tells."""

_LONG = 128  # longer texts, and lists, would only make the file large
_TOGETHER = 20  # cases with several changes at once, for each schema of many keys
_OFTEN = 4
_DRAFTED = 5  # values tried within a list or a map


class Circle(BaseAlgo.Params):
    shape: Literal["circle"] = "circle"
    radius: float = Field(gt=0, description="As a share of the width.")


class Box(BaseAlgo.Params):
    shape: Literal["box"]
    corner: tuple[float, float] = (0, 0)
    width: int = Field(ge=1)


class Node(BaseAlgo.Params):
    name: str = "root"
    child: "Node | None" = None


Zone = Annotated[Circle | Box, Field(discriminator="shape")]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,8}$")]


class Planted(BaseAlgo.Params):
    """Every shape that parameters of a kind may have."""

    zone: Zone = Field(description="Where to look.")
    zones: list[Zone] = Field([], max_length=3)
    either: int | str = 3
    amount: int | float = Field(1.5)
    labels: dict[str, int] = Field({})
    named: dict[Label, float] = Field({})
    circles: dict[str, Circle] = Field({})
    password: SecretStr | None = None
    numbers: set[int] = Field(set(), max_length=4)
    words: list[str] = Field(["a", "b"], min_length=1)
    sides: list[Literal["left", "right"]] = Field(["left"])
    steps: list[Literal[1, 2, 4]] = Field([1])
    node: Node = Node()
    maybe: Circle | None = None
    made: Circle = Field(default_factory=lambda: Circle(radius=1))
    mixed: Literal[2, "a"] = "a"  # not 1, for which Python takes true
    whatever: Any = None
    pair: tuple[str, int] = ("a", 1)
    grid: list[list[float]] = Field([])
    four: int = Field(4, multiple_of=4)
    flag: bool | None = None
    code: str | None = Field(None, pattern=r"^[A-Fa-f]+$", max_length=6)


def models() -> dict[str, type[BaseModel]]:
    """What a device takes, by the name of the verb or of the kind."""
    shipped: tuple[type[BaseAlgo], ...] = (Motion, Quality, Codes, Probe)
    found: dict[str, type[BaseModel]] = {name: verb.args for name, verb in VERBS.items()}
    found |= {f"kind {member.kind}": member.Params for member in shipped}
    for name in ("activity", "faces", "yolo"):
        for kind, member in kinds.load(f"file:{ROOT / 'examples' / name}.py").items():
            assert issubclass(member, BaseAlgo)
            found[f"kind {kind}"] = member.Params
    return found | {"kind planted": Planted}


def verdict(model: type[BaseModel], value: Mapping[str, Any]) -> tuple[Verdict, list[str]]:
    """What pydantic says of a value, and the keys at its top that are wrong."""
    try:
        model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as err:
        errors = [error for error in err.errors() if error["type"] != "value_error"]
        keys = sorted({str(error["loc"][0]) for error in errors})
        if not errors:
            return "beyond", []
        return ("coerced" if _is_taken(model, value) else "wrong"), keys
    return "ok", []


def _is_taken(model: type[BaseModel], value: Mapping[str, Any]) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


def documents() -> dict[str, str]:
    """File name to text."""
    taken = models()
    schemas = {name: model.model_json_schema() for name, model in taken.items()}
    cases = [
        [name, value, *verdict(model, value)]
        for name, model in taken.items()
        for value in values(schemas[name])
    ]
    rows = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    return {
        "schemas.json": json.dumps(schemas, indent=1, ensure_ascii=False) + "\n",
        "form-cases.json": f"[\n{rows}\n]\n",
    }


def values(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Maps that fit a schema, or nearly do: one thing changed in each, then several."""
    random = Random(1)  # noqa: S311  the same ones each time
    base = _good(schema, schema)
    yield from _unique([base, *_of_map(schema, schema, base)])
    changes = [(key, value) for key, one in _properties(schema) for value in _tries(one, schema)]
    if len(schema.get("properties", {})) > _OFTEN:
        for _ in range(_TOGETHER):
            yield base | dict(random.sample(changes, random.randint(2, _OFTEN)))


def _properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(schema.get("properties", {}).items())


def _of_map(schema: dict[str, Any], root: dict[str, Any], base: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in schema.get("required", []):
        yield {other: value for other, value in base.items() if other != key}
    yield base | {"unheard_of": 1}
    for key, one in _properties(schema):
        for value in _tries(one, root):
            yield base | {key: value}


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = root["$defs"][reference.removeprefix("#/$defs/")]
    return found


def _good(given: dict[str, Any], root: dict[str, Any]) -> Any:  # noqa: ANN401  any plain value
    """A value that fits."""
    schema = _resolved(given, root)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        option = _resolved(options[0], root)
        tag = schema.get("discriminator", {}).get("propertyName")
        tagged = {} if tag is None else {tag: option["properties"][tag]["const"]}
        good = _good(option, root)
        return good | tagged if tagged else good
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "properties" in schema:
        needed = schema.get("required", [])
        return {key: _good(one, root) for key, one in _properties(schema) if key in needed}
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        return [_good(item, root) for item in items]
    least = schema.get("minimum", schema.get("multipleOf", 1))
    return {"object": {}, "string": "a", "boolean": True}.get(schema.get("type", ""), least)


def _tries(given: dict[str, Any], root: dict[str, Any], depth: int = 0) -> list[Any]:
    """Values that fit, that just do, that just do not, and that are of another type."""
    schema = _resolved(given, root)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _unique(value for option in options for value in _tries(option, root, depth))
    found: list[Any] = [None, "x", 3] if depth else [None, True, "3", -2, [], {}]
    if "enum" in schema or "const" in schema:
        return _unique([*schema.get("enum", [schema.get("const")]), "none of them", *found])
    match schema.get("type"):
        case "object":
            found += _maps(schema, root, depth)
        case "array":
            found += _lists(schema, root, depth)
        case "string":
            found += ["", "a", "b c", "Straße", "a/b", "C"]
            found += [
                "x" * (schema["maxLength"] + by) for by in (0, 1) if schema.get("maxLength", 999) <= _LONG
            ]
            if "64" in schema.get("pattern", ""):
                found += ["x" * 64, "x" * 65, "gate-7_a.b", "."]
        case "number" | "integer":
            found += _numbers(schema)
        case "boolean":
            found += [False, 1]
    return _unique(found)


def _numbers(schema: dict[str, Any]) -> list[float]:
    """Around the bounds."""
    step = 1 if schema["type"] == "integer" else 0.25
    bounds = [
        schema[key] for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if key in schema
    ]
    return [bound + by for bound in bounds for by in (-step, 0, step)] + [0.5, 7, 8, 1e-3]


def _lists(schema: dict[str, Any], root: dict[str, Any], depth: int) -> list[Any]:
    if "prefixItems" in schema:
        good = [_good(item, root) for item in schema["prefixItems"]]
        return [good, good[:-1], [*good, good[-1]]] + [
            [*good[:index], value, *good[index + 1 :]]
            for index, item in enumerate(schema["prefixItems"])
            for value in _tries(item, root, depth + 1)[-_DRAFTED:]
        ]
    good = _good(schema["items"], root)
    tries = [value for value in _tries(schema["items"], root, depth + 1) if value != good]
    several = [[good, *tries[:count]] for count in (1, 2)] + [[value] for value in tries[-_DRAFTED:]]
    most = schema.get("maxItems", _LONG)
    if schema.get("uniqueItems"):  # pydantic drops what comes twice, and says nothing
        return [*several, list(range(most)), list(range(most + 1))]
    return several + ([[good] * most, [good] * (most + 1)] if most < _LONG else [])


def _maps(schema: dict[str, Any], root: dict[str, Any], depth: int) -> list[Any]:
    if depth > 1:
        return []
    of = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    if "properties" not in schema and isinstance(of, dict):
        maps = [{"k": value} for value in [_good(of, root), *_tries(of, root, depth + 1)[-_DRAFTED:]]]
        return [*maps, {"Not This": _good(of, root)}, {"a": _good(of, root), "b": _good(of, root)}]
    if "properties" not in schema:
        return [{"k": 1}]
    good = _good(schema, root)
    inner = [
        good | {key: value}
        for key, one in _properties(schema)
        for value in _tries(one, root, depth + 1)[-_DRAFTED:]
    ]
    lacking = [{other: good[other] for other in good if other != key} for key in good]
    return [good, *lacking, good | {"unheard_of": 1}, *inner]


def _unique(found: Any) -> list[Any]:  # noqa: ANN401  any values
    """Each once, whole numbers as such: JavaScript tells 1 and 1.0 not apart."""
    texts = {json.dumps(_whole(value), sort_keys=True): _whole(value) for value in found}
    return list(texts.values())


def _whole(value: Any) -> Any:  # noqa: ANN401  any plain value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def main(arguments: list[str]) -> int:
    """Write the documents, or with `--check` say which are stale; the exit code."""
    stale = [
        (path, text)
        for path, text in ((FOLDER / name, text) for name, text in documents().items())
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if arguments == ["--check"]:
            sys.stderr.write(f"{path.name} is stale: run `python -m tests.form_cases`\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
