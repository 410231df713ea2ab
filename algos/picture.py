"""What the algorithms that ship share: reading any pixel format, JPEGs, and painting on a picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from algos.base import Frames, Picture

Colour = tuple[int, int, int]
"""Blue, green, red; 0..255."""

GREEN: Colour = (80, 200, 60)
RED: Colour = (60, 60, 230)
_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)


def size(frames: Frames) -> tuple[int, int]:
    """Width and height of the newest picture in pixels."""
    height, width = frames[-1].shape[:2]
    return width, height * 2 // 3 if frames.pixel_format == "nv12" else height


def luma(frames: Frames, *, width: int | None = None, every: int = 1) -> Picture:
    """The newest picture in gray, (H, W) uint8.

    Reduced to at most `width` pixels wide by averaging, which takes noise away; or, for next to nothing,
    by taking `every` n-th row and column. Raises ValueError for a pixel format that is none of the four.
    """
    newest = frames[-1]
    if frames.pixel_format == "nv12":
        newest = newest[: newest.shape[0] * 2 // 3]
    newest = _reduced(newest[::every, ::every], width)
    match frames.pixel_format:
        case "gray8" | "nv12":
            return newest
        case "bgr24":
            return _uint8(cv2.cvtColor(newest, cv2.COLOR_BGR2GRAY))
        case "rgb24":
            return _uint8(cv2.cvtColor(newest, cv2.COLOR_RGB2GRAY))
    raise ValueError(f"unknown pixel format {frames.pixel_format!r}")


def _reduced(picture: Picture, width: int | None) -> Picture:
    if width is None or picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return _uint8(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def _uint8(array: cv2.typing.MatLike) -> Picture:
    return np.asarray(array, np.uint8)


def from_jpeg(data: bytes) -> Picture:
    """A JPEG as (H, W, 3) BGR uint8. Raises ValueError when it is none."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise ValueError(f"{len(data)} bytes that are no JPEG")
    return _uint8(found)


def to_jpeg(picture: Picture, quality: int) -> bytes:
    """(H, W, 3) BGR uint8 as JPEG, `quality` 1..100."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def seconds(frames: Frames, before: float | None) -> tuple[float, float]:
    """Stream time of the newest frame, and what passed since `before`; a second a run without times.

    A clock that goes back (the source was reopened) counts as no time passed.
    """
    now = float(frames.times[-1]) if frames.times else (0.0 if before is None else before + 1.0)
    return now, 0.0 if before is None else max(0.0, now - before)


def paint_box(image: Picture, box: Sequence[float], text: str, colour: Colour = GREEN) -> None:
    """A rectangle x1, y1, x2, y2 in shares of the picture, with `text` at its top."""
    height, width = image.shape[:2]
    left, top, right, bottom = (
        round(share * extent) for share, extent in zip(box, (width, height) * 2, strict=True)
    )
    cv2.rectangle(image, (left, top), (right, bottom), colour, max(1, height // 270))
    if text:
        paint_text(image, text, (left, top), colour)


def paint_text(image: Picture, text: str, at: tuple[int, int], colour: Colour = GREEN) -> None:
    """One line of `text` on a box of `colour`, its lower left corner `at`, moved into the picture."""
    scale = max(0.4, image.shape[0] / 900)
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    left = max(0, min(at[0], image.shape[1] - width))
    bottom = max(height + base, min(at[1], image.shape[0]))
    cv2.rectangle(image, (left, bottom - height - base), (left + width, bottom), colour, cv2.FILLED)
    text_colour = _BLACK if sum(colour) > sum(_WHITE) / 2 else _WHITE
    cv2.putText(
        image, text, (left, bottom - base // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, text_colour, 1, cv2.LINE_AA
    )
