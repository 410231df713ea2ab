"""What the kernel knows of the agent's processes and of its descriptors.

No command lines and no environments: what an algorithm starts may have passwords in them.
"""

import contextlib
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil

MAX_PROCESSES: Final = 500
MAX_THREADS: Final = 100  # of one process
MAX_DESCRIPTORS: Final = 1000


def process_tree(roles: Mapping[int, str]) -> list[dict[str, Any]]:
    """The agent and all its descendants; `roles` names those that the agent knows, by process id."""
    own = psutil.Process()
    found = [_of(own, "agent")]
    for process in own.children(recursive=True)[:MAX_PROCESSES]:
        with contextlib.suppress(psutil.Error, OSError):  # it ended meanwhile
            found.append(_of(process, roles.get(process.pid, "")))
    return found


def _of(process: psutil.Process, role: str) -> dict[str, Any]:
    with process.oneshot():
        memory, cpu = process.memory_info(), process.cpu_times()
        facts = {
            "pid": process.pid,
            "parent": process.ppid(),
            "role": role,
            "name": process.name(),
            "state": process.status(),
            "age_s": round(time.time() - process.create_time(), 1),
            "rss_bytes": memory.rss,
            "shared_bytes": memory.shared,
            "cpu_user_s": cpu.user,
            "cpu_system_s": cpu.system,
            "descriptors": process.num_fds(),
            "nice": process.nice(),
            "cores": len(process.cpu_affinity() or ()),
        }
    facts["threads"] = threads_of(process.pid)
    return facts


def threads_of(pid: int) -> list[dict[str, str]]:
    """Name, state and the place in the kernel where it waits, of each thread."""
    folder = Path(f"/proc/{pid}/task")
    threads = []
    with contextlib.suppress(OSError):
        for task in sorted(os.listdir(folder), key=int)[:MAX_THREADS]:  # noqa: PTH208  of the kernel
            name, _, rest = _read(folder / task / "stat").partition("(")[2].rpartition(")")
            threads.append(
                {"id": task, "name": name, "state": rest[1:2], "waits_in": _read(folder / task / "wchan")}
            )
    return threads


def descriptors() -> dict[str, Any]:
    """What this process has open: how many of each kind, and where they lead."""
    kinds: Counter[str] = Counter()
    listed: list[dict[str, Any]] = []
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):  # noqa: PTH208  of the kernel
        with contextlib.suppress(OSError):  # the one that listed them is closed
            target = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115  most are no paths
            status = os.fstat(number)
            kind = _kind(target, status.st_mode)
            kinds[kind] += 1
            if len(listed) < MAX_DESCRIPTORS:
                size = status.st_size if stat.S_ISREG(status.st_mode) else None
                listed.append({"fd": number, "kind": kind, "target": target, "bytes": size})
    return {"count": kinds.total(), "kinds": dict(kinds.most_common()), "open": listed}


def _kind(target: str, mode: int) -> str:
    if found := re.match(r"anon_inode:\[?(\w+)", target):
        return found[1]
    if target.startswith("/memfd:"):
        return "memfd"
    if target.startswith("/dev/shm/"):  # noqa: S108  told apart, not written to
        return "shared memory"
    return "file" if stat.S_ISREG(mode) else target.partition(":")[0] if ":" in target else "device"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
