"""What every child process does first."""

import ctypes
import faulthandler
import importlib
import os
import re
import resource
import signal
import socket
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from agent.config.environment import PREFIX, TEST_PREFIX
from agent.ipc.stacks import offer_stacks

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


WORKER, CAPTURE = 600, 300  # who goes first when the machine has no memory left: foreign code
_BURST_BYTES = 256 << 20


def become_child(name: str, *, sacrifice: int = CAPTURE) -> None:
    """Make this process one that dies with the agent, and can be killed with all that it starts.

    `sacrifice`: 0 (like the agent) to 1000, how gladly the kernel ends it when memory is short.

    The parent of a child is the fork server, which ends when the agent ends, however it ends; the kernel
    then sends SIGKILL here. A session of its own keeps Ctrl-C in a terminal away, and lets the agent kill
    what a foreign algorithm has started.
    """
    os.setsid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    _let_the_fork_server_go()
    _forget_settings()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(2, 1)  # what an algorithm prints belongs to the log, not to what the command prints
    faulthandler.enable()
    offer_stacks()
    with suppress(OSError):  # a sandbox may forbid it; then the kernel takes the largest
        Path("/proc/self/oom_score_adj").write_text(str(sacrifice), "ascii")


def limit_memory(most_bytes: int) -> None:
    """Refuse this process more private memory than twice `most_bytes` and a little.

    The supervisor ends what has more than `most_bytes`, but looks once a second only: a process that
    asks for everything at once is refused here, and Python raises MemoryError. Twice, since libraries
    reserve more than they touch.
    """
    held = re.search(rb"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_bytes(), re.MULTILINE)
    already = int(held[1]) * 1024 if held is not None else 0
    most = already + 2 * most_bytes + _BURST_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _forget_settings() -> None:
    """Drop the environment's settings and secrets: the agent has read them, and foreign code runs here.

    What a child starts does not inherit them either.
    """
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        if not name.upper().startswith(TEST_PREFIX):
            del os.environ[name]


def _let_the_fork_server_go() -> None:
    """Close the pipe that keeps the fork server alive: only the agent is to hold it.

    multiprocessing hands it to every child, so that a child that hangs would keep the fork server, and by
    that itself and all its siblings, alive after the agent's death. There is no public way to it.
    """
    server = vars(forkserver._forkserver)  # noqa: SLF001  see above
    alive = server.get("_forkserver_alive_fd")
    if alive is not None:
        os.close(alive)
        server["_forkserver_alive_fd"] = None


def enter(main: str, sock: socket.socket, *args: Any) -> None:  # noqa: ANN401  whatever that main takes
    """Run `main`, written "module:function", imported only here: the agent needs none of what it needs."""
    module, _, function = main.partition(":")
    getattr(importlib.import_module(module), function)(sock, *args)
