"""The known name that a misspelt one may stand for."""

import difflib
import heapq
from collections.abc import Iterable

_MOST = 50  # names that are compared letter by letter, at up to a millisecond each
_MAX_NAME = 64  # characters that are compared


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The nearest of the known names; None when none is near. Its time is bounded, however many there are."""
    name = name[:_MAX_NAME]
    likely = heapq.nlargest(_MOST, known, key=lambda other: _shared(name, other))
    return next(iter(difflib.get_close_matches(name, likely, n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that says so; nothing when no name is near."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near!r}?"


def _shared(one: str, other: str) -> int:
    """Characters that two names have in common at their begins and ends: a slip of the finger leaves most."""
    return _alike(one, other) + _alike(one[::-1], other[::-1])


def _alike(one: str, other: str) -> int:
    """Characters that two names begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))
