"""sd_notify against a real datagram socket: what arrives, word for word."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (lambda notifier: notifier.ready(), "READY=1"),
        (lambda notifier: notifier.ready("2 streams"), "READY=1\nSTATUS=2 streams"),
        (lambda notifier: notifier.status("3 streams, 1 waits"), "STATUS=3 streams, 1 waits"),
        (lambda notifier: notifier.status("one\nREADY=1"), "STATUS=one READY=1"),
        (lambda notifier: notifier.watchdog(), "WATCHDOG=1"),
        (lambda notifier: notifier.stopping(), "STOPPING=1"),
        (lambda notifier: notifier.stopping("SIGTERM"), "STOPPING=1\nSTATUS=SIGTERM"),
    ],
)
def test_messages(manager: socket.socket, say: Callable[[Notifier], bool], expected: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    assert say(notifier)
    assert manager.recv(4096).decode() == expected


def test_reloading_tells_its_monotonic_time(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    assert Notifier({"NOTIFY_SOCKET": manager.getsockname()}).reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= time.monotonic_ns() // 1000


def test_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0vedette-test-" + os.urandom(8).hex())
        sock.settimeout(5)
        address = "@" + sock.getsockname()[1:].decode()
        assert Notifier({"NOTIFY_SOCKET": address}).watchdog()
        assert sock.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    assert not Notifier(environ).ready()


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).watchdog()


def test_a_manager_that_does_not_read_holds_nothing_up_for_long(manager: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler, contextlib.suppress(BlockingIOError):
        filler.settimeout(0)
        filler.connect(manager.getsockname())
        while True:
            filler.send(b"x")
    start_s = time.monotonic()
    assert not Notifier({"NOTIFY_SOCKET": manager.getsockname()}).watchdog()
    assert time.monotonic() - start_s < 3


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_interval(environ: dict[str, str], expected: float | None) -> None:
    assert Notifier(environ).watchdog_interval_s == expected
