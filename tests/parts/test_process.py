"""Processes that cannot be started, and the fork server that they are started by."""

import asyncio
import os
import signal
import socket
import threading
from multiprocessing import forkserver

import pytest

from agent.supervise.process import Process
from tests.waiting import eventually


async def _end_of_one() -> str:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[str] = loop.create_future()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = Process("os:getcwd", theirs, (), on_exit=over.set_result)
        try:
            return await asyncio.wait_for(over, 20.0)
        finally:
            process.kill()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0]


def test_a_fork_server_that_dies_over_a_start_is_replaced_at_the_next() -> None:
    forkserver.ensure_running()
    server: int = vars(forkserver._forkserver)["_forkserver_pid"]
    os.kill(server, signal.SIGSTOP)
    eventually(lambda: _state(server) == "T", what="it stands still")
    killing = threading.Timer(0.3, os.kill, (server, signal.SIGKILL))
    killing.start()
    # It is asked while it stands still, and dies without an answer.
    reason = asyncio.run(_end_of_one())
    killing.join()
    assert reason.startswith("could not be started: "), reason
    assert asyncio.run(_end_of_one()) == "ended with exit code 1"  # it was started; getcwd takes no arguments


def test_no_descriptor_left_is_an_end_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    forkserver.ensure_running()

    def none_left(_fds: object) -> None:
        raise OSError(24, "Too many open files")

    # Really to have none left would take away pytest's, too.
    monkeypatch.setattr(forkserver._forkserver, "connect_to_new_process", none_left)
    monkeypatch.setattr(forkserver, "connect_to_new_process", none_left)
    reason = asyncio.run(_end_of_one())
    assert "Too many open files" in reason
