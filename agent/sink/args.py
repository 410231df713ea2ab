"""What the process of a sink is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkArgs:
    """Everything the process of a sink is started with; picklable."""

    sink: str
    kind: str
    device: str
    memory_max: int
    params: Mapping[str, Any] = field(repr=False)  # secrets filled in
    hidden: tuple[str, ...] = field(default=(), repr=False)  # the secrets among them, to be masked in logs
