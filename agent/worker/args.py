"""What a worker process is started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
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
    memory_max: int | None  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepArgs:
    """What the process that writes a window is started with; picklable."""

    path: Path
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PainterArgs:
    """Whose results are drawn; picklable."""

    algorithm: str
    kind: str
    origin: str
    params: Mapping[str, Any]
    size: tuple[int, int] | None  # width and height of what the algorithm sees; None: the stream's


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateArgs:
    """A picture, and the newest result of each algorithm that is drawn on it; picklable."""

    jpeg: bytes
    quality: int
    results: tuple[tuple[PainterArgs, bytes, bytes], ...]  # packed, in msgpack or else in JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderArgs:
    """What the process that records an algorithm on a stream is started with; picklable."""

    painter: PainterArgs
    stream: str
    folder: Path  # of all recordings
    name: str
    segment_s: float
    max_bytes: int
    keep_free_bytes: int
