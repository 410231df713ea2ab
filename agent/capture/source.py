"""What every kind of source looks like from outside: units are read in one thread, decoded in another.

Nothing here knows a library; `agent.capture.open` knows which source a URL means.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from agent.config.algorithms import PixelFormat
from agent.control.rules import Rules

Pixels = NDArray[np.uint8]
Interrupted = Callable[[], bool]


class Stamp(NamedTuple):
    """When something arrived: microseconds since the Unix epoch, and CLOCK_MONOTONIC in nanoseconds."""

    wall_us: int
    mono_ns: int

    @classmethod
    def now(cls) -> Self:
        """Take the time now."""
        return cls(time.time_ns() // 1000, time.monotonic_ns())


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Everything needed to open a source."""

    url: str = field(repr=False)  # with its passwords: never logged
    redact: Callable[[str], str] = field(repr=False)  # what a text must pass before a person reads it
    backend: Literal["pyav", "opencv"] = "pyav"
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    hwaccel: str = "none"  # "none", "auto" or a device type
    loop: bool = False  # files and folders begin again at their end
    open_timeout_s: float = 10.0
    read_timeout_s: float = 5.0
    hurry: bool = (
        False  # nobody waits for single frames: decode on all cores, and draw a scene without a pace
    )
    rules: Rules | None = None  # what it may lead to; None: it is trusted, as agent.toml names it


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What opening found out."""

    width: int  # pixels
    height: int
    codec: str  # FFmpeg's name
    fps: float | None
    pixel_format: str  # FFmpeg's name of what the decoder gives
    backend: str
    live: bool  # it comes at its own pace (camera); False: as fast as it is read (file, folder)
    hwaccel: str = "none"  # the device type in use
    hwaccel_note: str = ""  # why hardware is not used although it was asked for
    duration_s: float | None = None
    reorders: bool = False  # frames are shown in another order than they are decoded in (B-frames)
    parallel: bool = False  # what decoding raises may be of a unit given before


class Picture(Protocol):
    """A decoded frame, still in the memory of its decoder.

    Pictures of one source are written and encoded in one thread at a time: they share its scaler.
    """

    @property
    def pts_s(self) -> float:
        """Presentation time as the source says, seconds of the media clock; filled in where it says none."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def is_key(self) -> bool:
        """Whether it can be decoded alone."""

    @property
    def unit(self) -> "Unit | None":
        """The unit that it was decoded from."""

    def write(self, out: Pixels, pixel_format: PixelFormat) -> None:
        """Scale and convert in one pass into `out`.

        `out` is C-contiguous uint8 of shape (H, W, 3), for gray8 (H, W), for nv12 (H * 3 / 2, W) with even
        H and W; its shape is the size asked for. gray8 and nv12 keep the source's range, which is 16..235
        for most codecs. Raises SourceError.
        """

    def converted(self, shape: tuple[int, ...], pixel_format: PixelFormat) -> Pixels:
        """The same in memory of its own: C-contiguous and read-only. Raises SourceError."""

    def jpeg(self, quality: int, max_width: int | None) -> bytes:
        """The picture as JPEG, `quality` 1..100, scaled down to `max_width` pixels. Raises SourceError."""


class Unit(Protocol):
    """One thing read: a compressed packet, or a picture that came decoded."""

    stamp: Stamp  # arrival; the reader of a file moves it to when the unit was due

    @property
    def pts_s(self) -> float | None:
        """Presentation time, seconds of the media clock; None where the source says none."""

    @property
    def dts_s(self) -> float | None:
        """Decoding time, seconds of the media clock: rises from unit to unit; the pace of a file."""

    @property
    def is_key(self) -> bool:
        """Whether decoding can begin here."""

    @property
    def size(self) -> int:
        """Bytes."""


class Source(Protocol):
    """An open source; a lifetime is a `with` block around what `open_source` returned."""

    @property
    def info(self) -> SourceInfo:
        """What opening found out."""

    def read(self) -> Unit:
        """Block until the next unit. Raises SourceError; at the end its cause is ENDED.

        Called in the reader's thread. After an error the source is over.
        """

    def decode(self, unit: Unit, *, wanted: bool = True) -> list[Picture]:
        """The pictures that `unit` completes, in presentation order; often none, sometimes several.

        Its own picture may be left out if it is not `wanted` and no other refers to it. Called in another
        thread than `read`, also after `close`. Raises SourceError: CORRUPT for this unit alone, CODEC when no
        unit will ever be decoded.
        """

    def flush(self) -> list[Picture]:
        """The pictures that the decoder still holds; after that it needs a key frame."""

    def restart(self) -> None:
        """Forget what was decoded: the next unit has a key frame, or is the first of the source."""

    def close(self) -> None:
        """Let go of the file, socket or device. Called in the reader's thread, or when it has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
