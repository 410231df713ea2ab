"""The result envelope: a flat map around what an algorithm returned, which is never decoded here."""

import json
from dataclasses import dataclass
from typing import Any

import msgpack
from pydantic import BaseModel, ConfigDict, Field

from agent.contract.decode import RESULT_LIMITS, PayloadError, unpack

ENVELOPE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHead:
    """Everything about a result but the result itself. `(device, epoch, seq)` is unique and gapless."""

    v: int = ENVELOPE_VERSION
    device: str
    epoch: int  # start counter of the agent on this device, from 1
    seq: int  # result counter of this epoch, over all streams and algorithms, from 1
    stream: str
    algorithm: str
    kind: str
    version: str  # of the kind
    frame: int  # number of the newest frame of the window, counted from stream start
    pts: float  # its presentation time in seconds, media clock
    time: int  # its capture, microseconds since the Unix epoch
    latency_ms: float  # from its capture to here, monotonic clock
    skipped: int  # due runs of this stream and algorithm that were left out before this one

    def fields(self) -> dict[str, Any]:
        """As a map, in the order of the wire."""
        return {name: getattr(self, name) for name in _HEAD_FIELDS}


_HEAD_FIELDS = tuple(ResultHead.__dataclass_fields__)
_FIXMAP = 0x80  # msgpack: a map of up to 15 entries is one byte, 0x80 + entries
_MAP_START = bytes((_FIXMAP + len(_HEAD_FIELDS) + 1,))
_DATA_KEY = b"\xa4data"


def pack_result(head: ResultHead, data: bytes) -> bytes:
    """The envelope as msgpack around `data`, which is already packed (`codec.pack_data`)."""
    return b"".join((_MAP_START, msgpack.packb(head.fields())[1:], _DATA_KEY, data))


def json_result(head: ResultHead, data_json: bytes) -> bytes:
    """The envelope as JSON around `data_json`, which is already JSON (`codec.json_data`)."""
    fields = json.dumps(head.fields(), separators=(",", ":"), allow_nan=False)
    return b"".join((fields[:-1].encode(), b',"data":', data_json, b"}"))


class Result(BaseModel):
    """One result of one algorithm on one stream."""

    model_config = ConfigDict(extra="ignore", frozen=True)  # a later version may add keys

    v: int = Field(description="version of this envelope: 1")
    device: str = Field(description="`device.id` of the agent")
    epoch: int = Field(ge=0, description="start counter of the agent on this device")
    seq: int = Field(
        ge=0, description="result counter of this epoch, over all streams and algorithms of the device"
    )
    stream: str = Field(description="id of the stream")
    algorithm: str = Field(description="id of the algorithm")
    kind: str = Field(description="its kind")
    version: str = Field(description="version of the kind")
    frame: int = Field(ge=0, description="number of the newest frame of the window, from stream start")
    pts: float = Field(description="its presentation time, seconds, media clock")
    time: int = Field(description="its capture, integer microseconds since the Unix epoch")
    latency_ms: float = Field(description="from its capture to publishing, milliseconds, monotonic clock")
    skipped: int = Field(ge=0, description="due runs of this pair that were left out before this one")
    data: Any = Field(description="what `run()` returned")


def unpack_result(payload: bytes) -> Result:
    """The result in a msgpack or JSON payload, for subscribers; PayloadError when it is none."""
    tree = unpack(payload, RESULT_LIMITS)
    try:
        return Result.model_validate(tree)
    except ValueError as err:
        raise PayloadError(f"not a result: {err}") from err
