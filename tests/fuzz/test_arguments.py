"""Arguments made by the JSON Schema that each verb tells, and by no schema at all."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.verbs import VERBS
from tests.fuzz.choice import WORDS, as_json, as_msgpack
from tests.fuzz.door import Door, command
from tests.fuzz.test_targets import SHORT

PACKERS = (as_json, as_msgpack)
numbers = itertools.count()  # the same id again would get the same reply again

texts = st.sampled_from(WORDS) | st.text(max_size=80)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | texts
    | st.sampled_from(["\ud800", "a\udfff", "\0"])
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=6),
    max_leaves=30,
)


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as door:
        yield door


def of_schema(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911, PLR0912 - one branch a type
    """Values that a schema allows: as far as the schemas of this contract go."""
    if "$ref" in schema:
        return of_schema(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return st.one_of([of_schema(option, root) for option in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True) | st.sampled_from(["door", "movement"])
        case "string":
            size = schema.get("maxLength", 100)
            return st.text(min_size=schema.get("minLength", 0), max_size=min(size, 100)) | st.sampled_from(
                [word for word in WORDS if 0 < len(word) <= size]
            )
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            high = schema.get("maximum", schema.get("exclusiveMaximum"))
            return st.floats(
                low, high, allow_nan=False, allow_infinity=False, exclude_min="minimum" not in schema
            )
        case "boolean":
            return st.booleans()
        case "array" if "prefixItems" in schema:
            return st.tuples(*(of_schema(item, root) for item in schema["prefixItems"])).map(list)
        case "array":
            return st.lists(of_schema(schema.get("items", {}), root), max_size=5)
        case "object" if "properties" in schema:
            return objects(schema, root)
        case "object":
            return st.dictionaries(st.text(max_size=8), trees, max_size=4)
        case "null":
            return st.none()
        case _:
            return trees


def objects(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    every = {key: of_schema(inner, root) for key, inner in schema["properties"].items()}
    required = {key: every[key] for key in schema.get("required", ())}
    return st.fixed_dictionaries(
        required, optional={key: every[key] for key in every.keys() - required.keys()}
    )


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_by_the_schema_are_no_bad_request(verb: str, door: Door) -> None:
    schema = VERBS[verb].args.model_json_schema()
    codes = set()

    @settings(SHORT, max_examples=60)
    @given(args=objects(schema, schema), pack=st.sampled_from(PACKERS))
    def run(args: dict[str, Any], pack: Callable[[Any], bytes]) -> None:
        reply = door.send(command(verb, pack({"id": f"n{next(numbers)}", "args": args})))
        assert reply is not None
        if plain(args):
            assert reply["code"] != 400, reply  # what is wrong with it has words of its own
        codes.add(reply["code"])

    run()
    assert codes & {200, 403, 404, 409, 422}


def plain(tree: object) -> bool:
    """Whether JSON and msgpack can both say it."""
    match tree:
        case dict():
            return all(plain(part) for part in (*tree.keys(), *tree.values()))
        case list():
            return all(map(plain, tree))
        case str():
            return not any("\ud800" <= char <= "\udfff" for char in tree)
        case float():
            return math.isfinite(tree)
        case int():
            return -(1 << 63) <= tree < 1 << 63
    return True


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_that_are_anything_are_answered(verb: str, door: Door) -> None:
    @settings(SHORT, max_examples=60)
    @given(args=trees, pack=st.sampled_from(PACKERS))
    def run(args: object, pack: Callable[[Any], bytes]) -> None:
        request_id = f"n{next(numbers)}"
        reply = door.send(command(verb, pack({"id": request_id, "args": args})))
        assert reply is not None
        assert reply["id"] in {request_id, None}

    run()


@given(tree=trees)
@settings(SHORT, max_examples=300)
def test_a_request_that_is_anything_is_answered(door: Door, tree: object) -> None:
    for pack in PACKERS:
        reply = door.send(command("ping", pack(tree)))
        assert reply is not None
        assert reply["code"] in {200, 400}
