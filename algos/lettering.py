"""Text on pictures: as large as the picture allows, where there is room, and such that it can be read."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from algos.base import Picture

Colour = tuple[int, int, int]
"""Blue, green, red; 0..255."""

_LEAST_PX = 11  # smaller letters cannot be read
_SIDE_PER_LETTER = 48  # a picture's shorter side has so many times its letters' size
_WEIGHT = 450  # of the font: between regular (400) and semi-bold (600)
_MOST_COVERED = 0.1  # share of a label's area that others may take; else it is left out
_PANEL_HEIGHT = 0.55  # share of the picture that facts may take
_LABEL_WIDTH = 0.6  # share of the picture that a label may take
_VALUE_WIDTH = 0.45  # and a name or a value among the facts
_PANEL_DARK = 0.72  # how much of the ground under them is dark
_DARK: Colour = (26, 22, 20)
_LIGHT: Colour = (250, 250, 250)
_FAINT: Colour = (200, 194, 190)
_BRIGHT = 110  # luma from which on dark letters are read better than light ones


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in pixels; right and bottom are outside of it."""

    left: int
    top: int
    right: int
    bottom: int

    def common(self, other: "Area") -> int:
        """How many pixels it shares with `other`."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, width) * max(0, height)


class Letters:
    """Writes on one picture, and knows where it has written."""

    def __init__(self, image: Picture) -> None:
        self._image = image
        self._height, self._width = image.shape[:2]
        self._font = cv2.FontFace("sans")
        self._px = max(_LEAST_PX, round(min(self._height, self._width) / _SIDE_PER_LETTER))
        self._pad = max(2, round(self._px * 0.3))
        self._line_px = round(self._px * 1.1) + 2 * self._pad
        self._taken: list[Area] = []

    def label(self, texts: Sequence[str], around: Area, colour: Colour) -> None:
        """The first of `texts` that finds room near `around`, the longest first, on a ground of `colour`."""
        for text in dict.fromkeys(self._fitted(text, _LABEL_WIDTH) for text in texts):
            width = self._width_of(text) + 2 * self._pad
            if not text or width > self._width or self._line_px > self._height:
                continue
            covered, place = self._freest(around, width)
            if covered <= _MOST_COVERED * width * self._line_px:
                self._chip(text, place, colour)
                return

    def _freest(self, around: Area, width: int) -> tuple[int, Area]:
        """The place that covers the fewest pixels of what is written already, and how many."""
        found: list[tuple[int, Area]] = []
        for place in map(self._inside, self._places(around, width)):
            found.append((sum(map(place.common, self._taken)), place))
            if found[-1][0] == 0:
                break
        return min(found, key=lambda one: one[0])

    def _places(self, around: Area, width: int) -> list[Area]:
        """Where a label may be: above, inside, below; at the left first, as one reads."""
        height = self._line_px
        tops = (around.top - height, around.top, around.bottom, around.bottom - height)
        lefts = (around.left, around.right - width)
        return [Area(left, top, left + width, top + height) for top in tops for left in lefts]

    def _inside(self, area: Area) -> Area:
        """As near as the picture's borders allow."""
        width, height = area.right - area.left, area.bottom - area.top
        left = max(0, min(area.left, self._width - width))
        top = max(0, min(area.top, self._height - height))
        return Area(left, top, left + width, top + height)

    def _chip(self, text: str, area: Area, colour: Colour) -> None:
        self._image[area.top : area.bottom, area.left : area.right] = colour
        blue, green, red = colour
        bright = 0.114 * blue + 0.587 * green + 0.299 * red >= _BRIGHT
        self._write(text, area.left + self._pad, area.top + self._pad, _DARK if bright else _LIGHT)
        self._taken.append(area)

    def panel(self, rows: Sequence[tuple[str, str]], *, more: bool, top: int = 0) -> int:
        """Names and values at the left, from `top` down, as many as fit; `more`: there are others still.

        Returns where the next panel begins.
        """
        room = int((min(self._height * _PANEL_HEIGHT, self._height - top) - 2 * self._pad) // self._line_px)
        if not rows or room < 1:
            return top
        shown = [
            (self._fitted(name, _VALUE_WIDTH), self._fitted(value, _VALUE_WIDTH))
            for name, value in rows[:room]
        ]
        if more or len(rows) > room:
            shown[-1:] = [("…", "")]
        gap = 2 * self._pad
        names = max((self._width_of(name) + gap for name, value in shown if name and value), default=0)
        width = max((names if name and value else 0) + self._width_of(value or name) for name, value in shown)
        area = Area(
            0,
            top,
            min(self._width, width + 2 * gap),
            min(self._height, top + len(shown) * self._line_px + 2 * self._pad),
        )
        ground = self._image[area.top : area.bottom, : area.right]
        ground[:] = np.multiply(ground, 1 - _PANEL_DARK) + np.multiply(_DARK, _PANEL_DARK)
        for number, (name, value) in enumerate(shown):
            line = top + 2 * self._pad + number * self._line_px
            self._write(name, gap, line, _FAINT if value else _LIGHT)
            self._write(value, gap + (names if name else 0), line, _LIGHT)
        self._taken.append(area)
        return area.bottom

    def _fitted(self, text: str, share: float) -> str:
        """So much of `text` as fits into a share of the picture's width."""
        most = self._width * share
        while text and self._width_of(text) > most:
            text = text.removesuffix("…")[:-1].rstrip()
            text = text and text + "…"
        return text

    def _width_of(self, text: str) -> int:
        # With an empty picture's size the text counts as one line, however long.
        return int(cv2.getTextSize((0, 0), text, (0, 0), self._font, self._px, _WEIGHT)[2]) + 1 if text else 0

    def _write(self, text: str, left: int, top: int, colour: Colour) -> None:
        if text:
            base = top + round(self._px * 0.9)
            cv2.putText(self._image, text, (left, base), colour, self._font, self._px, _WEIGHT)
