"""What a process and all that it has started use for themselves: memory and CPU time."""

import os
import re
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_OWN = re.compile(rb"^(?:RssAnon|VmSwap):\s+(\d+) kB$", re.MULTILINE)


def own_bytes(pid: int) -> int:
    """Anonymous memory, swapped or not, of a process and its descendants; 0 when it is gone.

    Frames in shared memory and code that is mapped from files do not count: neither grows with a leak.
    What a child process still shares with the fork server does (about 40 MB): it cannot be told apart at a
    reasonable price.
    """
    folder = _PROC / str(pid)
    own = sum(int(kilobytes) for kilobytes in _OWN.findall(_read(folder / "status"))) * 1024
    children = _read(folder / "task" / str(pid) / "children").split()
    return own + sum(own_bytes(int(child)) for child in children)


def cpu_s(pid: int) -> float:
    """CPU time of a process, all its threads and what it has waited for; seconds, 0 when it is gone."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_A_SECOND if fields else 0.0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or this kernel does not tell
        return b""
