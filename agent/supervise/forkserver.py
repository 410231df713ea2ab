"""The fork server: the process that children are copies of, and that tells of their end.

While it hangs no child starts and none is known to have ended. Nothing would show it as long as all children
are well, so the tick asks.
"""

import multiprocessing
import os
import shutil
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path

# What children share: imported once in the fork server, copied on write afterwards.
_PRELOAD = [
    "agent.capture.main",
    "agent.capture.folder",
    "agent.capture.pyav_source",
    "agent.capture.scene",
    "agent.worker.main",
    "agent.worker.inspection",
    "agent.worker.keep",
    "agent.sink.main",
    "cv2",
    "structlog",
]
_STANDING_STILL = {"T", "t", "D"}  # stopped, traced, waiting for a device that does not answer
_ZOMBIE = "Z"
# Of the 107 bytes of a socket's path; multiprocessing adds "/pymp-" and "/listener-" with eight letters each.
_MAX_FOLDER_BYTES = 70


def prepare_children(folder: Path | None = None) -> None:
    """Start the fork server, which imports the heavy modules; the first child then starts fast.

    Its socket lies in `folder`, which is emptied first: an agent that is killed cannot take it away. Without
    one, or where it cannot be used, it lies where temporary files do.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOAD)
    usual = tempfile.tempdir
    if folder is not None and _emptied(folder):
        tempfile.tempdir = str(folder)  # multiprocessing asks there once, and remembers the answer
    try:
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = usual


def _emptied(folder: Path) -> bool:
    """Make the folder anew; False where its path is too long for a socket, or the disk is full."""
    if len(os.fsencode(folder)) > _MAX_FOLDER_BYTES:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return False
    return True


class ForkServerWatch:
    """Notes since when the fork server does nothing."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def owes_since(self, *, unreaped: bool) -> float | None:
        """Since when it was seen to stand still, monotonic seconds; None: it works.

        `unreaped`: there is a child that has ended, and of whose end it has not told.
        """
        pid: int | None = vars(forkserver._forkserver)["_forkserver_pid"]  # noqa: SLF001  no public way to it
        if pid is None or not (unreaped or _state(pid) in _STANDING_STILL):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = time.monotonic()
        return self._since_s


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent does not take note."""
    return _state(pid) == _ZOMBIE


def _state(pid: int) -> str:
    """One letter, see proc(5); empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    return stat.rpartition(b")")[2][1:2].decode("ascii", "replace")
