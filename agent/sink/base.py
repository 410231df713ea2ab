"""What authors of sinks see: a class with `open`, `send` and `close`, and the results it is given."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgpack
from pydantic import BaseModel, ConfigDict

from agent.contract.codec import UnpackableError, decode_data, json_data
from agent.errors import SinkRefusedError

_JSON_DEPTH = 128  # was checked when it was packed
_JSON_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: what was decoded once is kept
class Item:
    """One result. `(device, epoch, seq)` names it: a receiver that sees it twice leaves the second out."""

    epoch: int  # start counter of the agent
    seq: int  # result counter of this epoch, over all streams and algorithms
    stream: str
    algorithm: str
    replay: bool  # it comes late: the sink could not take it when it was made
    payload: bytes  # the envelope, packed as on the topic `…/result`

    @cached_property
    def result(self) -> dict[str, Any]:
        """The envelope; what the algorithm returned is its `data`."""
        try:
            envelope: dict[str, Any] = msgpack.unpackb(self.payload, strict_map_key=False)
        except (ValueError, TypeError) as err:  # all that msgpack raises on bad input
            raise SinkRefusedError(f"not readable as msgpack: {str(err) or type(err).__name__}") from err
        return envelope

    @cached_property
    def json(self) -> bytes:
        """The envelope as JSON on one line, without its end; as on the topic `…/result.json`."""
        tree = decode_data(self.result)
        try:
            return json_data(tree, max_depth=_JSON_DEPTH, max_bytes=_JSON_BYTES)
        except UnpackableError as err:
            raise SinkRefusedError(f"not writable as JSON: {err}") from err


class Sink:
    """Takes results somewhere, in a process of its own.

    `send` gets a batch, oldest first, and returns when all of it has arrived where it lasts: what it was
    given is deleted here then. It raises `SinkRefusedError` for what will never be accepted, and anything
    else for what may be accepted later: the same is given again, after a while. A `send` that takes longer
    than `timeout_s`, or ends the process, counts as failed.
    """

    class Params(BaseModel):
        """The `params` of agent.toml; fields, ranges and defaults are checked before anything starts."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    params: Params

    def __init__(self, name: str, device: str, params: Mapping[str, Any] | None = None) -> None:
        """Authors do not override this: what there is to do is done in `open`."""
        self.name = name  # the sink's id
        self.device = device
        self.params = self.Params.model_validate(dict(params or {}))
        self.log = logging.getLogger(f"vedette.sink.{name}")

    def open(self) -> None:
        """Get ready; what it raises is reported, and it is tried again in a new process."""

    def send(self, items: Sequence[Item]) -> None:
        """Deliver a batch; it is never empty."""
        raise NotImplementedError(f"{type(self).__name__} has no send()")

    def close(self) -> None:
        """Let go of what `open` took; not called when the process is killed."""
