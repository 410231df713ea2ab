"""One file that results are appended to: mended when it is opened, put aside when it is large or old."""

import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgpack

from agent.sink.squeeze import Squeezer

Format = Literal["jsonl", "msgpack"]

_BLOCK_BYTES = 1 << 16
_TORN_BYTES = 8 << 20  # more than one batch
_HEAD_BYTES = 8  # by which the beginning of a record is recognised: its first key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is put aside, and how many of those are kept."""

    max_bytes: int
    max_age_s: float
    keep: int


class Journal:
    """`append` returns when the disk has it all, or raises OSError, and then the file is as it was.

    What a kill left half written at the end is cut off when the file is opened: it was never acknowledged,
    and comes again. A file that is damaged otherwise, or has another format, is put aside as it is. A
    file that is put aside gets a number, the larger the later:
    `results.jsonl` becomes `results.000001.jsonl`.
    """

    def __init__(self, path: Path, kind: Format, rotation: Rotation, squeezer: Squeezer | None) -> None:
        self._path = path
        self._kind: Format = kind
        self._rotation = rotation
        self._squeezer = squeezer
        self._size: int | None = None  # None: not opened yet
        self._began_s = 0.0  # wall clock: ages outlive the process

    def append(self, records: Sequence[bytes]) -> None:
        """Write records, each whole, and see to it that the disk has them."""
        if self._size is None:
            self._open()
        if self._size and self._is_due():
            self._put_aside()
        data = b"".join(records)
        if not self._size:
            self._began_s = time.time()
        is_new = not self._path.exists()
        with self._path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                _write(file.fileno(), data)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
        if is_new:
            _sync_folder(self._path.parent)
        self._size = before + len(data)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._squeezer is not None:
            for _, aside in self._asides():
                self._squeezer.squeeze(aside)
        self._size = 0
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            whole = _whole_lines(file.fileno(), size) if self._kind == "jsonl" else _whole_maps(self._path)
            torn = whole < size and _is_torn(file.fileno(), whole, size)
            if torn:
                file.truncate(whole)
                os.fsync(file.fileno())
        if whole < size and not torn:
            self._rename()
            return
        self._size = whole
        self._began_s = _began_s(self._path, self._kind)

    def _is_due(self) -> bool:
        assert self._size is not None  # noqa: S101  for the type checker: it is open
        age_s = abs(time.time() - self._began_s)  # a clock that was set back makes no file young for ever
        return self._size >= self._rotation.max_bytes or age_s >= self._rotation.max_age_s

    def _put_aside(self) -> None:
        aside = self._rename()
        asides = self._asides()
        for _, old in asides[: max(0, len(asides) - self._rotation.keep)]:
            old.unlink(missing_ok=True)
        _sync_folder(self._path.parent)
        if self._squeezer is not None:
            self._squeezer.squeeze(aside)

    def _rename(self) -> Path:
        """Give the file the next number, and begin a new one."""
        asides = self._asides()
        number = asides[-1][0] + 1 if asides else 1
        aside = self._path.with_name(f"{self._path.stem}.{number:06}{self._path.suffix}")
        self._path.rename(aside)
        self._size = 0
        _sync_folder(self._path.parent)
        return aside

    def _asides(self) -> list[tuple[int, Path]]:
        """Files put aside by their numbers, oldest first."""
        stem, suffix = re.escape(self._path.stem), re.escape(self._path.suffix)
        name = re.compile(rf"{stem}\.(\d{{6,}}){suffix}(?:\.gz)?")
        found = [
            (int(match[1]), path)
            for path in self._path.parent.iterdir()
            if (match := name.fullmatch(path.name)) is not None
        ]
        return sorted(found)


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_torn(fd: int, whole: int, size: int) -> bool:
    """Whether what follows the whole records is one that was not finished, with no others behind it."""
    if whole <= 0 or size - whole > _TORN_BYTES:
        return False
    head = os.pread(fd, min(_HEAD_BYTES, whole), 0)
    return os.pread(fd, size - whole, whole).find(head, 1) < 0


def _whole_lines(fd: int, size: int) -> int:
    """The length of a file up to the end of its last line that is whole."""
    end = size
    while end > 0:
        start = _line_start(fd, end - 1)
        line = os.pread(fd, end - start, start)
        if line.endswith(b"\n"):
            try:
                record = json.loads(line)
            except ValueError:  # pages that a power cut kept from the disk read as zeros
                record = None
            if isinstance(record, dict):
                return end
        end = start
    return 0


def _line_start(fd: int, before: int) -> int:
    """Where the line begins that has its end, or its last byte, at `before`."""
    at = before
    while at > 0:
        start = max(0, at - _BLOCK_BYTES)
        block = os.pread(fd, at - start, start)
        found = block.rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _whole_maps(path: Path) -> int:
    """The length of a file up to the end of its last msgpack map that is whole."""
    whole = 0
    with path.open("rb") as file, suppress(ValueError, TypeError):  # TypeError: a list as key
        unpacker = msgpack.Unpacker(file, strict_map_key=False)
        for record in unpacker:
            if not isinstance(record, dict):  # zeros, for example, are numbers
                break
            whole = unpacker.tell()
    return whole


def _began_s(path: Path, kind: Format) -> float:
    """When the first result of a file was captured; now, when it does not say."""
    first: object = None
    with path.open("rb") as file, suppress(ValueError, StopIteration):
        if kind == "jsonl":
            first = json.loads(file.readline())
        else:
            first = next(msgpack.Unpacker(file, strict_map_key=False))
    captured_us = first.get("time") if isinstance(first, dict) else None
    return captured_us / 1e6 if isinstance(captured_us, int) else time.time()
