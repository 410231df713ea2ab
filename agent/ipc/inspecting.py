"""What a process that looks at the installed kinds says to the agent."""

from dataclasses import dataclass
from typing import Any, Self

from agent.ipc.message import Message


@dataclass(frozen=True, slots=True)
class Inspecting(Message):
    """The file or entry point that is loaded next: should the process die or hang, it is the culprit."""

    tag = 80
    origin: str


@dataclass(frozen=True, slots=True)
class KindFound(Message):
    """An installed kind."""

    tag = 81
    kind: str
    origin: str
    version: str
    doc: str
    shared: bool
    params_schema: str  # JSON


@dataclass(frozen=True, slots=True)
class KindFailed(Message):
    """A file or an entry point that gives no kind, and why; `origin` as in `Inspecting`."""

    tag = 82
    origin: str
    error: str


@dataclass(frozen=True, slots=True)
class Inspected(Message):
    """All has been looked at; for a check of parameters, `problems` is empty when they are right."""

    tag = 83
    problems: tuple[str, ...]

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """A list becomes a tuple."""
        return cls(tuple(fields[0]))
