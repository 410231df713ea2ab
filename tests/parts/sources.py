"""Playing a source to its end, for the tests of this folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.capture.open import open_source
from agent.capture.source import OpenRequest, Picture, Pixels, Source, Stamp
from agent.config.algorithms import PixelFormat
from agent.errors import Cause, SourceError
from tests.video import read_number


def request(url: str | Path, **changes: object) -> OpenRequest:
    """A request with short time limits."""
    plain = OpenRequest(url=str(url), redact=lambda text: text, open_timeout_s=3.0, read_timeout_s=2.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def opened(url: str | Path, **changes: object) -> Source:
    """The source, open."""
    return open_source(request(url, **changes), lambda: False)


def play(source: Source, limit: int | None = None) -> tuple[list[Picture], list[SourceError]]:
    """All pictures up to the end of the source, or the first `limit`; and the errors of single units."""
    pictures: list[Picture] = []
    errors: list[SourceError] = []
    while limit is None or len(pictures) < limit:
        try:
            unit = source.read()
        except SourceError as err:
            if err.cause is not Cause.ENDED:
                raise
            return pictures + source.flush(), errors
        try:
            pictures += source.decode(unit)
        except SourceError as err:
            errors.append(err)
    return pictures, errors


def pixels(
    picture: Picture, pixel_format: PixelFormat = "bgr24", size: tuple[int, int] | None = None
) -> Pixels:
    """The picture as an array, `size` (width, height) or its own."""
    width, height = size or (picture.width, picture.height)
    shape = {
        "bgr24": (height, width, 3),
        "rgb24": (height, width, 3),
        "gray8": (height, width),
        "nv12": (height * 3 // 2, width),
    }[pixel_format]
    out = np.full(shape, 7, np.uint8)
    picture.write(out, pixel_format)
    return out


def numbers(pictures: list[Picture]) -> list[int]:
    """The frame numbers burned into the pictures."""
    return [read_number(pixels(picture)) for picture in pictures]


def stamp(picture: Picture) -> Stamp:
    """When the packet of a picture arrived."""
    assert picture.unit is not None
    return picture.unit.stamp


def times(pictures: list[Picture]) -> list[float]:
    """The presentation times from the first picture on, rounded to milliseconds."""
    return [round(picture.pts_s - pictures[0].pts_s, 3) for picture in pictures]
