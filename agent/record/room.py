"""The folder of all recordings: whose it is, and what has to go when room is needed."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.errors import RecordError

PART = ".part.mp4"
_MARK = ".vedette-recordings"
_TOLD = "Recordings of Vedette. The oldest files in this folder are deleted when room is needed.\n"
_IDLE_S = 600.0  # a part that nobody has written to for so long was left behind by an algorithm that is gone


@dataclass(frozen=True, slots=True)
class Room:
    """What recordings may take of a disk. Several processes may use one folder, each with a `Room`."""

    folder: Path
    max_bytes: int  # of all recordings
    keep_free_bytes: int  # of the disk

    def claim(self) -> None:
        """Make the folder, or see that it is the agent's own. Raises RecordError."""
        mark = self.folder / _MARK
        try:
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            if mark.exists():
                return
            if any(self.folder.iterdir()) and not mark.exists():
                raise RecordError(
                    f"{self.folder} has files that are not the agent's, which deletes the oldest ones: "
                    "name an empty folder as [recordings] folder"
                )
            mark.write_text(_TOLD, "utf-8")
        except OSError as err:
            raise RecordError(f"{self.folder} cannot be used: {err.strerror}") from err

    def make(self) -> None:
        """Delete the oldest recordings until both limits are kept. Raises RecordError when they cannot be."""
        try:
            files = sorted(_files(self.folder), key=lambda file: file.age_key)
            total = sum(file.size for file in files)
            disposable = iter([file for file in files if file.disposable])
            while total > self.max_bytes or _free_bytes(self.folder) < self.keep_free_bytes:
                oldest = next(disposable, None)
                if oldest is None:
                    break
                oldest.path.unlink(missing_ok=True)
                total -= oldest.size
            free = _free_bytes(self.folder)
        except OSError as err:
            raise RecordError(f"{self.folder} cannot be used: {err.strerror}") from err
        if free < self.keep_free_bytes:
            raise RecordError(
                f"the disk of {self.folder} has {free / 1e6:.0f} MB left, and keep_free_bytes is "
                f"{self.keep_free_bytes / 1e6:.0f} MB: there is no older recording to delete"
            )
        if total > self.max_bytes:
            raise RecordError(
                f"what is being recorded in {self.folder} has {total / 1e6:.0f} MB, and max_bytes is "
                f"{self.max_bytes / 1e6:.0f} MB: record less, or shorter segments"
            )


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    changed_s: float
    disposable: bool

    @property
    def age_key(self) -> tuple[float, str]:
        return self.changed_s, str(self.path)


def _files(folder: Path) -> Iterator[_File]:
    """Every recording, also those that are being written."""
    now_s = time.time()
    for path in folder.glob("*/*/*.mp4"):
        with suppress(FileNotFoundError):  # another process deleted or finished it
            stat = path.stat()
            idle_s = now_s - stat.st_mtime
            whole = not path.name.endswith(PART)
            yield _File(path, stat.st_size, stat.st_mtime, disposable=whole or idle_s > _IDLE_S)


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
