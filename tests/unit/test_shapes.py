"""What is found in results by the documented rules."""

import enum
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agent.contract.codec import decode_data, json_data, pack_data
from algos import shapes
from algos.geometry import Box, Line, Point, Polygon, Shapes, Tag
from algos.shapes import shapes_in

A, B = [0.1, 0.2, 0.5, 0.75], [0.5, 0.5, 1.0, 1.0]
PERSON = Tag("person", 0.5, "3")


def box(row: list[float], tag: Tag | None = None) -> Box:
    return Box(row[0], row[1], row[2], row[3], tag or Tag())


@pytest.mark.parametrize(
    "result",
    [
        {"box": A, "label": "person", "score": 0.5, "id": 3},
        {"bbox": A, "class_name": "person", "confidence": 0.5, "track_id": 3},
        {"xyxy": tuple(A), "name": "person", "conf": 0.5, "id": "3"},
        {"xywh": [0.1, 0.2, 0.4, 0.55], "class": "person", "probability": 0.5, "id": 3},
        {"x1": 0.1, "y1": 0.2, "x2": 0.5, "y2": 0.75, "label": "person", "score": 0.5, "id": 3},
        {"x": 0.1, "y": 0.2, "width": 0.4, "height": 0.55, "label": "person", "score": 0.5, "id": 3},
        {"x": 0.1, "y": 0.2, "w": 0.4, "h": 0.55, "label": "person", "score": 0.5, "id": 3},
        {"box": [0.5, 0.75, 0.1, 0.2], "label": "person", "score": 0.5, "id": 3.0},
        {"boxes": [A], "labels": ["person"], "scores": [0.5], "ids": [3]},
        {"boxes": np.array([A]), "classes": np.array(["person"]), "confidences": np.array([0.5]), "ids": [3]},
        {"boxes": [[*A, 0.5]], "labels": ["person"], "track_ids": [3]},
        {"detections": [[*A, 0.5]], "names": ["person"], "ids": np.array([3])},
        {"detections": [{"box": A, "label": "person", "score": 0.5, "id": 3}]},
        {"anything": {"at": [{"box": A, "label": "person", "score": 0.5, "id": 3}]}},
        [{"box": A, "label": "person", "score": 0.5, "id": 3}],
    ],
)
def test_a_box_may_be_written_in_many_ways(result: object) -> None:
    (found,) = shapes_in(result).boxes
    assert [found.x1, found.y1, found.x2, found.y2] == pytest.approx(A)
    assert found.tag == PERSON


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"boxes": [A, B], "labels": ["cat", "dog"]}, Shapes(boxes=(box(A, Tag("cat")), box(B, Tag("dog"))))),
        ({"boxes": [A, "?", B], "ids": [1, 2, 3]}, Shapes(boxes=(box(A, Tag(id="1")), box(B, Tag(id="3"))))),
        ({"boxes": [A, B], "label": "cat"}, Shapes(boxes=(box(A, Tag("cat")), box(B, Tag("cat"))))),
        ([[*A, 0.25, 7], [*B, 0.5, 1]], Shapes(boxes=(box(A, Tag("7", 0.25)), box(B, Tag("1", 0.5))))),
        ({"regions": [[*A, 0.02]]}, Shapes(boxes=(box(A),))),
        ({"boxes": [A, B], "score": 0.5, "id": 3}, Shapes(boxes=(box(A), box(B)))),  # of which one?
        ({"box": A, "score": float("nan")}, Shapes(boxes=(box(A),))),
        ({"boxes": [[0, 0, 1e7, 1], [0, 0, np.nan, 1]]}, Shapes()),
        ({"box": A, "score": 0.0, "id": 0}, Shapes(boxes=(box(A, Tag("", 0.0, "0")),))),
        ({"point": [0.5, 0.25], "label": "door"}, Shapes(points=(Point(0.5, 0.25, Tag("door")),))),
        ({"x": 0.5, "y": 0.25, "id": 4}, Shapes(points=(Point(0.5, 0.25, Tag(id="4")),))),
        (
            {"keypoints": [[0.5, 0.25, 0.9], [0.5, 0.5, 0.0]], "label": "cat", "score": 0.5},
            Shapes(points=(Point(0.5, 0.25, Tag("cat")),)),
        ),
        ({"landmarks": {"nose": [0.5, 0.25]}}, Shapes(points=(Point(0.5, 0.25, Tag("nose")),))),
        (
            {"keypoints": np.array([[[0.5, 0.25]], [[0.25, 0.5]]]).reshape(2, 1, 2).repeat(2, axis=1)},
            Shapes(points=(Point(0.5, 0.25, Tag(id="0")),) * 2 + (Point(0.25, 0.5, Tag(id="1")),) * 2),
        ),
        (
            {"corners": [[0, 0], [1, 0], [1, 1]], "text": "EXIT", "id": None},
            Shapes(polygons=(Polygon(((0, 0), (1, 0), (1, 1)), Tag("EXIT")),)),
        ),
        (
            {"contours": [np.array([[[0, 0]], [[1, 0]], [[1, 1]]])]},  # as OpenCV has them
            Shapes(polygons=(Polygon(((0, 0), (1, 0), (1, 1)), Tag()),)),
        ),
        ({"polygon": [0, 0, 1, 0, 1, 1]}, Shapes(polygons=(Polygon(((0, 0), (1, 0), (1, 1)), Tag()),))),
        ({"polygon": [[0, 0], None, [1, 1], [0, 1, 2]]}, Shapes()),
        ({"line": [0, 0, 1, 1]}, Shapes(lines=(Line(((0, 0), (1, 1)), Tag()),))),
        (
            {"lines": [[0, 0, 1, 1], [0, 1, 1, 0]], "labels": ["in", "out"]},
            Shapes(lines=(Line(((0, 0), (1, 1)), Tag("in")), Line(((0, 1), (1, 0)), Tag("out")))),
        ),
        ({"trail": [[0, 0], [0.5, 1], [1, 1]]}, Shapes(lines=(Line(((0, 0), (0.5, 1), (1, 1)), Tag()),))),
    ],
)  # fmt: skip
def test_what_is_found(result: object, expected: Shapes) -> None:
    assert shapes_in(result) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"label": "cat", "score": 0.9}, [("cat", "0.90")]),
        ([{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0}], [("cat", "0.90"), ("dog", "0.00")]),
        ({"labels": ["cat", "dog"], "scores": [0.9, 0.05]}, [("cat", "0.90"), ("dog", "0.05")]),
        ({"labels": {"dog", "cat"}}, [("cat", ""), ("dog", "")]),
        ({"moves": True, "frozen": False, "count": 3}, [("moves", "yes"), ("frozen", "no"), ("count", "3")]),
        ({"share": np.float32(0.125), "level": 123456.789}, [("share", "0.125"), ("level", "123457")]),
        ({"left": {"count": 2}, "none": None, "empty": ""}, [("left.count", "2")]),
        ({"boxes": [A], "labels": ["cat"], "count": 1}, [("count", "1")]),
        ({"objects": 3, "path": "/dev/null", "points": "many"},
         [("objects", "3"), ("path", "/dev/null"), ("points", "many")]),
        ({"labels": ["cat", "dog"], "scores": [0.5]}, [("cat", ""), ("dog", "")]),
        ({"door": {"size": 3, "units": "m"}}, [("door.size", "3"), ("door.units", "m")]),
        ({None: 1, 2: 3, (4, 5): 6}, [("2", "3")]),
        ({"nan": float("nan"), "inf": np.inf, "large": 10**30, "real": 1e30}, [("real", "1e+30")]),
        ({"histogram": [1, 2, 3, 4], "list": [{"speed": 3}]}, []),
        (5, [("", "5")]),
        (True, [("", "yes")]),
        ("two\nlines\ud800", [("", "two lines")]),
        ([0.1, 0.2, 0.3, 0.4], []),
        (None, []),
    ],
)  # fmt: skip
def test_facts(result: object, expected: list[tuple[str, str]]) -> None:
    found = shapes_in(result)
    assert [(fact.name, fact.value) for fact in found.facts] == expected


@pytest.mark.parametrize(
    ("result", "units", "size"),
    [
        ({"box": [0, 0, 1, 1]}, "shares", None),
        ({"box": [-0.5, 0.2, 1.5, 2.0]}, "shares", None),
        ({"box": [0, 0, 2.01, 1]}, "pixels", None),
        ({"box": [-3, 0, 1, 1]}, "pixels", None),
        ({"boxes": [[0, 0, 1, 1]], "points": [[300, 200]]}, "pixels", None),  # one rule for the whole result
        ({"units": "pixels", "box": [0, 0, 1, 1]}, "pixels", None),
        ({"units": "shares", "box": [0, 0, 7, 7], "size": [640, 360]}, "shares", (640, 360)),
        ({"size": (640, 360), "box": [0, 0, 7, 7]}, "pixels", (640, 360)),
        ({"size": 12, "units": "metres", "box": A}, "shares", None),
        ({"size": [0, 10], "box": [0, 0, 7, 7]}, "pixels", None),
    ],
)
def test_pixels_are_told_from_shares(result: object, units: str, size: object) -> None:
    found = shapes_in(result)
    assert (found.units, found.size, found.facts) == (units, size, ())


def test_pixels_are_those_that_the_algorithm_saw() -> None:
    pixels = shapes_in({"box": [0, 0, 320, 180]})
    assert pixels.scale(1280, 720) == (1, 1)
    assert pixels.scale(1280, 720, (640, 360)) == (2, 2)
    assert shapes_in({"box": [0, 0, 320, 180], "size": [320, 180]}).scale(1280, 720, (640, 360)) == (4, 4)
    assert shapes_in({"box": A}).scale(1280, 720, (640, 360)) == (1280, 720)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Found:
    box: Any
    label: Colour


class Model(BaseModel):
    detections: list[Found]


@pytest.mark.parametrize(
    "travel",
    [
        lambda it: it,
        lambda it: decode_data(msgpack.unpackb(pack_data(it))),
        lambda it: decode_data(json.loads(json_data(it))),
    ],
)
def test_models_are_read_before_and_after_they_travelled(travel: Callable[[object], object]) -> None:
    model = Model(detections=[Found(box=np.array([0.0, 0.0, 0.5, 1.0]), label=Colour.RED)])
    assert shapes_in(travel(model)).boxes == (box([0.0, 0.0, 0.5, 1.0], Tag("red")),)


def test_bounds_are_kept_and_told() -> None:
    many = shapes_in(
        {"boxes": np.random.default_rng(1).random((5000, 4)), **{f"n{i}": i for i in range(900)}}
    )
    assert (len(many.boxes), len(many.facts), many.more) == (shapes.MAX_SHAPES, shapes.MAX_FACTS, True)
    long = shapes_in({"polygons": [[[0.5, 0.5]] * 15_000] * 3})
    assert (len(long.polygons), long.more) == (1, True)
    deep: dict[str, Any] = {"box": A}
    for _ in range(40):
        deep = {"in": deep}
    assert shapes_in(deep) == Shapes(more=True)
    assert shapes_in({"mask": np.zeros((2000, 2000)), "boxes": np.zeros((400_000, 4))}) == Shapes()
    (fact,) = shapes_in({"x" * 10_000: "y" * 10_000}).facts
    assert len(fact.name) == len(fact.value) == 60


def test_what_contains_itself_ends() -> None:
    around: list[Any] = [{"box": A}]
    around += [{"in": around, "boxes": around}] * 3
    found = shapes_in(around)
    assert found.more
    assert found.boxes


def test_a_crowded_line_says_it_all() -> None:
    assert Tag("person", 0.934, "12").text == "person 0.93 #12"
    assert Tag("", 57.25).text == "57.25"
    assert Tag().text == ""


NAMES = st.sampled_from(sorted({
    *shapes._BOXES, *shapes._POINTS, *shapes._POLYGONS, *shapes._LINES, *shapes._TAGS,
    "x", "y", "w", "h", "x1", "y1", "x2", "y2", "xywh", "width", "height", "units", "size", "other",
}))  # fmt: skip
ODD = [
    np.float32("nan"), np.int64(3), np.zeros((2, 4)), np.zeros((0, 4)), np.array(5), np.array(["a", "b"]),
    np.array([None]), np.complex64(1), np.datetime64("2020"), 10**400, {1, "a"}, {"a"}, object(), "pixels",
    Colour.RED, Found([1], Colour.RED),
]  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4)
    | st.sampled_from(ODD) | st.lists(st.floats(-3, 700, width=16), max_size=7)
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(NAMES | st.text(max_size=3) | st.integers(), inner, max_size=6)
    ),
    max_leaves=40,
)


@given(TREES)
def test_any_tree_is_read(tree: object) -> None:
    found = shapes_in(tree)
    for one in found.boxes:
        assert one.x1 <= one.x2
        assert one.y1 <= one.y2
    assert all(fact.name or fact.value for fact in found.facts)
    assert all(len(polygon.vertices) >= 3 for polygon in found.polygons)
    assert all(len(line.vertices) >= 2 for line in found.lines)
    assert found.scale(640, 360)


PAGE = (Path(__file__).parents[2] / "docs" / "result-shapes.md").read_text("utf-8")


def test_what_the_page_shows_as_the_same_is() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    results = [shapes_in(json.loads(line)) for line in block.splitlines()]
    assert len(results) == 4
    for result in results:
        (found,) = result.boxes
        x, y = result.scale(1280, 720)
        assert (found.x1 * x, found.y1 * y, found.x2 * x, found.y2 * y) == pytest.approx((128, 144, 640, 540))
        assert found.tag == Tag("person", 0.93, "12")


def test_the_page_names_the_keys_that_are_read() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    read = {
        *shapes._BOXES,
        *shapes._POINTS,
        *shapes._POLYGONS,
        *shapes._LINES,
        *shapes._TAGS,
        *shapes._CORNERS,
    }
    assert named == read | {"xywh"} | {name for names in shapes._EXTENTS for name in names}
