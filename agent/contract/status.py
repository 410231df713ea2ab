"""What the agent tells about itself: the retained status documents.

All times are integer microseconds since the Unix epoch (JavaScript keeps these exactly; nanoseconds it
does not). All counters count since the agent's start, and start again with a new `epoch`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import Cause

TRACEBACK_BYTES = 8192  # longer ones lose their middle before they get here

Origin = Literal["file", "command", "file+command"]
"""Where an item comes from: agent.toml, a command at run time, or the one as changed by the other."""

_ORIGIN = "file: from agent.toml; command: added at run time; file+command: of the file, changed since"


class Payload(BaseModel):
    """A document of the contract. Readers skip keys they do not know: a later agent may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def json_bytes(self) -> bytes:
        """As JSON, UTF-8; NaN and infinities are null."""
        return self.model_dump_json().encode()


class DeviceState(StrEnum):
    """Whether the agent is there."""

    ONLINE = "online"
    OFFLINE = "offline"  # it ended in good order
    LOST = "lost"  # the broker says so: the last will


class DeviceStatus(Payload):
    """Whether the agent is there; `lost` is the last will, and has the time of its connect.

    It names what a list of a thousand devices shows, so that nobody has to read as many `info`.
    """

    state: DeviceState = Field(description="online, offline (ended in good order) or lost (last will)")
    epoch: int = Field(ge=0, description="start counter of the agent on this device; grows by one a start")
    time: int = Field(description="when this was written, microseconds since the Unix epoch")
    version: str = Field(default="", description="of Vedette; this and what follows is in `info` as well")
    groups: list[str] = Field(default=[], description="that the device belongs to")
    labels: dict[str, str] = Field(default={}, description="of the device, to find it by")


class StreamState(StrEnum):
    """What a stream is doing. A removed stream has no status: its retained topic is cleared."""

    OPENING = "opening"  # its source is being opened, no frame has come yet
    RUNNING = "running"  # frames are coming
    RETRYING = "retrying"  # no frames; opened again after a back-off: see cause, error, retry_in_s
    PAUSED = "paused"  # on request; camera and decoder are free
    ENDED = "ended"  # a finite source was played to its end
    REFUSED = "refused"  # cannot run as it is configured (no room, no secret): see error


class FrameCounts(Payload):
    """Every frame is accounted for: received is the sum of the five others."""

    received: int = Field(default=0, ge=0, description="frames that came from the source")
    wanted: int = Field(default=0, ge=0, description="frames of windows that a run got")
    not_wanted: int = Field(default=0, ge=0, description="frames that no sampling asked for")
    skipped_busy: int = Field(default=0, ge=0, description="frames due, but no worker was free")
    skipped_stale: int = Field(default=0, ge=0, description="frames due, but a newer window overtook them")
    corrupt: int = Field(default=0, ge=0, description="frames that could not be decoded")


class StreamStatus(Payload):
    """One stream: what it is doing, why, and what came of its frames."""

    id: str
    state: StreamState = Field(description="opening, running, retrying, paused, ended or refused")
    since: int = Field(description="time of the last change of `state`")
    origin: Origin = Field(description=_ORIGIN)
    source: str = Field(description="the source, without passwords")
    cause: Cause | None = Field(default=None, description="why there are no frames")
    error: str | None = Field(default=None, description="the same for a person, without passwords")
    retry_in_s: float | None = Field(default=None, description="the source is opened again after this")
    backend: str | None = Field(default=None, description="pyav or opencv")
    hwaccel: str | None = Field(default=None, description="hardware that decodes, or none")
    hwaccel_note: str | None = Field(default=None, description="why the hardware asked for is not used")
    width: int | None = Field(default=None, ge=0, description="px, of the source")
    height: int | None = Field(default=None, ge=0, description="px, of the source")
    codec: str | None = Field(default=None, description="FFmpeg's name")
    fps: float | None = Field(default=None, description="frames a second that come in, measured")
    fps_decoded: float | None = Field(default=None, description="frames a second decoded, measured")
    bitrate_bps: float | None = Field(default=None, description="bits a second, measured")
    cpu: float | None = Field(default=None, description="cores that its capture process uses, measured")
    cpu_s: float = Field(default=0.0, ge=0, description="CPU time of its capture process, seconds")
    decode_s: float = Field(default=0.0, ge=0, description="of this: decoding")
    decode_ms: float | None = Field(default=None, description="CPU time of a decoded frame, measured")
    decoded: int = Field(default=0, ge=0, description="frames decoded")
    key_interval_s: float | None = Field(default=None, description="seconds from key frame to key frame")
    note: str | None = Field(default=None, description="what makes it dearer than it could be")
    generation: int = Field(
        default=0, ge=0, description="grows when the source was opened or its picture changed"
    )
    reopened: int = Field(default=0, ge=0, description="times the source was opened again")
    frames: FrameCounts = FrameCounts()


class AlgorithmState(StrEnum):
    """What an algorithm is doing."""

    IDLE = "idle"  # it has no streams
    STARTING = "starting"  # a worker is loading: `init()`
    RUNNING = "running"  # at least one worker is ready
    RETRYING = "retrying"  # its worker ended or was killed; started again after a back-off
    BROKEN = "broken"  # failed too often; left alone until `algorithm.restart` or a change
    REFUSED = "refused"  # cannot run as it is configured (unknown kind, parameters, no room): see error


class RecordingStatus(Payload):
    """The recording of one algorithm on one stream."""

    file: str | None = Field(
        default=None, description="what is being written, below the folder of recordings"
    )
    frames: int = Field(default=0, ge=0, description="pictures that the recorder took")
    skipped: int = Field(default=0, ge=0, description="pictures due that it had no time for")
    error: str | None = Field(default=None, description="why nothing is recorded now, one line")


class AlgorithmStatus(Payload):
    """One algorithm: what it is doing, what came of its runs, and the last error of its code."""

    id: str
    kind: str
    version: str | None = Field(default=None, description="of the kind, once a worker is ready")
    state: AlgorithmState = Field(description="idle, starting, running, retrying, broken or refused")
    since: int = Field(description="time of the last change of `state`")
    origin: Origin = Field(description=_ORIGIN)
    streams: tuple[str, ...] = Field(default=(), description="ids of the streams it runs on now")
    workers: int = Field(default=0, ge=0, description="worker processes that are ready")
    retry_in_s: float | None = Field(default=None, description="the worker is started again after this")
    runs: int = Field(default=0, ge=0, description="calls of `run()` that came back")
    results: int = Field(default=0, ge=0, description="runs that gave a result")
    failures: int = Field(default=0, ge=0, description="runs that raised")
    unpackable: int = Field(default=0, ge=0, description="runs whose result cannot be packed")
    timeouts: int = Field(default=0, ge=0, description="runs killed after `timeout_s`")
    crashes: int = Field(default=0, ge=0, description="times a worker ended by itself: exit, signal")
    memory_kills: int = Field(default=0, ge=0, description="workers killed beyond `memory_max`")
    kept: int = Field(default=0, ge=0, description="windows that a worker died of, kept for a replay")
    restarts: int = Field(default=0, ge=0, description="times a worker was started again")
    skipped: int = Field(default=0, ge=0, description="due runs that were left out")
    run_ms_mean: float | None = Field(default=None, description="of the recent runs")
    run_ms_max: float | None = Field(default=None, description="of the recent runs")
    runs_per_s: float | None = Field(default=None, description="measured")
    run_cpu_ms: float | None = Field(default=None, description="CPU time of the recent runs, mean")
    cpu: float | None = Field(default=None, description="cores that its runs use, measured")
    cpu_s: float = Field(default=0.0, ge=0, description="CPU time of its runs, all threads, seconds")
    worker_cpu_s: float = Field(
        default=0.0, ge=0, description="CPU time of its worker processes in all, measured every 10 s"
    )
    memory: int | None = Field(
        default=None, ge=0, description="bytes its workers have for themselves, frames not counted, measured"
    )
    recordings: dict[str, RecordingStatus] = Field(
        default={}, description="with `record`, by stream: what its recorder does"
    )
    error: str | None = Field(default=None, description="the last error, one line")
    traceback: str | None = Field(
        default=None, description=f"the last traceback, without passwords, {TRACEBACK_BYTES} bytes at most"
    )
    error_time: int | None = Field(default=None, description="time of the last error")


class SinkState(StrEnum):
    """What a sink is doing."""

    STARTING = "starting"  # its process is loading: `open()`
    RUNNING = "running"  # it takes what it is given
    RETRYING = "retrying"  # it does not; tried again after a back-off: see error, retry_in_s
    REFUSED = "refused"  # cannot run as it is configured (unknown kind, parameters, no secret): see error


class SinkGap(Payload):
    """Results that a sink will never get: `count` of those in a range of `seq`, both ends included."""

    epoch: int = Field(ge=0)
    first: int = Field(ge=0)
    last: int = Field(ge=0)
    count: int = Field(ge=0, description="0: nobody knows how many")
    reason: str = Field(description="such as `spool full`, `too old`, or what the sink said")


class SinkStatus(Payload):
    """One sink: what it is doing, and what became of the results it was to get."""

    id: str
    kind: str
    state: SinkState = Field(description="starting, running, retrying or refused")
    since: int = Field(description="time of the last change of `state`")
    retry_in_s: float | None = Field(default=None, description="it is tried again after this")
    accepted: int = Field(default=0, ge=0, description="results that were for it")
    recovered: int = Field(default=0, ge=0, description="results that the agent's last run left for it")
    delivered: int = Field(default=0, ge=0, description="results that it has taken")
    replayed: int = Field(default=0, ge=0, description="results sent that had waited for it to come back")
    waiting: int = Field(default=0, ge=0, description="results in memory, on disk and on their way")
    disk_bytes: int = Field(default=0, ge=0, description="bytes that its spool has on disk")
    disk_errors: int = Field(default=0, ge=0, description="batches that did not go to its spool")
    dropped: int = Field(default=0, ge=0, description="results dropped because a limit was reached")
    dead: int = Field(default=0, ge=0, description="results that it will never take")
    gaps: tuple[SinkGap, ...] = Field(
        default=(), description="what was dropped or refused, the newest ten; they survive a restart"
    )
    failures: int = Field(default=0, ge=0, description="tries that failed")
    crashes: int = Field(default=0, ge=0, description="times its process ended by itself, or was killed")
    error: str | None = Field(default=None, description="the last error, one line, without secrets")
    error_time: int | None = Field(default=None, description="time of the last error")


class Reported(Payload):
    """Everything that runs, in one document."""

    revision: int = Field(ge=0, description="grows with every change of streams or algorithms")
    epoch: int = Field(ge=0, description="start counter of the agent on this device")
    time: int = Field(description="when this was written")
    streams: dict[str, StreamStatus] = Field(default={}, description="by id")
    algorithms: dict[str, AlgorithmStatus] = Field(default={}, description="by id")
    sinks: dict[str, SinkStatus] = Field(default={}, description="by id; where results go besides MQTT")
    delivery: dict[str, int | float | str | None] = Field(
        default={}, description="counters of the way to the broker: waiting, delivered, dead …"
    )
