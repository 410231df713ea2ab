"""Every message between the agent and a child, as data.

`next_due_ns`, `mono_ns`: CLOCK_MONOTONIC in nanoseconds, the same clock in all processes of a machine.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from agent.config.algorithms import Keyframes, PixelFormat
from agent.ipc.message import Message


class FrameRef(NamedTuple):
    """A frame in shared memory, and when it was."""

    pool: int
    slot: int
    number: int  # frames counted from stream start
    pts_s: float  # presentation time, media clock
    wall_us: int  # capture, microseconds since the Unix epoch
    mono_ns: int  # capture, monotonic clock


class SampleSpec(NamedTuple):
    """Which frames one algorithm wants of a stream, and how they should look."""

    algorithm: str
    frame_count: int
    frame_step: int
    interval_s: float
    keyframes: Keyframes
    width: int  # 0: the stream's
    height: int
    pixel_format: PixelFormat


# --- agent to capture ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample(Message):
    """The samplings of all algorithms on this stream: replaces those before."""

    tag = 1
    specs: tuple[SampleSpec, ...]

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """Restore the named tuples."""
        return cls(tuple(SampleSpec(*spec) for spec in fields[0]))


@dataclass(frozen=True, slots=True)
class Lend(Message):
    """Slots to write frames into (capture), or to read them from (worker); comes with a descriptor."""

    tag = 2
    pool: int
    width: int
    height: int
    pixel_format: PixelFormat
    count: int


@dataclass(frozen=True, slots=True)
class Retire(Message):
    """Forget these slots."""

    tag = 3
    pool: int


@dataclass(frozen=True, slots=True)
class Want(Message):
    """The next window that is due for `algorithm`, please; answered by `Filled` with the same ticket."""

    tag = 4
    algorithm: str
    ticket: int


@dataclass(frozen=True, slots=True)
class Release(Message):
    """The window of `ticket` is given back; `used` unless nobody ran on it."""

    tag = 5
    ticket: int
    used: bool


@dataclass(frozen=True, slots=True)
class TakeSnapshot(Message):
    """The newest frame as JPEG, please."""

    tag = 6
    request: int
    quality: int
    max_width: int  # 0: as it is


@dataclass(frozen=True, slots=True)
class Stop(Message):
    """End yourself in good order."""

    tag = 7


# --- capture to agent ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Message):
    """The source is open, or has changed its picture: a new generation begins."""

    tag = 20
    generation: int
    width: int
    height: int
    codec: str
    fps: float  # 0: unknown
    backend: str
    hwaccel: str
    hwaccel_note: str
    live: bool

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """By keyword, in the order of definition."""
        return cls(**dict(zip(cls.__dataclass_fields__, fields, strict=True)))


@dataclass(frozen=True, slots=True)
class Filled(Message):
    """The window of `ticket`, oldest frame first; the slots are leased until `Release`."""

    tag = 21
    ticket: int
    algorithm: str
    generation: int
    frames: tuple[FrameRef, ...]
    skipped: int  # due runs that were left out before this one
    next_due_ns: int

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """Restore the named tuples."""
        ticket, algorithm, generation, frames, skipped, next_due_ns = fields
        return cls(ticket, algorithm, generation, tuple(FrameRef(*f) for f in frames), skipped, next_due_ns)


@dataclass(frozen=True, slots=True)
class Trouble(Message):
    """The source gives no frames: it is opened again in `retry_in_s` seconds."""

    tag = 22
    cause: str  # a value of agent.errors.Cause
    text: str  # redacted
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Ended(Message):
    """A finite source was played to its end."""

    tag = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(Message):
    """Totals since the process began, sent at least once in two seconds: also the sign of life."""

    tag = 24
    received: int
    wanted: int
    not_wanted: int
    skipped_busy: int
    skipped_stale: int
    corrupt: int
    decoded: int
    decode_ns: int
    received_bytes: int
    cpu_ns: int  # of the whole process
    reopened: int
    next_frame: int
    key_interval_s: float  # seconds from key frame to key frame; 0: not known yet
    note: str  # what makes this stream dearer than it could be; "" when nothing does
    healthy: bool  # frames are coming

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """By keyword, in the order of definition."""
        return cls(**dict(zip(cls.__dataclass_fields__, fields, strict=True)))


@dataclass(frozen=True, slots=True)
class SnapshotTaken(Message):
    """A JPEG of the newest frame, or why there is none (then `jpeg` is empty)."""

    tag = 25
    request: int
    jpeg: bytes
    width: int
    height: int
    frame: int
    pts_s: float
    wall_us: int
    error: str


# --- agent to worker ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serve(Message):
    """Make an instance for this stream."""

    tag = 40
    stream: str


@dataclass(frozen=True, slots=True)
class Forget(Message):
    """The stream is gone, and with it the state that its instance keeps."""

    tag = 41
    stream: str


@dataclass(frozen=True, slots=True)
class Run(Message):
    """Run on this window."""

    tag = 42
    ticket: int
    stream: str
    frames: tuple[FrameRef, ...]

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Self:
        """Restore the named tuples."""
        return cls(fields[0], fields[1], tuple(FrameRef(*frame) for frame in fields[2]))


# --- worker to agent ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """`init()` is through: windows can come."""

    tag = 60
    version: str


@dataclass(frozen=True, slots=True)
class Done(Message):
    """What `run()` returned, packed; the agent passes the bytes on unread."""

    tag = 61
    ticket: int
    data: bytes
    json: bytes  # the JSON twin, empty when nobody asked for it
    run_ns: int
    cpu_ns: int  # of the whole worker meanwhile, all its threads


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """`run()` raised, or its result cannot be packed."""

    tag = 62
    ticket: int
    error: str
    trace: str
    packed: bool  # False: the result could not be packed
    run_ns: int
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class StartFailed(Message):
    """The kind cannot be loaded, or `init()` raised; the worker ends."""

    tag = 63
    error: str
    trace: str


@dataclass(frozen=True, slots=True)
class Kept(Message):
    """A window was written to its file; `error`: or why not."""

    tag = 64
    error: str
