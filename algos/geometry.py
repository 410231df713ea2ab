"""What is drawn: the shapes that a result can hold, as values."""

from dataclasses import dataclass
from typing import Literal

Units = Literal["shares", "pixels"]
Vertex = tuple[float, float]


def said_score(score: float | None) -> str:
    """A score as a person reads it; empty without one."""
    return "" if score is None else f"{score:.2f}" if abs(score) <= 1 else f"{score:.4g}"


@dataclass(frozen=True, slots=True)
class Tag:
    """What is said of a shape; empty texts and None where nothing is."""

    label: str = ""
    score: float | None = None
    id: str = ""

    @property
    def text(self) -> str:
        """One short line, such as "person 0.93 #12"."""
        number = f"#{self.id}" if self.id else ""
        return " ".join(part for part in (self.label, said_score(self.score), number) if part)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; x1 <= x2, y1 <= y2."""

    x1: float
    y1: float
    x2: float
    y2: float
    tag: Tag


@dataclass(frozen=True, slots=True)
class Point:
    """One place."""

    x: float
    y: float
    tag: Tag


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline of at least three vertices."""

    vertices: tuple[Vertex, ...]
    tag: Tag


@dataclass(frozen=True, slots=True)
class Line:
    """An open line of at least two vertices."""

    vertices: tuple[Vertex, ...]
    tag: Tag


@dataclass(frozen=True, slots=True)
class Fact:
    """What holds for the whole picture: a flag, a number, a text; `name` or `value` may be empty."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """All that was found in one result, each kind in the result's order."""

    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    polygons: tuple[Polygon, ...] = ()
    lines: tuple[Line, ...] = ()
    facts: tuple[Fact, ...] = ()
    units: Units = "shares"
    size: tuple[float, float] | None = None
    """Width and height of the picture that pixels are counted in, where the result says so."""
    more: bool = False
    """Whether there was more than the limits allow."""

    def scale(self, width: float, height: float, seen: tuple[float, float] | None = None) -> Vertex:
        """What x and y are to be multiplied with for a picture of `width` and `height`.

        `seen` is the size that the algorithm saw, for a result in pixels that does not tell it; without it
        these are taken for the picture's own.
        """
        if self.units == "shares":
            return width, height
        seen_width, seen_height = self.size or seen or (width, height)
        return width / seen_width, height / seen_height
