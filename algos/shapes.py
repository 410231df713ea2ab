"""What can be drawn of a result: boxes, points, polygons, lines and facts, found by the names of keys.

The rules are those of docs/result-shapes.md. `shapes_in` takes what `run()` returned as well as what came
back out of JSON or msgpack, so that drawings, recordings, the studio and dashboards see the same.
Invariant: pure, bounded in shapes, vertices and steps, and raises on no tree of values.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from algos.geometry import Box, Fact, Line, Point, Polygon, Shapes, Tag, Units, Vertex, said_score
from algos.values import Row, as_label, as_mapping, as_number, as_row, as_rows, as_sequence, as_text, plain

MAX_SHAPES = 1000
MAX_VERTICES = 20_000
MAX_FACTS = 24
MAX_STEPS = 20_000  # values looked at
MAX_DEPTH = 16  # containers within containers
SHARES_UP_TO = 2.0  # larger coordinates are pixels; what is foreseen may lie beyond the picture

_LABEL = ("label", "class_name", "name", "class", "category", "text")
_SCORE = ("score", "confidence", "conf", "probability")
_ID = ("id", "track_id")
_LABELS = ("labels", "class_names", "names", "classes")
_SCORES = ("scores", "confidences")
_IDS = ("ids", "track_ids")
_TAGS = frozenset({*_LABEL, *_SCORE, *_ID, *_LABELS, *_SCORES, *_IDS})
_BOXES = frozenset({"box", "bbox", "xyxy", "boxes", "bboxes", "detections", "objects", "regions"})
_POINTS = frozenset({"point", "points", "center", "centre", "centroid", "keypoints", "landmarks"})
_POLYGONS = frozenset({"polygon", "polygons", "corners", "contour", "contours", "outline"})
_LINES = frozenset({"line", "lines", "path", "paths", "trail", "trails"})
_CORNERS = ("x1", "y1", "x2", "y2")
_EXTENTS = (("x", "y", "width", "height"), ("x", "y", "w", "h"))
_BOX = 4  # numbers
_CLOSED = 3  # vertices
_OPEN = 2

_Value = TypeVar("_Value")


def shapes_in(result: object) -> Shapes:
    """What can be drawn of `result`; nothing where there is nothing."""
    root = plain(result)
    reader = _Reader()
    bare = as_sequence(root) or ()
    if not (
        any(as_sequence(plain(row)) for row in bare[:1]) and reader.boxes_in(root, Tag(), {}, scored=True)
    ):
        reader.walk(root, "", 0, listed=False)
    units, size = _said(root)
    return Shapes(
        boxes=tuple(reader.boxes),
        points=tuple(reader.points),
        polygons=tuple(reader.polygons),
        lines=tuple(reader.lines),
        facts=tuple(reader.facts),
        units=units or ("pixels" if reader.largest > SHARES_UP_TO else "shares"),
        size=size,
        more=reader.more,
    )


def _said(root: object) -> tuple[Units | None, tuple[float, float] | None]:
    """What the result says of its coordinates: its keys `units` and `size`."""
    mapping = as_mapping(root) or {}
    units: Units | None = None
    match as_text(mapping.get("units")):
        case "shares":
            units = "shares"
        case "pixels":
            units = "pixels"
    size = as_row(mapping.get("size"), 2, 2)
    return units, (size[0], size[1]) if size is not None and min(size) >= 1 else None


class _Reader:
    """Walks one result, and keeps what it finds."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.points: list[Point] = []
        self.polygons: list[Polygon] = []
        self.lines: list[Line] = []
        self.facts: list[Fact] = []
        self.largest = 0.0
        self.more = False
        self._steps = 0
        self._vertices = 0

    def walk(self, value: object, path: str, depth: int, *, listed: bool) -> None:
        """A value that is no shape by its name; what is in no list is a fact, if it can be one."""
        self._steps += 1
        if depth > MAX_DEPTH or self._steps > MAX_STEPS:
            self.more = True
            return
        value = plain(value)
        mapping, items = as_mapping(value), as_sequence(value)
        if mapping is not None:
            self._mapping(mapping, path, depth, listed=listed)
        elif items is not None:
            for item in items[:MAX_STEPS]:
                if as_mapping(plain(item)) is not None:
                    self.walk(item, "", depth + 1, listed=True)
        elif not listed:
            text = _fact(value)
            if text:
                self._add_fact(Fact(path, text))

    def _mapping(self, mapping: dict[str, Any], path: str, depth: int, *, listed: bool) -> None:
        tag = Tag(
            _first(mapping, _LABEL, as_label) or "",
            _first(mapping, _SCORE, as_number),
            _first(mapping, _ID, as_label) or "",
        )
        read = self._shapes(mapping, tag)
        if read or self._judgements(mapping, tag):
            read |= _TAGS
        if depth == 0:
            read |= {"units", "size"}
        for name, item in mapping.items():
            if name not in read:
                self.walk(item, f"{path}.{name}" if path else name, depth + 1, listed=listed)

    def _shapes(self, mapping: dict[str, Any], tag: Tag) -> set[str]:
        """The names of those keys that are shapes."""
        read: set[str] = set()
        for name, value in mapping.items():
            if (
                (name in _BOXES and self.boxes_in(value, tag, mapping, scored=name != "regions"))
                or (name in _POINTS and self._points_in(value, tag, mapping))
                or (name in _POLYGONS and self._strokes_in(value, tag, mapping, _CLOSED))
                or (name in _LINES and self._strokes_in(value, tag, mapping, _OPEN))
                or (name == "xywh" and self.boxes_in(_corners(value), tag, mapping, scored=False))
            ):
                read.add(name)
        if row := as_row([mapping.get(name) for name in _CORNERS], _BOX, _BOX):
            self._add_box(row, tag)
            read.update(_CORNERS)
        elif extent := next((names for names in _EXTENTS if _box_of(mapping, names)), None):
            self._add_box(_box_of(mapping, extent) or (), tag)
            read.update(extent)
        elif row := as_row([mapping.get("x"), mapping.get("y")], 2, 2):
            self._add_point(row, tag)
            read.update("xy")
        return read

    def boxes_in(self, value: object, tag: Tag, mapping: dict[str, Any], *, scored: bool) -> bool:
        """Rows x1, y1, x2, y2; where `scored`, a fifth number is the score and a sixth the class."""
        rows = as_rows(value, _BOX, _BOX + 2)
        for place, row in enumerate(rows or ()):
            if row is not None:
                own = _at(place, mapping, tag, alone=len(rows or ()) == 1)
                if scored and len(row) > _BOX:
                    label = as_label(row[_BOX + 1]) if len(row) > _BOX + 1 else None
                    own = Tag(own.label or label or "", row[_BOX] if own.score is None else own.score, own.id)
                self._add_box(row, own)
        return rows is not None

    def _points_in(self, value: object, tag: Tag, mapping: dict[str, Any]) -> bool:
        """`[x, y]`, several, several groups (of one object each), or a dictionary of named ones."""
        named = as_mapping(plain(value))
        if named is not None:
            rows = {name: as_row(item, 2, 3) for name, item in named.items()}
            for name, row in rows.items():
                if row is not None:
                    self._add_point(row, Tag(name, None, tag.id))
            return any(rows.values())
        found = as_rows(value, 2, 3)
        if found is None:
            groups = [as_rows(item, 2, 3) for item in _items(value)]
            for place, group in enumerate(groups):
                of = _at(place, mapping, tag, alone=False)
                own = Tag(of.label, None, of.id or str(place))
                for row in group or ():
                    self._add_point(row, own)
            return any(groups)
        of = tag if len(found) == 1 else Tag(tag.label, None, tag.id)  # all are of the one object
        for place, row in enumerate(found):
            self._add_point(row, _at(place, mapping, of, alone=True))
        return True

    def _strokes_in(self, value: object, tag: Tag, mapping: dict[str, Any], least: int) -> bool:
        """One outline or line, or several."""
        one = _vertices(value, least)
        strokes = [one] if one else [_vertices(item, least) for item in _items(value)]
        for place, vertices in enumerate(strokes):
            if vertices:
                self._add_stroke(vertices, _at(place, mapping, tag, alone=len(strokes) == 1), least)
        return any(strokes)

    def _judgements(self, mapping: dict[str, Any], tag: Tag) -> bool:
        """Of the whole picture: `{"label": "cat", "score": 0.9}`, or `labels`, perhaps with `scores`."""
        if tag.label and tag.score is not None:
            self._add_fact(Fact(tag.label, said_score(tag.score)))
            return True
        labels = _first(mapping, _LABELS, lambda value: [as_label(item) for item in _items(value)]) or []
        scores = _first(mapping, _SCORES, lambda value: [as_number(item) for item in _items(value)]) or []
        for place, label in enumerate(labels):
            if label:
                self._add_fact(Fact(label, said_score(scores[place]) if len(scores) == len(labels) else ""))
        return any(labels)

    def _room(self, vertices: int) -> bool:
        shapes = len(self.boxes) + len(self.points) + len(self.polygons) + len(self.lines)
        room = shapes < MAX_SHAPES and self._vertices + vertices <= MAX_VERTICES
        self.more = self.more or not room
        return room

    def _see(self, numbers: Sequence[float]) -> None:
        self._vertices += len(numbers) // 2
        self.largest = max(self.largest, *map(abs, numbers))

    def _add_box(self, row: Row, tag: Tag) -> None:
        if self._room(2):
            left, top, right, bottom = row[:_BOX]
            self._see(row[:_BOX])
            x1, x2 = sorted((left, right))
            y1, y2 = sorted((top, bottom))
            self.boxes.append(Box(x1, y1, x2, y2, tag))

    def _add_point(self, row: Row | None, tag: Tag) -> None:
        """A third number is how well it is seen; 0: not at all."""
        if row is not None and not (len(row) > 2 and row[2] <= 0) and self._room(1):  # noqa: PLR2004  x, y
            self._see(row[:2])
            self.points.append(Point(row[0], row[1], tag))

    def _add_stroke(self, vertices: tuple[Vertex, ...], tag: Tag, least: int) -> None:
        if self._room(len(vertices)):
            self._see([number for vertex in vertices for number in vertex])
            if least == _CLOSED:
                self.polygons.append(Polygon(vertices, tag))
            else:
                self.lines.append(Line(vertices, tag))

    def _add_fact(self, fact: Fact) -> None:
        if len(self.facts) < MAX_FACTS:
            self.facts.append(Fact(as_text(fact.name) or "", fact.value))
        else:
            self.more = True


def _items(value: object) -> Sequence[Any]:
    return (as_sequence(plain(value)) or ())[:MAX_SHAPES]


def _first(
    mapping: dict[str, Any], names: Sequence[str], read: Callable[[object], _Value | None]
) -> _Value | None:
    """The first of these keys whose value is of the form."""
    found = (read(mapping[name]) for name in names if name in mapping)
    return next((value for value in found if value is not None and value != ""), None)


def _at(place: int, mapping: dict[str, Any], tag: Tag, *, alone: bool) -> Tag:
    """The tag of one of several: by the lists beside them, and the only one's own."""

    def listed(names: Sequence[str]) -> object:
        lists = (_items(mapping[name]) for name in names if name in mapping)
        return next((items[place] for items in lists if place < len(items)), None)

    own = tag if alone else Tag(label=tag.label, score=None, id="")
    score = as_number(listed(_SCORES))
    return Tag(
        as_label(listed(_LABELS)) or own.label,
        own.score if score is None else score,
        as_label(listed(_IDS)) or own.id,
    )


def _box_of(mapping: dict[str, Any], names: Sequence[str]) -> Row | None:
    """A box of keys for x, y, width and height."""
    boxes = _corners([mapping.get(name) for name in names])
    return tuple(boxes[0]) if boxes else None


def _corners(value: object) -> list[list[float]]:
    """Boxes of x, y, width and height."""
    rows = as_rows(value, _BOX, _BOX) or []
    return [[row[0], row[1], row[0] + row[2], row[1] + row[3]] for row in rows if row is not None]


def _vertices(value: object, least: int) -> tuple[Vertex, ...]:
    """At least so many vertices, as pairs or one after the other; empty if the value is not of that form."""
    pairs = tuple((row[0], row[1]) for row in as_rows(value, 2, 2) or () if row is not None)
    if len(pairs) >= least:
        return pairs
    flat = as_row(value, 2 * least, MAX_VERTICES)
    if flat is None or len(flat) % 2 or (least == _OPEN and len(flat) != _BOX):
        return ()
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _fact(value: object) -> str:
    """A leaf as a person reads it; empty where there is nothing to read."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and as_number(value) is not None:
        return str(value)
    number = as_number(value)
    if number is None:
        return as_text(value) or ""
    return f"{number:.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"  # noqa: PLR2004  digits enough
