"""What every message has in common."""

from typing import Any, ClassVar, Self


class Message:
    """One message; its fields are plain values, so it crosses the pipe as a msgpack array."""

    tag: ClassVar[int]

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """The message made of the fields in their order; TypeError when they do not fit."""
        return cls(*fields)
