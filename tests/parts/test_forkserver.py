"""What is seen of the fork server and of children that have ended, with real processes."""

import signal
import subprocess
import time
from collections.abc import Iterator
from multiprocessing import forkserver

import pytest

from agent.supervise.forkserver import ForkServerWatch, is_zombie
from agent.supervise.memory import cpu_s
from tests.waiting import eventually


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of the fork server."""
    with subprocess.Popen(["sleep", "600"]) as process:
        monkeypatch.setattr(forkserver._forkserver, "_forkserver_pid", process.pid)
        yield process
        process.kill()


def test_a_stopped_server_stands_still_until_it_goes_on(server: subprocess.Popen[bytes]) -> None:
    watch, began_s = ForkServerWatch(), time.monotonic()
    assert eventually(lambda: watch.owes_since(unreaped=False) is None)
    server.send_signal(signal.SIGSTOP)
    since_s = eventually(lambda: watch.owes_since(unreaped=False))
    assert since_s is not None
    assert began_s <= since_s <= time.monotonic()
    assert watch.owes_since(unreaped=False) == since_s, "since it was first seen"
    server.send_signal(signal.SIGCONT)
    assert eventually(lambda: watch.owes_since(unreaped=False) is None)


@pytest.mark.usefixtures("server")
def test_a_server_that_does_not_tell_of_an_end_stands_still() -> None:
    watch = ForkServerWatch()
    since_s = watch.owes_since(unreaped=True)
    assert since_s is not None
    assert watch.owes_since(unreaped=True) == since_s
    assert watch.owes_since(unreaped=False) is None


def test_without_a_server_nothing_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver._forkserver, "_forkserver_pid", None)
    assert ForkServerWatch().owes_since(unreaped=True) is None


def test_a_zombie_is_one_until_somebody_asks_for_it() -> None:
    with subprocess.Popen(["true"]) as process:
        assert eventually(lambda: is_zombie(process.pid))
        process.wait()
        assert not is_zombie(process.pid)


def test_cpu_time_grows_with_work_and_is_none_when_the_process_is_gone() -> None:
    work = ["sh", "-c", "while :; do :; done"]
    with subprocess.Popen(work) as process:
        first_s = eventually(lambda: cpu_s(process.pid))
        assert eventually(lambda: cpu_s(process.pid) > first_s)
        process.kill()
        process.wait()
        assert cpu_s(process.pid) == 0.0
