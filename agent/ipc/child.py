"""What every child process does first."""

import ctypes
import faulthandler
import importlib
import os
import signal
import socket
from multiprocessing import forkserver
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def become_child(name: str) -> None:
    """Make this process one that dies with the agent, and can be killed with all that it starts.

    The parent of a child is the fork server, which ends when the agent ends, however it ends; the kernel
    then sends SIGKILL here. A session of its own keeps Ctrl-C in a terminal away, and lets the agent kill
    what a foreign algorithm has started.
    """
    os.setsid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    _let_the_fork_server_go()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(2, 1)  # what an algorithm prints belongs to the log, not to what the command prints
    faulthandler.enable()


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
