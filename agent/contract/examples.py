"""What an agent may publish, one document of each, for the references: made by the models, so they hold."""

from typing import Any

from pydantic import BaseModel

from agent.contract.commands import Reply
from agent.contract.gaps import EpochEnd, Gap, Gaps
from agent.contract.result import ENVELOPE_VERSION, Result
from agent.contract.status import DeviceState, DeviceStatus, FrameCounts, StreamState, StreamStatus

_TIME = 1_790_000_000_000_000

_RESULT = Result(
    v=ENVELOPE_VERSION,
    device="gate-7",
    epoch=3,
    seq=1842,
    stream="door",
    algorithm="movement",
    kind="motion",
    version="0.1.0",
    frame=46_050,
    pts=1842.0,
    time=_TIME,
    latency_ms=38.4,
    skipped=0,
    data={
        "moving": True,
        "share": 0.041,
        "regions": [[0.31, 0.22, 0.44, 0.78, 0.041]],
        "scene_change": False,
        "learning": False,
    },
)
_REFUSED = Reply(
    id="a1",
    ok=False,
    code=404,
    error="there is no stream `yard`: did you mean `door`?",
    device="gate-7",
    revision=8,
)

_PAYLOADS: dict[str, BaseModel] = {
    "status": DeviceStatus(state=DeviceState.LOST, epoch=3, time=_TIME),
    "stream_status": StreamStatus(
        id="door",
        state=StreamState.RUNNING,
        since=_TIME,
        origin="file",
        source="rtsp://10.0.0.5/stream1",
        backend="pyav",
        width=1920,
        height=1080,
        codec="h264",
        fps=25.0,
        fps_decoded=2.1,
        bitrate_bps=4_100_000.0,
        cpu=0.04,
        cpu_s=73.2,
        decode_s=31.5,
        decode_ms=8.1,
        decoded=3890,
        key_interval_s=2.0,
        generation=1,
        frames=FrameCounts(received=46_050, wanted=1842, not_wanted=44_206, skipped_busy=2),
    ),
    "gaps": Gaps(
        time=_TIME,
        epochs=(
            EpochEnd(epoch=2, last=90_112, state="ended", exact=True),
            EpochEnd(epoch=3, last=1842, state="running", exact=False),
        ),
        gaps=(Gap(epoch=2, first=61_000, last=61_499, count=500, reason="spool full"),),
    ),
    "result": _RESULT,
    "result_json": _RESULT,
    "response": _REFUSED,
    "client_response": _REFUSED,
}


def example(topic_name: str) -> dict[str, Any] | None:
    """The document that stands for those of a topic; None for those that are too long to help."""
    payload = _PAYLOADS.get(topic_name)
    return None if payload is None else payload.model_dump(mode="json", exclude_none=True)
