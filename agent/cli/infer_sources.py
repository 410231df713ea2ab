"""Which sources the words on the command line mean."""

import glob
from collections.abc import Sequence
from pathlib import Path

from agent.config.addresses import scheme_of
from agent.errors import Cause, SourceError

_WILD = frozenset("*?[")


def expand(words: Sequence[str]) -> list[str]:
    """Sources in order; a pattern that no shell has expanded is, and sorted. Raises SourceError."""
    found: list[str] = []
    for word in words:
        is_pattern = (
            scheme_of(word) is None and _WILD & set(word) and not Path(word.partition("?")[0]).exists()
        )
        if not is_pattern:
            found.append(word)
            continue
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  a Path loses what begins with `~` or `./`
        if not matches:
            raise SourceError(Cause.NOT_FOUND, f"{word}: no file matches")
        found += matches
    return found
