"""Small files in memory that a process keeps for whoever has to find out why it hangs.

A process makes one (a memfd) and writes to it; another process of the same user reads it through
/proc/<pid>/fd, without asking: the writer may hang, or be stopped. It has no path, and is gone with the last
process that has it open, so nothing can be left behind.
"""

import contextlib
import fcntl
import os
import threading
import weakref


def create(name: str) -> int:
    """A new file to append to: its descriptor, for this process and not for programs that it starts."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    # Whoever reads it may empty it: the next byte is then the first.
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd


def find(pid: int, name: str) -> int | None:
    """That file of another process, opened to read and to empty it; None when it has none, or is gone."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
        for entry in os.listdir(folder):  # noqa: PTH208  numbers in a folder of the kernel
            with contextlib.suppress(OSError):
                if os.readlink(f"{folder}/{entry}").startswith(f"/memfd:{name} "):  # noqa: PTH115  no real path
                    return os.open(f"{folder}/{entry}", os.O_RDWR | os.O_CLOEXEC)
    return None


def read(fd: int, most: int) -> bytes:
    """The last `most` bytes of it."""
    size = os.fstat(fd).st_size
    return os.pread(fd, most, max(0, size - most))


class Lines:
    """The last lines, in a file in memory; when it is full, the older half goes."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._fd = create(name)
        weakref.finalize(self, os.close, self._fd)
        self._size = 0
        self._lock = threading.RLock()

    def add(self, line: bytes) -> None:
        """Append one, with its end."""
        with self._lock, contextlib.suppress(OSError):  # no memory: the line is still written to stderr
            if self._size + len(line) > self._limit_bytes:
                rest = read(self._fd, self._limit_bytes // 2).partition(b"\n")[2]
                os.ftruncate(self._fd, 0)
                os.write(self._fd, rest)
                self._size = len(rest)
            self._size += os.write(self._fd, line)
