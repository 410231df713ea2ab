"""Runs in the envelope in which live results travel, and files of them."""

import json
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from typing import BinaryIO, Literal

import msgpack

from agent.contract.codec import json_data, pack_data
from agent.contract.result import ENVELOPE_VERSION, ResultHead, json_result, pack_result
from agent.offline.run import Run

Format = Literal["jsonl", "msgpack"]

OFFLINE = "offline"
"""What a file of results calls the device, if nobody says otherwise."""


def head(run: Run, *, device: str, epoch: int, seq: int, time_us: int | None = None) -> ResultHead:
    """The envelope of a run.

    Its `time` is the presentation time, counted from 1970, if there is no other: nobody knows when a file
    was filmed, and the same file gives the same results.
    """
    return ResultHead(
        device=device,
        epoch=epoch,
        seq=seq,
        stream=run.stream,
        algorithm=run.algorithm,
        kind=run.kind,
        version=run.version,
        frame=run.frame,
        pts=run.time,
        time=round(run.time * 1e6) if time_us is None else time_us,
        latency_ms=0.0,
        skipped=0,
    )


class ResultFile:
    """Writes results one behind the other: a line of JSON each, or a map of msgpack each."""

    def __init__(self, file: BinaryIO | FileIO, form: Format, *, device: str = OFFLINE) -> None:
        self._file = file
        self._form = form
        self._device = device
        self._bytes = 0  # of whole results
        self.written = 0
        self._last_s: float | None = None

    def write(self, run: Run) -> None:
        """Write one result. Raises UnpackableError when it cannot travel, and OSError."""
        made = head(run, device=self._device, epoch=0, seq=self.written + 1)
        if self._form == "jsonl":
            self._write(json_result(made, json_data(run.result)) + b"\n")
        else:
            self._write(pack_result(made, pack_data(run.result)))
        self.written += 1
        self._last_s = run.time

    def end(self, incomplete: str = "") -> None:
        """All is written; `incomplete`: why it is not all there is, which the last record then says."""
        if incomplete:
            said = {"reason": incomplete, "results": self.written, "pts": self._last_s}
            self._write(_ENCODE[self._form]({"v": ENVELOPE_VERSION, "incomplete": said}))

    def _write(self, data: bytes) -> None:
        """At once, so that who is killed leaves whole results; a file without a buffer may take a part.

        What a full disk took of a result is cut off again.
        """
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            self._file.flush()
        except OSError:
            if isinstance(self._file, FileIO):
                with suppress(OSError):  # no file, but a device or a pipe
                    self._file.truncate(self._bytes)
            raise
        self._bytes += len(data)


_ENCODE: dict[Format, Callable[[object], bytes]] = {
    "jsonl": lambda tree: json.dumps(tree, separators=(",", ":")).encode() + b"\n",
    "msgpack": msgpack.packb,
}
