"""The part of a source after its question mark: `size=640x360&fps=25`."""

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from agent.errors import Cause, SourceError

MAX_SIDE_PX = 16_384


def parse_query(query: str, known: Collection[str], source: str) -> dict[str, str]:
    """Names and values; SourceError for a name that `source` ("the test scene") does not know."""
    values = dict(parse_qsl(query, keep_blank_values=True))
    for name in values:
        if name not in known:
            raise wrong(f"{source} knows no parameter {name!r}: it takes {', '.join(sorted(known))}")
    return values


def parse_size(text: str, name: str = "size") -> tuple[int, int]:
    """Give (640, 360) for "640x360"."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise wrong(f"{name}={text!r} is no size: write it as 640x360")
    width, height = int(match[1]), int(match[2])
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise wrong(f"{name}={text!r}: each side must be 1 to {MAX_SIDE_PX} pixels")
    return width, height


def parse_number(text: str, name: str, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    try:
        number = float(text)
    except ValueError:
        raise wrong(f"{name}={text!r} is no number") from None
    if not low <= number <= high:
        raise wrong(f"{name}={text!r} must be {low:g} to {high:g}")
    return number


def parse_count(text: str, name: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    number = parse_number(text, name, low, high)
    if number != int(number):
        raise wrong(f"{name}={text!r} must be a whole number")
    return int(number)


def wrong(message: str) -> SourceError:
    """The source is named wrongly: no such thing can be opened, now or later."""
    return SourceError(Cause.NOT_FOUND, message)
