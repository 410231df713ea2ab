"""What agent and the process of a sink say to each other."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

from agent.ipc.message import Message

MAX_TEXT = 8_192  # characters

_T = TypeVar("_T")


def _of(kind: type[_T], value: object) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _text(value: object) -> str:
    """What a sink says, short enough for what looks for secrets in it."""
    return _of(str, value)[:MAX_TEXT]


class SinkItem(NamedTuple):
    """One result on its way to a sink."""

    epoch: int
    seq: int
    stream: str
    algorithm: str
    replay: bool
    payload: bytes  # the envelope as msgpack


class Gone(NamedTuple):
    """Why the process of a sink is gone, or was not started; `usable`: whether it can be, as configured."""

    reason: str
    usable: bool = True


# --- agent to sink ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deliver(Message):
    """Deliver these, oldest first; answered by `Delivered` with the same ticket."""

    tag = 100
    ticket: int
    items: tuple[SinkItem, ...]

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """Restore the named tuples."""
        return cls(fields[0], tuple(SinkItem(*item) for item in fields[1]))


# --- sink to agent ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SinkOpened(Message):
    """`open()` is through: results can come."""

    tag = 110


@dataclass(frozen=True, slots=True)
class SinkNotOpened(Message):
    """There is no such kind, its parameters are wrong, or `open()` raised; the process ends."""

    tag = 111
    error: str
    usable: bool  # False: as it is configured, it can never be opened

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """Each of its type."""
        error, usable = fields
        return cls(_text(error), _of(bool, usable))


@dataclass(frozen=True, slots=True)
class Sending(Message):
    """`send()` is called (again): the time for it begins."""

    tag = 112
    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(Message):
    """What became of a batch: its first `settled` items are done with, the others are to be tried again."""

    tag = 113
    ticket: int
    settled: int
    refused: tuple[tuple[int, str], ...] = ()  # of those settled: index and reason; the others arrived
    error: str = ""  # why the rest did not arrive
    retry_after_s: float | None = None

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """By keyword, in the order of definition; each of its type, as foreign code is near."""
        ticket, settled, refused, error, retry_after_s = fields
        return cls(
            ticket=_of(int, ticket),
            settled=_of(int, settled),
            refused=tuple((_of(int, index), _text(reason)) for index, reason in refused),
            error=_text(error),
            retry_after_s=None if retry_after_s is None else _of(float, retry_after_s),
        )
