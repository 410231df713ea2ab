"""The machine as the agent finds it: limits, memory, disks and clocks; what cannot be read is left out."""

import contextlib
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_PROC_FILES: Final = (
    "loadavg",
    "uptime",
    "meminfo",
    "version",
    "pressure/cpu",
    "pressure/memory",
    "pressure/io",
)
_CGROUP_FILES: Final = (
    "memory.max",
    "memory.high",
    "memory.current",
    "memory.peak",
    "memory.swap.max",
    "memory.events",
    "cpu.max",
    "cpu.stat",
    "pids.max",
    "pids.current",
)
_MAX_FILES: Final = 200


def limits() -> dict[str, Any]:
    """Resource limits of the process (soft and hard, -1: none), and those of its control group."""
    numbers = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    found: dict[str, Any] = {}
    for name, number in numbers.items():
        with contextlib.suppress(OSError, ValueError):  # one that this kernel does not know
            found[name.removeprefix("RLIMIT_").lower()] = resource.getrlimit(number)
    return {"rlimits": found, "cgroup": _cgroup()}


def _cgroup() -> dict[str, str]:
    path = _read(Path("/proc/self/cgroup")).rpartition("::")[2].strip()
    found = {"path": path}
    if path.startswith("/"):
        folder = Path("/sys/fs/cgroup") / path.lstrip("/")
        found |= {name: text for name in _CGROUP_FILES if (text := _read(folder / name))}
    return found


def machine() -> dict[str, Any]:
    """Load, memory, kernel and clocks."""
    return {
        "kernel": {name: text for name in _PROC_FILES if (text := _read(Path("/proc") / name))},
        "time": time.time(),
        "monotonic_s": time.monotonic(),
        "boot_s": time.clock_gettime(time.CLOCK_BOOTTIME),
        "zone": time.tzname,
        "cores": sorted(os.sched_getaffinity(0)),
        "user": {"uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups()},
    }


def disks(folders: Iterable[Path]) -> dict[str, Any]:
    """Room of the file systems of these folders, in bytes and in files; or why one cannot be looked at."""
    found: dict[str, Any] = {}
    for folder in folders:
        try:
            room = os.statvfs(folder)
        except OSError as err:
            found[str(folder)] = {"error": err.strerror}
            continue
        found[str(folder)] = {
            "bytes": room.f_blocks * room.f_frsize,
            "free_bytes": room.f_bavail * room.f_frsize,
            "files": room.f_files,
            "free_files": room.f_favail,
            "read_only": bool(room.f_flag & os.ST_RDONLY),
        }
    return found


def files_in(folder: Path) -> list[dict[str, Any]]:
    """Name, size, mode and age of what lies in a folder and in those below it; no contents."""
    found: list[dict[str, Any]] = []
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            with contextlib.suppress(OSError):  # gone meanwhile
                path = Path(place) / name
                status = path.lstat()
                found.append(
                    {
                        "name": str(path.relative_to(folder)),
                        "bytes": status.st_size,
                        "mode": f"{status.st_mode:o}",
                        "owner": status.st_uid,
                        "age_s": round(time.time() - status.st_mtime, 1),
                    }
                )
            if len(found) >= _MAX_FILES:
                return found
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
