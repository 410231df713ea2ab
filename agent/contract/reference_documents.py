"""The part of the reference for people that describes the status documents."""

from agent.config.markdown import sentence, table
from agent.contract.digest import Digest
from agent.contract.gaps import EpochEnd, Gap, Gaps
from agent.contract.info import Hardware, Info, KindInfo, LimitsInfo, VerbInfo
from agent.contract.status import (
    AlgorithmState,
    AlgorithmStatus,
    DeviceStatus,
    FrameCounts,
    Reported,
    StreamState,
    StreamStatus,
)
from agent.contract.tables import fields_table
from agent.errors import Cause

_STREAM_STATES = {
    StreamState.OPENING: "its source is being opened, no frame has come yet",
    StreamState.RUNNING: "frames are coming",
    StreamState.RETRYING: "no frames: `cause` and `error` say why, `retry_in_s` when it is opened again",
    StreamState.PAUSED: "on request; camera and decoder are free",
    StreamState.ENDED: "a finite source was played to its end",
    StreamState.REFUSED: "cannot run as it is configured (shared memory, secret): see `error`",
}
_ALGORITHM_STATES = {
    AlgorithmState.IDLE: "it has no streams",
    AlgorithmState.STARTING: "a worker is loading (`init()`)",
    AlgorithmState.RUNNING: "at least one worker is ready",
    AlgorithmState.RETRYING: "its worker ended or was killed; started again in `retry_in_s`",
    AlgorithmState.BROKEN: "five starts in a row failed; left alone until `algorithm.restart` or a change",
    AlgorithmState.REFUSED: "cannot run as it is configured (kind, parameters, shared memory): see `error`",
}
_CAUSES = {
    Cause.AUTH: "user name or password refused",
    Cause.NOT_FOUND: "the server, file or device answers, and has no such stream",
    Cause.REFUSED: "nobody listens there, or the host cannot be reached",
    Cause.TIMEOUT: "no answer, or frames stopped coming",
    Cause.CODEC: "a codec, container or pixel format that cannot be decoded here",
    Cause.CORRUPT: "data that is not what it says",
    Cause.ENDED: "the stream is over",
}


def status_documents() -> str:
    """Every document that the agent publishes about itself, and its tables of states."""
    return f"""
## Status documents

All are JSON, and but for `metrics` retained and written when they change. Times are integer microseconds
since the Unix epoch. Counters count since the agent's start. Passwords never appear. Skip keys that you do
not know.

### `d/<device>/status`

{fields_table(DeviceStatus)}

### `d/<device>/reported`

{fields_table(Reported)}

### `d/<device>/metrics`

Not retained. What is written during an outage comes later, with `replay` = `1`; when there is no room, it is
dropped before results are. For one device, `/metrics` ([metrics.md](metrics.md)) tells much more.

{fields_table(Digest)}

### `d/<device>/gaps`

{fields_table(Gaps)}

`gaps`: {sentence(Gap)}

{fields_table(Gap)}

`epochs`: {sentence(EpochEnd)}

{fields_table(EpochEnd)}

### `d/<device>/s/<stream>/status`

{fields_table(StreamStatus)}

`frames`: {sentence(FrameCounts)}

{fields_table(FrameCounts)}

{table(("state", "meaning"), [(f"`{state}`", text) for state, text in _STREAM_STATES.items()])}

{table(("cause", "meaning"), [(f"`{cause}`", text) for cause, text in _CAUSES.items()])}

### An algorithm, in `reported` and `algorithm.list`

{fields_table(AlgorithmStatus)}

{table(("state", "meaning"), [(f"`{state}`", text) for state, text in _ALGORITHM_STATES.items()])}

### `d/<device>/info`

{fields_table(Info)}

`hardware`: {sentence(Hardware)}

{fields_table(Hardware)}

`kinds`: {sentence(KindInfo)}

{fields_table(KindInfo)}

`commands`: {sentence(VerbInfo)}

{fields_table(VerbInfo)}

`limits`: {sentence(LimitsInfo)}

{fields_table(LimitsInfo)}
"""
