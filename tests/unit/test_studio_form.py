"""The form of the studio: from the schema that pydantic makes to fields, and back to parameters."""

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from agent.studio.form import NOTHING, FieldError, by_field, fields, parameters
from agent.studio.words import plain


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    x: float = 0.5


class Params(BaseModel):
    hue: int = Field(90, ge=0, le=179, description="As in OpenCV.")
    share: float = Field(0.5, gt=0, lt=1)
    count: int = Field(3, gt=0, lt=10)
    deep: bool = True
    mode: Literal["fast", "good"] = "fast"
    colour: Colour = Colour.RED
    name: str = "door"
    note: str | None = None
    limit: float | None = Field(None, ge=0)
    classes: list[str] = []
    place: Place = Place()
    either: int | str = 5
    learn_s: float = 2
    path: str
    made: list[int] = Field(default_factory=list)


FORM = {field.name: field for field in fields(Params.model_json_schema())}


@pytest.mark.parametrize(
    ("name", "sort", "entry"),
    [
        ("hue", "whole", 90),
        ("share", "number", 0.5),
        ("deep", "flag", True),
        ("mode", "choice", "fast"),
        ("colour", "choice", "red"),
        ("name", "text", "door"),
        ("note", "text", ""),
        ("limit", "number", None),
        ("classes", "json", "[]"),
        ("place", "json", '{"x": 0.5}'),
        ("either", "json", "5"),
        ("path", "text", ""),
        ("made", "json", ""),
    ],
)
def test_what_stands_in_a_field_at_first(name: str, sort: str, entry: object) -> None:
    assert (FORM[name].sort, FORM[name].entry) == (sort, entry)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [("hue", (0, 179)), ("share", (0, 1)), ("count", (1, 9)), ("limit", (0, None)), ("name", (None, None))],
)
def test_bounds(name: str, bounds: tuple[float | None, float | None]) -> None:
    assert (FORM[name].low, FORM[name].high) == bounds


def test_words_for_people() -> None:
    assert (FORM["hue"].label, FORM["learn_s"].label, FORM["hue"].meaning) == (
        *("Hue", "Learn (s)"),
        "As in OpenCV.",
    )
    assert FORM["mode"].choices == ("fast", "good")
    assert (FORM["path"].required, FORM["hue"].required) == (True, False)


@pytest.mark.parametrize(
    ("name", "entry", "value"),
    [
        ("hue", 12, 12),
        ("hue", None, NOTHING),  # emptied: as the algorithm has it
        ("note", "", None),
        ("note", "x", "x"),
        ("name", "", ""),
        ("limit", None, None),
        ("classes", '["person"]', ["person"]),
        ("made", "", NOTHING),
        ("either", '"x"', "x"),
    ],
)
def test_what_an_entry_means(name: str, entry: object, value: object) -> None:
    assert FORM[name].value(entry) == value


@pytest.mark.parametrize(
    ("name", "entry", "says"),
    [("classes", '["person"', "is no JSON"), ("path", None, "is required"), ("place", "{", "is no JSON")],
)
def test_what_means_nothing(name: str, entry: object, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        FORM[name].value(entry)


def test_only_what_was_changed_is_passed_on() -> None:
    entries: dict[str, Any] = {name: field.entry for name, field in FORM.items()}
    assert parameters(list(FORM.values()), entries) == ({"path": ""}, {})
    entries |= {"hue": 12, "deep": False, "classes": "[", "path": "/m.onnx", "limit": 0.0}
    values, problems = parameters(list(FORM.values()), entries)
    assert values == {"hue": 12, "deep": False, "path": "/m.onnx", "limit": 0.0}
    assert list(problems) == ["classes"]


def test_a_kind_that_tells_of_nothing_has_one_field_for_all() -> None:
    (form,) = fields({"type": "object"})
    assert parameters([form], {"parameters": '{"level": 3}'}) == ({"level": 3}, {})
    assert parameters([form], {"parameters": ""}) == ({}, {})
    assert list(parameters([form], {"parameters": "[3]"})[1]) == ["parameters"]
    assert fields({"type": "object", "properties": {}, "additionalProperties": False}) == []


@pytest.mark.parametrize(
    ("text", "at_fields", "others"),
    [
        (
            "the algorithms cannot be used:\n  gate: params.hue: must be at most 179",
            {"hue": "must be at most 179"},
            [],
        ),
        (
            "the algorithms cannot be used:\n  gate: params.classes[1]: must be a text",
            {"classes": "[1] must be a text"},
            [],
        ),
        ("no algorithm kind 'x' is installed here", {}, ["no algorithm kind 'x' is installed here"]),
        (
            "cannot be used:\n  gate: params: two of them fit not",
            {},
            ["gate: params: two of them fit not"],
        ),
    ],
)
def test_what_the_algorithm_refuses_is_said_at_its_field(
    text: str, at_fields: dict[str, str], others: list[str]
) -> None:
    assert by_field(list(FORM.values()), text) == (at_fields, others)


def test_words_of_others_are_no_markdown() -> None:
    assert plain("no [x](y) *z*") == r"no \[x\]\(y\) \*z\*"
