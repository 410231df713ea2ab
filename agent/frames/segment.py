"""Shared memory without a name: nothing can be left behind, whatever ends.

A segment is an unnamed file in /dev/shm (O_TMPFILE); its descriptor travels to the children over their
pipes. The kernel frees the memory when the last process that has it is gone, also after a SIGKILL of all
of them. See docs/decisions/001-unnamed-shared-memory.md.
"""

import errno
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.errors import NoRoomError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the kernel's shared memory, not a temporary folder


@dataclass(slots=True)
class Segment:
    """A piece of shared memory, owned by the agent: a descriptor and a size."""

    fd: int
    size_bytes: int

    def close(self) -> None:
        """Give up this process' hold on the memory."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def free_bytes(folder: Path = SHARED_MEMORY) -> int:
    """Bytes of shared memory that are free now."""
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize


def allocate(size_bytes: int, *, purpose: str, folder: Path = SHARED_MEMORY) -> Segment:
    """A segment of `size_bytes`, really allocated: a full /dev/shm is an error here, never a SIGBUS later.

    Raises NoRoomError with the numbers.
    """
    if size_bytes > free_bytes(folder):  # before the kernel takes all there is only to find it too little
        raise _no_room(size_bytes, purpose, folder)
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise NoRoomError(f"{purpose}: no shared memory at {folder}: {err.strerror}") from err
    try:
        os.posix_fallocate(fd, 0, size_bytes)
    except OSError as err:
        os.close(fd)
        if err.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
            raise NoRoomError(f"{purpose}: shared memory at {folder}: {err.strerror}") from err
        raise _no_room(size_bytes, purpose, folder) from err
    return Segment(fd, size_bytes)


def _no_room(size_bytes: int, purpose: str, folder: Path) -> NoRoomError:
    return NoRoomError(
        f"{purpose} needs {size_bytes / 1e6:.1f} MB of shared memory, {free_bytes(folder) / 1e6:.1f} MB "
        f"are free in {folder}: ask for a smaller size, fewer frames or enlarge {folder}"
    )


def map_segment(fd: int, size_bytes: int, *, writable: bool) -> mmap.mmap:
    """Map a segment into this process; the descriptor may be closed afterwards."""
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    return mmap.mmap(fd, size_bytes, flags=mmap.MAP_SHARED, prot=protection)
