"""The digest of a device, for the metrics topic: flat numbers that a dashboard of a fleet needs."""

from pydantic import Field

from agent.contract.status import Payload


class Digest(Payload):
    """How a device fares, in flat numbers. Counters count since the agent's start: see `epoch`."""

    time: int = Field(description="when this was written, microseconds since the Unix epoch")
    epoch: int = Field(ge=0, description="start counter of the agent on this device")
    version: str = Field(description="of Vedette")
    uptime_s: float = Field(ge=0, description="since the agent's start")
    ready: bool = Field(description="what /readyz says")
    hung: tuple[str, ...] = Field(default=(), description="parts of the agent that hang")
    slow_ticks: int = Field(ge=0, description="looks at all parts that came more than 0.5 s late")
    streams: int = Field(ge=0, description="streams that are wanted")
    streams_running: int = Field(ge=0, description="of these: frames are coming")
    streams_ailing: int = Field(ge=0, description="of these: retrying or refused")
    algorithms: int = Field(ge=0, description="algorithms that are wanted")
    algorithms_ailing: int = Field(ge=0, description="of these: retrying, broken or refused")
    fps: float = Field(ge=0, description="frames a second that come in, of all streams, measured")
    fps_decoded: float = Field(ge=0, description="frames a second decoded, measured")
    frames: int = Field(ge=0, description="frames that came from the sources")
    skipped_busy: int = Field(ge=0, description="frames due, but no worker was free")
    skipped_stale: int = Field(ge=0, description="frames due, but a newer window overtook them")
    corrupt: int = Field(ge=0, description="frames that could not be decoded")
    runs: int = Field(ge=0, description="calls of `run()` that came back")
    results: int = Field(ge=0, description="runs that gave a result")
    failures: int = Field(ge=0, description="runs that raised, or whose result cannot be packed")
    latency_s_p50: float | None = Field(
        default=None, description="capture to result, median of the results since the last digest"
    )
    latency_s_p95: float | None = Field(default=None, description="the same: 95 of 100 were not slower")
    cpu_s: float = Field(ge=0, description="CPU time of the agent, its streams and its runs")
    memory: int = Field(ge=0, description="bytes resident of the agent's own process")
    shared_memory_free: int = Field(ge=0, description="bytes")
    disk_free: int | None = Field(default=None, description="bytes on the disk of paths.state_dir")
    children_ended: int = Field(ge=0, description="child processes that ended without being asked to")
    reopened: int = Field(ge=0, description="times a source was opened again")
    connects: int = Field(ge=0, description="connections made to the broker")
    delivered: int = Field(ge=0, description="messages acknowledged by the broker")
    waiting: int = Field(ge=0, description="messages that wait, in memory or on disk")
    dropped: int = Field(ge=0, description="results and events dropped because a limit was reached")
    dead: int = Field(ge=0, description="messages refused by the broker, or too large for it")
