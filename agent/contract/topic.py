"""A topic as one row of a table: its path, and the ids in it."""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from agent.config.ids import ID_PATTERN
from agent.contract.decode import JSON_TYPE

_ID = re.compile(ID_PATTERN)
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row: a path with places for ids, and what travels there."""

    name: str
    path: str  # below the prefix
    payload: type[BaseModel] | None  # None: no document, but `content_types` says what
    description: str
    content_types: tuple[str, ...] = (JSON_TYPE,)
    qos: Literal[0, 1] = 1
    retain: bool = False
    direction: Literal["out", "in"] = "out"  # seen from the agent

    @property
    def places(self) -> tuple[str, ...]:
        """The names of the ids in the path, in their order."""
        return tuple(_PLACE.findall(self.path))

    def build(self, prefix: str, **ids: str) -> str:
        """The concrete topic; ValueError when an id is none (a slash or wildcard in it, or empty)."""
        return f"{prefix}/{_PLACE.sub(lambda place: checked_id(ids[place[1]]), self.path)}"

    def filter(self, prefix: str, **ids: str) -> str:
        """The topic filter for a subscription: `+` for each id that is not given."""
        return f"{prefix}/{_PLACE.sub(lambda place: _id_or_any(ids.get(place[1])), self.path)}"

    def match(self, prefix: str, topic: str) -> dict[str, str] | None:
        """The ids in a concrete topic; None when it is not one of this row."""
        parts, pattern = topic.split("/"), f"{prefix}/{self.path}".split("/")
        if len(parts) != len(pattern):
            return None
        ids: dict[str, str] = {}
        for part, wanted in zip(parts, pattern, strict=True):
            place = _PLACE.fullmatch(wanted)
            if place is None and part != wanted:
                return None
            if place is not None:
                if not is_id(part):
                    return None
                ids[place[1]] = part
        return ids


def is_id(text: str) -> bool:
    """Whether `text` may stand for one level of a topic."""
    return _ID.fullmatch(text) is not None


def checked_id(text: str) -> str:
    """`text`, when it is an id; ValueError otherwise."""
    if not is_id(text):
        raise ValueError(f"{text!r} is no id: 1 to 64 of the characters A-Z a-z 0-9 _ . -")
    return text


def checked_prefix(text: str) -> str:
    """`text`, when each of its levels is an id; ValueError otherwise."""
    if not all(is_id(level) for level in text.split("/")):
        raise ValueError(f"{text!r} is no topic prefix: levels of A-Z a-z 0-9 _ . - with / between them")
    return text


def _id_or_any(text: str | None) -> str:
    return "+" if text is None else checked_id(text)
