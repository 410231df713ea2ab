"""Reading values that may be anything: what is not of the form that is asked for is None, and nothing raises.

Numbers, texts and rows of numbers may come as Python's own, as numpy's, in enum members, dataclasses and
pydantic models, or out of JSON.
"""

import enum
import itertools
import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

MAX_ITEMS = 100_000  # of an array that is looked into; a larger one is a picture, a mask, a heat map
MAX_KEYS = 1000
MAX_ROWS = 20_000
MAX_CHARS = 60
LARGEST = 1e6  # no coordinate in any picture

Row = tuple[float, ...]


def plain(value: object) -> object:  # noqa: PLR0911  one a type
    """One step towards plain: dictionaries for models, lists for arrays and sets, numbers for scalars."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "biufU" else None
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= MAX_ITEMS and value.dtype.kind in "biufU" else None
    if isinstance(value, BaseModel):
        return dict(value.__dict__)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value) if all(type(item) is str for item in value) else None
    return value


def as_mapping(value: object) -> dict[str, Any] | None:
    """A dictionary by its texts; other keys are left out, but for integers, which JSON makes texts of."""
    if not isinstance(value, dict):
        return None
    first = itertools.islice(dict.items(value), MAX_KEYS)
    return {str(key): item for key, item in first if type(key) is str or type(key) is int}


def as_sequence(value: object) -> list[Any] | tuple[Any, ...] | None:
    """A list or a tuple."""
    return value if isinstance(value, list | tuple) else None


def as_number(value: object) -> float | None:
    """A finite number; a flag is none."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > LARGEST**3:
        return None  # it might be more than a float can be
    return float(value) if math.isfinite(value) else None


def as_text(value: object) -> str | None:
    """A text as one short line of printable characters.

    Others, such as halves of surrogate pairs, are more than what draws text can bear (OpenCV 5.0.0 crashes).
    """
    value = plain(value)
    if not isinstance(value, str):
        return None
    beginning = str.__getitem__(value, slice(MAX_CHARS + 1))
    line = "".join(char if char.isprintable() else " " for char in beginning).strip()
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"


def as_label(value: object) -> str | None:
    """A text, or a whole number such as a class's: detectors return these as floats, too."""
    if (text := as_text(value)) is not None:
        return text
    number = as_number(value)
    return None if number is None or number != int(number) else str(int(number))


def as_row(value: object, least: int, most: int) -> Row | None:
    """So many coordinates; `[[x, y]]` counts as `[x, y]`, for OpenCV has its contours so."""
    items = as_sequence(plain(value))
    if items is not None and len(items) == 1:
        items = as_sequence(plain(items[0]))
    if items is None or not least <= len(items) <= most:
        return None
    numbers = [number for item in items if (number := as_number(item)) is not None and abs(number) <= LARGEST]
    return tuple(numbers) if len(numbers) == len(items) else None


def as_rows(value: object, least: int, most: int) -> list[Row | None] | None:
    """Rows of so many coordinates each, or a single one; None where there are none, also for a single row."""
    if (row := as_row(value, least, most)) is not None:
        return [row]
    items = as_sequence(plain(value))
    if items is None:
        return None
    rows = [as_row(item, least, most) for item in items[:MAX_ROWS]]
    return rows if any(rows) else None
