"""What recordings and the studio paint for an algorithm that has no `draw` of its own.

The shapes of docs/result-shapes.md, in colours that stay the same for an id or label from frame to frame.
"""

import zlib
from collections.abc import Sequence

import cv2
import numpy as np

from algos.base import BaseAlgo, Picture
from algos.geometry import Box, Point, Shapes, Tag, Vertex
from algos.lettering import Area, Colour, Letters
from algos.shapes import shapes_in

_PALETTE: tuple[Colour, ...] = (
    (132, 199, 129),
    (247, 195, 79),
    (77, 183, 255),
    (146, 98, 240),
    (200, 104, 186),
    (172, 182, 77),
    (101, 138, 255),
    (117, 231, 220),
    (203, 134, 121),
    (79, 213, 255),
)
_PLAIN = _PALETTE[0]  # what has neither id nor label
_RIM: Colour = (32, 28, 26)  # a dark edge, for bright pictures
_SIDE_PER_WIDTH = 360  # a picture's shorter side has so many times the width of its lines
_FILL = 0.18  # of a polygon
_MOST_LABELS = 100  # more could not be read
_MOST_POINT_LABELS = 24
_MOST_FILLED = 64
_FAR = 32_000  # pixels; OpenCV's own arithmetic is good for so much

_Pixels = np.ndarray[tuple[int, int], np.dtype[np.int32]]
"""(n, 2), x and y."""
_Ends = tuple[Sequence[str], Area, Colour, float]


def drawn(
    algorithm: BaseAlgo,
    image: Picture,
    result: object,
    size: tuple[int, int] | None = None,
    *,
    top: int = 0,
) -> int:
    """Paint `result` as its algorithm does, or by `draw` if it does not say how; returns what `draw` does.

    An algorithm's own `draw` is foreign code: whatever it raises comes through.
    """
    if type(algorithm).draw is BaseAlgo.draw:
        return draw(image, result, size, top=top)
    algorithm.draw(image, result)
    return top


def draw(image: Picture, result: object, size: tuple[int, int] | None = None, *, top: int = 0) -> int:
    """Paint what can be drawn of `result` on `image`, (H, W, 3) BGR uint8, in place.

    `size`: width and height of the picture that the algorithm saw, if it was another; only of interest to a
    result in pixels. `top`: the row from which on the panel of facts goes, so that several results on one
    picture do not cover each other's; returned is the `top` for the next one. Raises ValueError for an image
    that cannot be painted on.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.flags.c_contiguous:  # noqa: PLR2004
        raise ValueError(
            f"cannot draw on an image of shape {image.shape} and dtype {image.dtype}: "
            "it must be (height, width, 3) uint8, BGR, in one piece (numpy.ascontiguousarray)"
        )
    if not image.flags.writeable:
        raise ValueError("cannot draw on an image that is read-only: draw on a copy of it")
    return _Painter(image).paint(shapes_in(result), size, top) if image.size else top


class _Painter:
    """Paints on one picture: first what covers much, then what covers little, labels last."""

    def __init__(self, image: Picture) -> None:
        self._image = image
        self._height, self._width = image.shape[:2]
        self._line_px = max(1, round(min(self._height, self._width) / _SIDE_PER_WIDTH))
        self._labels: list[_Ends] = []

    def paint(self, shapes: Shapes, size: tuple[int, int] | None, top: int) -> int:
        """All of them; returns where the next panel begins."""
        scale = shapes.scale(self._width, self._height, size)
        for number, polygon in enumerate(shapes.polygons):
            self._polygon(_pixels(polygon.vertices, scale), polygon.tag, filled=number < _MOST_FILLED)
        for line in shapes.lines:
            self._line(_pixels(line.vertices, scale), line.tag)
        for box in shapes.boxes:
            self._box(box, scale)
        named = len(shapes.points) <= _MOST_POINT_LABELS
        tags = (
            *(box.tag for box in shapes.boxes),
            *(polygon.tag for polygon in shapes.polygons),
            *(line.tag for line in shapes.lines),
        )
        said = {tag.label for tag in tags}
        for point in shapes.points:
            self._point(point, scale, named=named and point.tag.label not in said)
        letters = Letters(self._image)
        facts = [(fact.name.replace("_", " "), fact.value) for fact in shapes.facts]
        below = letters.panel(facts, more=shapes.more, top=top)
        # The surest come first: where there is not room for all, theirs are the ones to read.
        for texts, around, colour, _ in sorted(self._labels, key=lambda label: -label[3])[:_MOST_LABELS]:
            letters.label(texts, around, colour)
        return below

    def _polygon(self, at: _Pixels, tag: Tag, *, filled: bool) -> None:
        area = _bounds(at)
        if not self._seen(area):
            return
        colour = _colour(tag)
        if filled:
            left, top = max(0, area.left), max(0, area.top)
            part = self._image[top : max(top, area.bottom), left : max(left, area.right)]
            ground = part.copy()
            cv2.fillPoly(ground, [at - (left, top)], colour)
            cv2.addWeighted(ground, _FILL, part, 1 - _FILL, 0, dst=part)
        for width, ink in ((self._line_px + 2, _RIM), (self._line_px, colour)):
            cv2.polylines(self._image, [at], isClosed=True, color=ink, thickness=width, lineType=cv2.LINE_AA)
        x, y = map(int, at.mean(axis=0))
        self._label(tag, Area(x, y, x + 1, y + 1))

    def _line(self, at: _Pixels, tag: Tag) -> None:
        area = _bounds(at)
        if not self._seen(area):
            return
        for width, ink in ((self._line_px + 2, _RIM), (self._line_px, _colour(tag))):
            cv2.polylines(self._image, [at], isClosed=False, color=ink, thickness=width, lineType=cv2.LINE_AA)
        x, y = map(int, at[-1])  # the end of a track is where its object is
        self._label(tag, Area(x, y - self._line_px, x + 1, y + self._line_px))

    def _box(self, box: Box, scale: Vertex) -> None:
        at = _pixels(((box.x1, box.y1), (box.x2, box.y2)), scale)
        (left, top), (right, bottom) = at.tolist()
        area = Area(left, top, right + 1, bottom + 1)
        if not self._seen(area):
            return
        # The border of a box that reaches to the picture's own is to be seen.
        inner = (min(right, self._width - 1), min(bottom, self._height - 1))
        for width, ink in ((self._line_px + 2, _RIM), (self._line_px, _colour(box.tag))):
            cv2.rectangle(self._image, (left, top), inner, ink, width)
        rim = self._line_px // 2 + 1  # the label's edge is in line with the border's
        self._label(box.tag, Area(left - rim, top - rim, right + 1 + rim, bottom + 1 + rim))

    def _point(self, point: Point, scale: Vertex, *, named: bool) -> None:
        ((x, y),) = _pixels(((point.x, point.y),), scale).tolist()
        radius = self._line_px + 1
        area = Area(x - radius, y - radius, x + radius + 1, y + radius + 1)
        if not self._seen(area):
            return
        cv2.circle(self._image, (x, y), radius + 1, _RIM, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(self._image, (x, y), radius, _colour(point.tag), cv2.FILLED, cv2.LINE_AA)
        if named:
            self._label(point.tag, area)

    def _seen(self, area: Area) -> bool:
        """Whether any of it is in the picture."""
        return area.left < self._width and area.top < self._height and area.right > 0 and area.bottom > 0

    def _label(self, tag: Tag, around: Area) -> None:
        if tag.text:
            short = Tag(tag.label, None, "" if tag.label else tag.id).text
            texts = list(dict.fromkeys(text for text in (tag.text, short, f"{short[:7]}…") if text))
            self._labels.append((texts, around, _colour(tag), tag.score or 0.0))


def _colour(tag: Tag) -> Colour:
    """The same for the same id, and for the same label without ids, in every process."""
    key = tag.id or tag.label
    return _PALETTE[zlib.crc32(key.encode()) % len(_PALETTE)] if key else _PLAIN


def _pixels(vertices: Sequence[Vertex], scale: Vertex) -> _Pixels:
    """(n, 2) in whole pixels."""
    return np.clip(np.round(np.multiply(vertices, scale)), -_FAR, _FAR).astype(np.int32)


def _bounds(at: _Pixels) -> Area:
    (left, top), (right, bottom) = at.min(axis=0).tolist(), at.max(axis=0).tolist()
    return Area(left, top, right + 1, bottom + 1)
