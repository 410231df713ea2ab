"""The Python stacks of other processes of the agent, asked for with a signal: see `agent.ipc.stacks`.

Nothing here waits for a process that cannot answer: all are asked at once, and together they have LIMIT_S.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import memory_file
from agent.ipc.stacks import FILE, SIGNAL

LIMIT_S: Final = 2.0
QUIET_S: Final = 0.1  # no more has come for so long: that was all; faulthandler sets no mark at its end
POLL_S: Final = 0.01
MAX_BYTES: Final = 65_536  # of the stacks of one process
_GONE: Final = "the process is gone"


@dataclass(slots=True)
class _Asked:
    """A process that was sent the signal: its file, and what has come."""

    fd: int
    size: int = 0
    grew_s: float = 0.0

    def complete(self, now_s: float) -> bool:
        size = os.fstat(self.fd).st_size
        if size != self.size:
            self.size, self.grew_s = size, now_s
        return self.size > 0 and now_s - self.grew_s >= QUIET_S


def stacks_of(pids: Iterable[int], limit_s: float = LIMIT_S) -> Mapping[int, str]:
    """The stacks of each process, or a line that says why there are none. Blocks for `limit_s` at most."""
    told: dict[int, str] = {}
    asked: dict[int, _Asked] = {}
    with contextlib.ExitStack() as stack:
        for pid in pids:
            fd = memory_file.find(pid, FILE)
            if fd is not None:
                stack.callback(os.close, fd)
            why = _ask(pid, fd)
            if why is None and fd is not None:
                asked[pid] = _Asked(fd)
            else:
                told[pid] = f"no stacks: {why}\n"
        deadline_s = time.monotonic() + limit_s
        waiting = dict(asked)
        while waiting and (now_s := time.monotonic()) < deadline_s:
            waiting = {pid: one for pid, one in waiting.items() if not one.complete(now_s)}
            time.sleep(POLL_S)
        for pid, one in asked.items():
            text = memory_file.read(one.fd, MAX_BYTES).decode("utf-8", "replace")
            told[pid] = text or f"no stacks: no answer in {limit_s:g} s; its state is {state_of(pid)}\n"
    return told


def state_of(pid: int) -> str:
    """What a process does, in the kernel's words, such as "S (sleeping)" or "T (stopped)"."""
    return _status(pid).get("State", _GONE)


def _ask(pid: int, fd: int | None) -> str | None:
    """Send the signal; or why not. The process that is looked at is the one that gets it."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return _GONE
    try:
        status = _status(pid)
        if fd is None or not _catches(status):
            return f"it offers none (yet); its state is {status.get('State', _GONE)}"
        if status["State"].startswith(("T", "t", "Z", "X")):
            return f"its state is {status['State']}"
        os.ftruncate(fd, 0)
        signal.pidfd_send_signal(handle, SIGNAL)
    except OSError:
        return _GONE
    finally:
        os.close(handle)
    return None


def _catches(status: Mapping[str, str]) -> bool:
    """Whether the signal has a handler: without one it would kill."""
    return bool(int(status.get("SigCgt", "0"), 16) >> (SIGNAL - 1) & 1)


def _status(pid: int) -> dict[str, str]:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {}
