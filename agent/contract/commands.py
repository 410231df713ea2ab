"""What may be asked of an agent: a closed union of commands, each with its arguments and its reply's data.

A command on the wire is a `Request` on `cmd/<verb>`; `parse_request` and `parse_command` read it, and
the one reply to it is a `Reply`. Adding a verb: its class here, its row in `contract.verbs`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.config.algorithms import AlgorithmConfig
from agent.config.ids import Id
from agent.config.streams import StreamConfig
from agent.contract.patch import Patch, patch_model
from agent.contract.status import AlgorithmStatus, Origin, Payload, StreamStatus

MAX_CLIENTS = 32  # that are told apart when commands are counted
QUIET_S = 10.0  # a client that was silent for so long is forgotten
BURST_S = 2.0  # so many seconds' worth of commands may come at once
EARLIEST_US = 10**15  # 2001: a smaller number is in seconds or milliseconds, not in microseconds
LogLevel = Literal["debug", "info", "warning", "error"]


class Request(BaseModel):
    """A command's payload; its verb is the last level of the topic."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: Id = Field(description="chosen by the sender; the same id again gets the same reply, and no action")
    args: dict[str, Any] = Field(default={}, description="arguments of the verb")
    expires: int | None = Field(
        default=None,
        ge=EARLIEST_US,
        description="integer microseconds since the Unix epoch; later than this, it is answered with 410 "
        "(signed: 401)",
    )
    if_revision: int | None = Field(
        default=None, ge=0, description="only when the device is at this revision; else 409"
    )


class Reply(Payload):
    """The one reply to a command."""

    id: str | None = Field(description="of the command; null when it could not be read")
    ok: bool = Field(description="whether the code is below 300")
    code: int = Field(description="HTTP-like, see the table of codes")
    error: str | None = Field(
        default=None, description="what is wrong, for a person; all problems, one a line"
    )
    data: dict[str, Any] | None = Field(default=None, description="what the verb answers")
    device: str
    revision: int = Field(description="of the device, after the command")

    def tree(self) -> dict[str, Any]:
        """As plain values, without `error` and `data` where there is none."""
        return self.model_dump(mode="json", exclude_none=True) | {"id": self.id}


class Arguments(BaseModel):
    """The arguments of a verb; one that is unknown is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# --- streams ------------------------------------------------------------------------------------------


class StreamAdd(Arguments):
    """Add a stream."""

    stream: StreamConfig


class StreamUpdate(Arguments):
    """Change the settings of a stream that are named; null brings a default back."""

    id: Id
    patch: Patch

    def applied_to(self, stream: StreamConfig) -> StreamConfig:
        """The stream as it is to be; CommandError 422 when the whole is wrong."""
        return self.patch.applied_to(stream)


class StreamRemove(Arguments):
    """Remove a stream, and clear its status."""

    id: Id = Field(description="of the stream")


class StreamList(Arguments):
    """List the streams with their settings and status."""


class StreamPause(Arguments):
    """Free the stream's camera and decoder until `stream.resume`."""

    id: Id = Field(description="of the stream")


class StreamResume(Arguments):
    """Open a paused stream again."""

    id: Id = Field(description="of the stream")


# --- algorithms ---------------------------------------------------------------------------------------


class AlgorithmAdd(Arguments):
    """Add an algorithm: a kind, its streams, sampling and parameters."""

    algorithm: AlgorithmConfig


class AlgorithmUpdate(Arguments):
    """Change the settings that are named; null brings a default back; `params` go as a whole."""

    id: Id
    patch: Patch

    def applied_to(self, algorithm: AlgorithmConfig) -> AlgorithmConfig:
        """The algorithm as it is to be; CommandError 422 when the whole is wrong."""
        return self.patch.applied_to(algorithm)


class AlgorithmRemove(Arguments):
    """Remove an algorithm."""

    id: Id = Field(description="of the algorithm")


class AlgorithmList(Arguments):
    """List the algorithms with their settings and status."""


class AlgorithmRestart(Arguments):
    """Start an algorithm's workers anew, also when it is broken."""

    id: Id = Field(description="of the algorithm")


# --- the rest -----------------------------------------------------------------------------------------


class SnapshotTake(Arguments):
    """Publish the newest frame of a stream as JPEG on its `snapshot` topic; the reply has its facts."""

    stream: Id = Field(description="id of the stream")
    quality: int = Field(default=85, ge=1, le=100, description="of the JPEG")
    max_width: int | None = Field(
        default=None, ge=16, le=16384, description="px; a wider picture is scaled down, aspect kept"
    )
    draw: bool = Field(default=False, description="paint the newest result of each of its algorithms on it")


class PreviewStart(Arguments):
    """Publish pictures of a stream on its `preview` topic for a while; to go on, ask again in time.

    All viewers share them: they come as often and as large as the most demanding one wants.
    """

    stream: Id = Field(description="id of the stream")
    viewer: Id = Field(default="viewer", description="who asks: to ask again, or to stop, is for oneself")
    fps: float = Field(default=1.0, gt=0, le=5, description="pictures a second, at most")
    max_width: int = Field(default=640, ge=16, le=1920, description="px; aspect kept, never enlarged")
    quality: int = Field(default=70, ge=1, le=95, description="of the JPEG")
    lease_s: float = Field(default=30.0, ge=5, le=120, description="it ends by itself after so many seconds")


class PreviewStop(Arguments):
    """Have no more pictures for oneself; other viewers go on."""

    stream: Id = Field(description="id of the stream")
    viewer: Id = Field(default="viewer", description="who asked")


class StateGet(Arguments):
    """Everything that runs, as on the `reported` topic; each item says where it comes from."""


class ConfigGet(Arguments):
    """The configuration in force, without secrets."""


class LogSetLevel(Arguments):
    """Set how much is logged."""

    level: LogLevel = Field(description="debug, info, warning or error")
    for_s: float | None = Field(
        default=None, gt=0, le=86_400, description="back to the configured level after so many seconds"
    )


class Diag(Arguments):
    """Gather what helps to find out what is wrong, without secrets, in one file; one at a time, else 429."""

    to: Literal["file", "mqtt"] = Field(
        default="file",
        description="file: below `paths.state_dir` on the device; mqtt: in parts on the `diag` topic",
    )
    stacks: bool = Field(
        default=True, description="with the Python stacks of every process, also of those that hang"
    )


class Ping(Arguments):
    """Ask whether the agent listens."""


Command = (
    StreamAdd
    | StreamUpdate
    | StreamRemove
    | StreamList
    | StreamPause
    | StreamResume
    | AlgorithmAdd
    | AlgorithmUpdate
    | AlgorithmRemove
    | AlgorithmList
    | AlgorithmRestart
    | SnapshotTake
    | PreviewStart
    | PreviewStop
    | StateGet
    | ConfigGet
    | LogSetLevel
    | Diag
    | Ping
)
"""Closed: a `match` over it ends in `assert_never`."""

StreamPatch = patch_model("StreamPatch", StreamConfig)
AlgorithmPatch = patch_model("AlgorithmPatch", AlgorithmConfig)


# --- data of replies ----------------------------------------------------------------------------------


class Changed(Payload):
    """What a change did."""

    id: str = Field(description="of the stream or algorithm")
    changed: bool = Field(description="false when it was so already")
    warnings: tuple[str, ...] = Field(
        default=(), description="what may not go as wished, such as a load that the processor cannot carry"
    )


class StreamItem(Payload):
    """A stream in a list."""

    origin: Origin
    config: dict[str, Any] = Field(description="its settings; secrets as `{secret:name}`, passwords masked")
    status: StreamStatus | None = None


class AlgorithmItem(Payload):
    """An algorithm in a list."""

    origin: Origin
    config: dict[str, Any] = Field(description="its settings")
    status: AlgorithmStatus | None = None


class Streams(Payload):
    """All streams by id."""

    streams: dict[str, StreamItem]


class Algorithms(Payload):
    """All algorithms by id."""

    algorithms: dict[str, AlgorithmItem]


class SnapshotTaken(Payload):
    """The facts of the picture that was published."""

    topic: str = Field(description="where the picture went")
    width: int = Field(description="px")
    height: int = Field(description="px")
    bytes: int = Field(description="of the JPEG")
    frame: int = Field(description="number of the frame, from stream start")
    pts: float = Field(description="its presentation time, seconds, media clock")
    time: int = Field(description="its capture, microseconds since the Unix epoch")
    drawn: tuple[str, ...] = Field(
        default=(), description="with `draw`: the algorithms whose results are on it"
    )


class Previewed(Payload):
    """What is published for all viewers of a stream."""

    topic: str = Field(description="where the pictures go")
    viewers: int = Field(ge=0, description="how many want them; 0: nothing is published")
    fps: float = Field(ge=0, description="pictures a second, at most")
    max_width: int = Field(ge=0, description="px")
    until: int | None = Field(default=None, description="when the viewer's lease is over")


class ConfigShown(Payload):
    """The configuration in force."""

    file: str | None = Field(description="the agent.toml that was read")
    config: dict[str, Any] = Field(description="its tables with defaults filled in, without secrets")


class LogLevelSet(Payload):
    """What is logged now."""

    level: str
    until: int | None = Field(default=None, description="when the configured level comes back")


class Diagnosed(Payload):
    """Where the diagnosis is: a tar.gz of texts and JSON."""

    name: str = Field(description="a name for the file")
    bytes: int = Field(description="its size")
    sha256: str = Field(description="of the whole, hexadecimal")
    path: str | None = Field(default=None, description="where it lies on the device, for `to = file`")
    topic: str | None = Field(
        default=None, description="where its parts went, each one level below: 1, 2, 3 …, for `to = mqtt`"
    )
    parts: int | None = Field(default=None, description="how many; they may come before and after the reply")


class Pong(Payload):
    """The agent listens."""

    version: str = Field(description="of Vedette")
    epoch: int
    time: int = Field(description="of the reply, microseconds since the Unix epoch")
    uptime_s: float
