"""One metric as a row of a table: its name, its meaning, and how it is read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Values = Iterable[tuple[tuple[str, ...], float | None]]
"""Values of a metric by those of its further labels; None: not known, and left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[T]):
    """One metric of a T: a stream, an algorithm, the report."""

    name: str
    doc: str
    read: Callable[[T], Values]
    labels: tuple[str, ...] = ()  # further ones, beside the id of the item

    @property
    def type(self) -> Literal["counter", "gauge"]:
        """What the name says."""
        return "counter" if self.name.endswith("_total") else "gauge"


def row(name: str, doc: str, read: Callable[[T], float | None]) -> Row[T]:
    """A metric without further labels."""
    return Row(name=name, doc=doc, read=lambda item: [((), read(item))])


def by(name: str, doc: str, label: str, read: Callable[[T], Mapping[str, float]]) -> Row[T]:
    """A metric with one further label."""
    return Row(
        name=name,
        doc=doc,
        labels=(label,),
        read=lambda item: [((key,), value) for key, value in read(item).items()],
    )
