"""The sink `file`: results appended to files in a folder, JSON Lines or msgpack."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from agent.config.numbers import Whole
from agent.errors import SinkBusyError
from agent.sink.base import Item, Sink
from agent.sink.journal import Journal, Rotation
from agent.sink.squeeze import Squeezer

_PLACES = re.compile(r"\{(device|stream|algorithm)\}")


class FileSink(Sink):
    """Appends results to files, on disk before they count as delivered; rotates them by size and age."""

    class Params(Sink.Params):
        """Which files, and how long they are kept."""

        folder: Path = Field(description="where the files are; made when it is not there")
        path: str = Field(
            default="results.jsonl",
            min_length=1,
            max_length=200,
            description="name below the folder; may have `{device}`, `{stream}` and `{algorithm}` in it",
        )
        format: Literal["jsonl", "msgpack"] = Field(
            default="jsonl", description="a line of JSON each, or msgpack maps one after the other"
        )
        rotate_bytes: Whole = Field(
            default=67_108_864,
            ge=4_096,
            description="a file that is larger is put aside, and a new one begun",
        )
        rotate_age_s: Whole = Field(
            default=86_400, ge=1, description="likewise one whose first result is older; seconds"
        )
        keep: Whole = Field(
            default=30, ge=0, le=100_000, description="files put aside that are kept, of each"
        )
        gzip: bool = Field(default=False, description="compress what is put aside")

        @field_validator("path")
        @classmethod
        def _stays_below(cls, path: str) -> str:
            bare = _PLACES.sub("x", path)
            if re.search(r"[{}]", bare):
                raise ValueError("knows `{device}`, `{stream}` and `{algorithm}` only")
            if bare.startswith("/") or any(part in {"", ".", ".."} for part in bare.split("/")):
                raise ValueError("must be the name of a file below the folder")
            if not path.isprintable():
                raise ValueError("has control characters in it")
            return path

    params: Params

    def open(self) -> None:
        """Make the folder; files are opened, and mended, when the first result for them comes."""
        params = self.params
        try:
            params.folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise SinkBusyError(f"{params.folder} cannot be made: {err.strerror}") from err
        self._rotation = Rotation(
            max_bytes=params.rotate_bytes, max_age_s=params.rotate_age_s, keep=params.keep
        )
        self._journals: dict[Path, Journal] = {}
        self._written: dict[Path, list[bytes]] = {}
        self._squeezer = Squeezer() if params.gzip else None

    def send(self, items: Sequence[Item]) -> None:
        """Append to each file what is for it, and wait until the disk has it."""
        by_path: dict[Path, list[bytes]] = {}
        for item in items:
            by_path.setdefault(self._path_of(item), []).append(self._record(item))
        for path, records in by_path.items():
            if self._written.get(path) == records:
                continue  # by the last try, which failed with another file
            journal = self._journals.get(path)
            if journal is None:
                journal = Journal(path, self.params.format, self._rotation, self._squeezer)
            try:
                journal.append(records)
            except OSError as err:
                self._journals.pop(path, None)  # opened, and mended, again
                raise SinkBusyError(f"{path} cannot be written: {err.strerror or err}") from err
            self._journals[path] = journal
            if len(by_path) > 1:
                self._written[path] = records
        self._written.clear()

    def close(self) -> None:
        """End the compressing."""
        if self._squeezer is not None:
            self._squeezer.close()

    def _path_of(self, item: Item) -> Path:
        names = {"device": self.device, "stream": item.stream, "algorithm": item.algorithm}
        # An id may be `..`, and may come from the network.
        return self.params.folder / _PLACES.sub(
            lambda match: re.sub(r"^\.", "_", names[match[1]]), self.params.path
        )

    def _record(self, item: Item) -> bytes:
        return item.json + b"\n" if self.params.format == "jsonl" else item.payload
