"""What a test left behind: processes, shared memory, threads, temporary files.

`look` is cheap (a few listings and one walk over /proc), so it is done around every test. Processes are
found by descent and by a marker in their environment: an orphan, whose parent is gone, is found too.
"""

import contextlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

MARKER = "VEDETTE_TEST_RUN"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, not written to
PROC = Path("/proc")
GRACE_S = 3.0

# Made by multiprocessing once in a run, to stay until its end.
_STAYING = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """Everything alive or lying about that belongs to this run, by a name to show."""

    processes: frozenset[str]
    segments: frozenset[str]
    threads: frozenset[str]
    files: frozenset[str]

    def without(self, earlier: "Things") -> dict[str, list[str]]:
        """What is here and was not there `earlier`, by kind; empty when there is nothing new."""
        new = {
            "processes": self.processes - earlier.processes,
            "segments": self.segments - earlier.segments,
            "threads": self.threads - earlier.threads,
            "files": self.files - earlier.files,
        }
        return {kind: sorted(names) for kind, names in new.items() if names}


def look(*, processes: bool = True) -> Things:
    """Take stock of this run; `processes` costs most of it (5 ms), and may be left out."""
    return Things(
        processes=frozenset(f"{pid} {_command(pid)}" for pid in (_own_processes() if processes else ())),
        segments=frozenset(entry.name for entry in os.scandir(SHARED_MEMORY)),
        threads=frozenset(f"{thread.name} ({thread.ident})" for thread in threading.enumerate()),
        files=frozenset(entry.name for entry in os.scandir(tempfile.gettempdir()) if _is_ours(entry.name)),
    )


def in_foreign_use(segment: str) -> bool:
    """Whether a process outside this run has the shared-memory segment mapped or open.

    Another run of the tests, or any other program, may work on the same machine; this walk is too dear to
    be done unless something seems to be left.
    """
    own = {*_own_processes(), os.getpid()}
    path = SHARED_MEMORY / segment
    for pid in set(_pids()) - own:
        with contextlib.suppress(OSError):
            if str(path) in (PROC / str(pid) / "maps").read_text("utf-8", "replace"):
                return True
            if any(fd.readlink() == path for fd in (PROC / str(pid) / "fd").iterdir()):
                return True
    return False


def _is_ours(name: str) -> bool:
    return name.startswith("vedette")


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir(PROC) if entry.name.isdecimal()]


def _own_processes() -> list[int]:
    """Descendants of this process and whatever carries its marker; zombies are dead and do not count."""
    marker = f"{MARKER}={os.environ[MARKER]}".encode()
    parents: dict[int, int] = {}
    marked: set[int] = set()
    for pid in _pids():
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            # The fields after the command's name, which is in brackets and may hold anything.
            state, parent = (
                (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            )
            if state in "ZX":
                continue
            parents[pid] = int(parent)
            if marker in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                marked.add(pid)
    here = os.getpid()
    own = marked | {pid for pid in parents if _descends(pid, here, parents)}
    return [pid for pid in own - {here} if not (parents[pid] == here and _stays(pid))]


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (
            (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
        )
    return "(ended)"


def _stays(pid: int) -> bool:
    return any(name in _command(pid) for name in _STAYING)
