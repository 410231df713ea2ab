"""What a worker process is started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Codec = Literal["msgpack", "json", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerArgs:
    """Everything a worker process is started with; picklable."""

    algorithm: str
    kind: str
    origin: str
    params: Mapping[str, Any]
    codec: Codec
