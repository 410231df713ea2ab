"""What Python finds in results, written down for the dashboard's own reading of them.

`python -m tests.shapes_corpus` writes dashboard/tests/shapes-corpus.json, which the dashboard's tests read.
With `--random N --seed S` there are other trees in it, for more than are worth keeping.

Results are in it as they travel. Left out is what JavaScript cannot tell apart or keeps in another order:
whole floats from 1e15 on (in Python shown otherwise than ints), ints from 2**53 on, the zero below zero, and
keys that are all digits.
"""

import argparse
import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import numpy as np

from agent.contract.codec import UnpackableError, decode_data, json_data, pack_data
from algos import drawing, shapes
from algos.geometry import Shapes, Tag, said_score
from algos.shapes import shapes_in
from tests.unit import test_shapes as written

FILE = Path(__file__).parents[1] / "dashboard" / "tests" / "shapes-corpus.json"
SEED = 6
RANDOM = 150  # trees; with their answers as many as fit into a file that can be looked at

_A = [0.1, 0.2, 0.5, 0.75]
_LARGE: list[object] = [  # each of more items than travel as lists
    {"boxes": np.linspace(0, 1, 4100, dtype=np.float32).reshape(-1, 4), "score": 1},
    {"flags": np.ones(4097, bool), "box": _A, "raw": b"\0\xff"},
]
_ODD: list[object] = [
    {"__bin__": "YQ", "box": _A},
    {"a": {"__bin__": "YQ"}, "b": {"__bin__": "YQ=="}, "c": {"__bin__": "Y Q="}, "d": {"__bin__": 3}},
    {"boxes": {"__nd__": 1, "dtype": "<f4", "shape": [1, 4], "data": b"\0" * 12}},
    {"boxes": {"__nd__": 1, "dtype": "<f4", "shape": [1, 4], "data": b"\0" * 16}},
    {"boxes": {"__nd__": 1, "dtype": "<f4", "shape": [1, 4], "data": b"\0" * 16, "label": "no array"}},
    {"boxes": {"__nd__": 1, "dtype": "|O8", "shape": [4], "data": b"\0" * 32}},
    {"count": {"__nd__": 1, "dtype": "<i8", "shape": [], "data": b"\7" + b"\0" * 7}},
    {"boxes": {"__nd__": 1, "dtype": "<f8", "shape": [0, 4], "data": b""}, "n": 0},
    *({"box": _A, "score": score} for score in (0.125, 0.375, 0.625, -0.125, 0.995, 1.5, 12.125)),
    *({"box": _A, "score": score} for score in (1e-9, 99999, 5e-324, 99.995)),
    *({"fact": fact} for fact in (1000.5, 1001.5, -1000.5, -1001.5, 12.125, 0.0078125, 999.95, 9999.5)),
    *({"fact": fact} for fact in (1_700_000_000_000_000, -(2**53) + 1, 1.5e18, 123456789.5, 1e21, 1 / 3)),
    *({"fact": fact} for fact in (1e-5, 0.0001, 0.00009999999, 0.1 + 0.2)),
    *({"text": text, "box": _A} for text in ("é人 \U0001f600", "a\tb\u200bc\u00a0", " ", "\ufeff")),
    *({"name": text, "score": 1} for text in ("\U0001f600" * 61, "\U0001f600" * 60, "x" * 61)),
    *({"name": text, "score": 1} for text in ("y" * 59 + " z", " " * 61 + "q")),
    {"label": 7.0, "score": True, "id": 3.5, "box": _A, "track_id": 1e20},
    {"label": "", "name": "second", "score": None, "conf": 0.5, "box": _A},
    {"labels": [], "names": ["a"], "ids": [None, 2], "track_ids": [5, 6], "boxes": [_A, _A]},
    {"x1": 0, "y1": 0, "x2": 1, "y2": 1, "x": 0.5, "y": 0.5, "w": 0.1, "h": 0.1},
    {"x": 0.5, "y": 0.5, "width": "?", "height": 1, "w": 0.25, "h": 0.25},
    {"xywh": [[10, 20, 30, 40], None, [1, 2, 3, 4]], "ids": ["a", "b", "c"]},
    [[1, 2, 3], _A],
    [[], _A],
    [[[0.1, 0.2, 0.3, 0.4]], _A],
    [["?"], {"box": _A}],
    {"keypoints": [[[1, 2, 0], [3, 4, 1]], None, [[5, 6, 0.5]]], "labels": ["a", "b", "c"], "ids": ["", 8]},
    {"lines": [[0, 0, 1, 1, 2, 2], [[0, 0], [1, 1]]], "path": [[0, 0]], "trail": [0, 0, 1, 1, 2, 2]},
]  # fmt: skip

LIMITS: dict[str, Callable[[], object]] = {
    "1001 boxes": lambda: {"boxes": [_A] * 1001},
    "1000 boxes": lambda: {"boxes": [_A] * 1000},
    "boxes beyond the rows": lambda: {"boxes": [None] * 20_000 + [_A]},
    "three polygons of 15000": lambda: {"polygons": [[[0.5, 0.5]] * 15_000] * 3},
    "vertices to the last": lambda: {"line": [[0.5, 0.5]] * 20_000},
    "25 facts": lambda: {f"n{place}": place for place in range(25)},
    "1001 keys": lambda: {**{f"n{place}": None for place in range(1000)}, "box": _A},
    "maps in a list": lambda: [{"a": None}] * 12_000,
    "maps to the last step": lambda: [*[{"a": None}] * 9999, {"box": _A}],
    "maps to the step after it": lambda: [*[{"a": None}] * 9999, {}, {"box": _A}],
    "a list beyond the steps": lambda: [[]] + [None] * 20_000 + [{"box": _A}],
    "16 deep": lambda: _nested(15),
    "17 deep": lambda: _nested(16),
    "18 deep": lambda: _nested(17),
}
"""By name, for the dashboard's tests build the same: they are large, and only counts of them are compared."""


def _nested(maps: int) -> object:
    tree: dict[str, Any] = {"box": _A, "in": 1}
    for _ in range(maps):
        tree = {"in": tree}
    return tree


def written_cases() -> Iterator[object]:
    """The results that the tests of `shapes_in` show, and what lies between Python and JavaScript."""
    for test in (
        written.test_a_box_may_be_written_in_many_ways,
        written.test_what_is_found,
        written.test_facts,
        written.test_pixels_are_told_from_shares,
    ):
        (parametrized,) = vars(test)["pytestmark"]
        for case in parametrized.args[1]:
            yield case[0] if isinstance(case, tuple) else case
    yield from _ODD


_NAMES = sorted(
    {*shapes._BOXES, *shapes._POINTS, *shapes._POLYGONS, *shapes._LINES, *shapes._CORNERS}
    | {"xywh", "x", "y", "w", "h", "width", "height", "other", "left", "count", "size", "units"}
)
_SAID = sorted(shapes._TAGS)
_TEXTS = ("cat", "person", "two\nlines", "", " é人 ", "pixels", "shares", "x" * 70)


class Trees:
    """Random results: mostly of the forms that are read, sometimes with something wrong in them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  no secret

    def tree(self, depth: int = 0) -> object:
        """A map, or a list of maps or rows."""
        draw = self._random.random()
        if depth < 4 and draw < 0.15:
            return [self.tree(depth + 1) for _ in range(self._random.randrange(4))]
        if draw < 0.2:
            return self._rows(self._random.randrange(4, 7))
        names = self._random.sample(_NAMES, self._random.randrange(1, 4))
        names += self._random.sample(_SAID, self._random.randrange(4))
        self._random.shuffle(names)
        return {name: self._value(name, depth) for name in names}

    def _value(self, name: str, depth: int) -> object:  # noqa: PLR0911  one a form
        draw = self._random.random()
        if draw < 0.1:
            return self._leaf()
        if draw < 0.2 and depth < 4:
            return self.tree(depth + 1)
        if name in shapes._BOXES or name == "xywh":
            width = self._random.choice((4, 4, 4, 5, 6, 7))
            return self._row(width) if self._random.random() < 0.4 else self._rows(width)
        if name in shapes._POINTS:
            width = self._random.choice((2, 2, 3, 4))
            forms = (self._row, self._rows, self._groups, self._named)
            return self._random.choice(forms)(width)
        if name in shapes._POLYGONS or name in shapes._LINES:
            flat = self._random.choice((4, 6, 7, 8))
            return self._random.choice((self._row(flat), self._rows(2), [self._row(flat), self._rows(2)]))
        if name in (*shapes._LABELS, *shapes._SCORES, *shapes._IDS):
            return [self._leaf() for _ in range(self._random.randrange(4))]
        if name == "size":
            return [self._random.randrange(2000), self._random.randrange(2000)]
        return self._random.choice((self._leaf, self._number))()

    def _groups(self, width: int) -> object:
        return [self._rows(width) for _ in range(2)]

    def _named(self, width: int) -> object:
        return {name: self._row(width) for name in self._random.sample(("nose", "left eye", "tail"), 2)}

    def _rows(self, width: int) -> object:
        return [self._row(width) for _ in range(self._random.randrange(1, 5))]

    def _row(self, width: int) -> object:
        row: list[object] = [self._number() for _ in range(width)]
        draw = self._random.random()
        if draw < 0.06:
            row[self._random.randrange(width)] = self._leaf()
        elif draw < 0.1:
            return [row]  # as OpenCV has it
        elif draw < 0.12:
            row.pop()
        return row

    def _number(self) -> float:
        draw = self._random.random()
        if draw < 0.5:
            return self._random.randrange(1, 1000) / 1000
        if draw < 0.8:
            return self._random.randrange(-10, 40) * 0.125 or 0
        return self._random.randrange(-20, 1920)

    def _leaf(self) -> object:
        """Anything that is no container, of all sizes."""
        kinds: tuple[Callable[[], object], ...] = (
            self._number,
            lambda: self._random.choice(_TEXTS),
            lambda: self._random.choice((None, True, False, b"ab", float("nan"), float("inf"), 1e7, 1e-300)),
            lambda: self._random.randrange(-(2**53) + 1, 2**53),
            lambda: (
                self._random.choice((-1, 1)) * self._random.random() * 10 ** self._random.randrange(-12, 14)
            ),
            lambda: self._random.randrange(1, 20_000) * 0.03125,  # halves of many a digit
        )
        return self._random.choice(kinds)()


def corpus(seed: int = SEED, random: int = RANDOM) -> str:
    """The corpus as JSON, one case a line."""
    trees = Trees(seed)
    results = [*(case for tree in written_cases() for case in _cases(tree, both=True))]
    results += [case for _ in range(random) for case in _cases(trees.tree(), both=False)]
    parts: dict[str, list[Any]] = {
        "results": results,
        "large": [[base64.b64encode(pack_data(tree)).decode(), _counts(shapes_in(tree))] for tree in _LARGE],
        "limits": [[name, _counts(shapes_in(tree()))] for name, tree in LIMITS.items()],
        "scores": [[score, said_score(score)] for score in _scores(Random(seed))],  # noqa: S311  no secret
        "colours": [[name, _colour(name)] for name in ("", "person", "12", "é人", "\U0001f600", "cat")],
        "scales": _scales(),
    }  # fmt: skip
    lines = [
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
        + "\n]"
        for name, cases in parts.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _cases(tree: object, *, both: bool) -> Iterator[list[object]]:
    """A result as msgpack in base64, and as JSON in a text, each with what Python finds in it."""
    try:
        packed = pack_data(tree)
        said = json_data(tree).decode()
    except UnpackableError:
        return
    yield ["msgpack", base64.b64encode(packed).decode(), _answer(decode_data(msgpack.unpackb(packed)))]
    if both:
        yield ["json", said, _answer(decode_data(json.loads(said)))]


def _answer(result: object) -> dict[str, Any]:
    found = shapes_in(result)
    answer: dict[str, Any] = {
        "boxes": [[box.x1, box.y1, box.x2, box.y2, *_said(box.tag)] for box in found.boxes],
        "points": [[point.x, point.y, *_said(point.tag)] for point in found.points],
        "polygons": [[one.vertices, *_said(one.tag)] for one in found.polygons],
        "lines": [[one.vertices, *_said(one.tag)] for one in found.lines],
        "facts": [[fact.name, fact.value] for fact in found.facts],
        "size": found.size,
        "more": found.more,
    }
    return {"units": found.units, **{name: value for name, value in answer.items() if value}}


def _said(tag: Tag) -> list[object]:
    return [tag.label, tag.score, tag.id, tag.text]


def _counts(found: Shapes) -> list[object]:
    kinds = (found.boxes, found.points, found.polygons, found.lines, found.facts)
    return [*map(len, kinds), found.units, found.more]


def _scores(random: Random) -> list[float]:
    halves = [place / 32 for place in range(33)] + [12.125, 1000.5, 12345, -0.125, 99.995, 1e-7, 123456.5]
    return halves + [random.random() * 10 ** random.randrange(-6, 7) for _ in range(60)]


def _colour(name: str) -> int:
    """The number of its colour, which is what both palettes have in common."""
    return drawing._PALETTE.index(drawing._colour(Tag(name)))


def _scales() -> list[object]:
    return [
        [units, size, saw, Shapes(units=units, size=size).scale(1280, 720, saw)]
        for units in ("shares", "pixels")
        for size in (None, (320.0, 180.0))
        for saw in (None, (640.0, 360.0))
    ]


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description="Write down what Python finds in results.")
    parser.add_argument("--random", type=int, default=RANDOM)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--to", type=Path, default=FILE)
    given = parser.parse_args()
    given.to.write_text(corpus(given.seed, given.random), "utf-8")


if __name__ == "__main__":
    main()
