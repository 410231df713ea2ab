"""Hangs each part of a real agent in turn: systemd's watchdog is fed no more, and /livez names the part.

The watchdog's interval is under a second here, and so long is what else takes half a minute.
"""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

from tests.broker import Mosquitto, free_port
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

INTERVAL_S = 0.4
LIMIT_S = 1.5
PATIENT_S = 20.0  # for who wants to see that nothing counts as hanging, on a busy machine
SCENE: dict[str, Any] = {"id": "scene", "source": "test://scene?size=320x240"}
FACTS: dict[str, Any] = {"id": "facts", "kind": "probe", "interval": 0.2, "timeout_s": 2.0}


class Manager:
    """systemd's end of the notify socket: when each WATCHDOG=1 came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fed_s: list[float] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._read)
        self._over = False

    def __enter__(self) -> Self:
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.1)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while not self._over:
            try:
                text = self._socket.recv(4096)
            except TimeoutError:
                continue
            if text == b"WATCHDOG=1":
                self.fed_s.append(time.monotonic())

    def wait_fed(self, times: int = 3) -> None:
        """Until it was fed so many times more."""
        before = len(self.fed_s)
        eventually(lambda: len(self.fed_s) >= before + times, 20.0, "the watchdog is fed")

    def wait_bite(self) -> None:
        """Until it was not fed for two intervals: systemd would have acted after one."""
        eventually(lambda: time.monotonic() - self.fed_s[-1] > 2 * INTERVAL_S, 20.0, "the watchdog bites")


class Hangable(AgentProcess):
    """An agent watched by a manager, with parts that hang when they are told to."""

    def __init__(self, folder: Path, broker: Mosquitto, limit_s: float = LIMIT_S) -> None:
        self.manager = Manager(folder / "notify")
        self.port = free_port()
        self._order = folder / "hanging"
        self._order.write_text("", "utf-8")
        super().__init__(
            folder,
            broker.url,
            environment={
                "NOTIFY_SOCKET": str(self.manager.path),
                "WATCHDOG_USEC": str(int(INTERVAL_S * 1e6)),
            },
            program=("-m", "tests.system.hanging", str(self._order), str(limit_s)),
        )
        archive = {"id": "archive", "kind": "file", "params": {"folder": str(folder)}}
        self.configure([SCENE], [FACTS], [archive], health={"listen": f"127.0.0.1:{self.port}"})

    def __enter__(self) -> Self:
        self.manager.__enter__()
        super().__enter__()
        try:
            self.wait_for_log("stream.opened", 30.0)
        except AssertionError as err:
            self.__exit__(type(err), err, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.manager.__exit__(kind, error, trace)

    @contextmanager
    def hangs(self, part: str) -> Iterator[None]:
        """Make this part hang inside the block, and go on after it."""
        self.wait_well()
        self._say(part)
        try:
            yield
        finally:
            self._say("")
        self.wait_well()

    def _say(self, part: str) -> None:
        fresh = self._order.with_suffix(".new")
        fresh.write_text(part, "utf-8")
        fresh.replace(self._order)
        self.signal(signal.SIGUSR1)

    def livez(self, timeout_s: float = 5.0) -> tuple[int, str] | None:
        """Status and text; None: no answer in time."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", "/livez")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def fork_server(self) -> psutil.Process:
        """The parent of captures and workers."""
        parents = {child.ppid() for child in self.children("vd:")}
        assert len(parents) == 1, parents
        return psutil.Process(parents.pop())

    def wait_hung(self, part: str) -> None:
        """Until the watchdog bites, and /livez says why."""
        self.manager.wait_bite()
        expected = (503, f"hangs: {part}\n")
        eventually(lambda: self.livez() == expected, 20.0, f"/livez says that {part} hangs")

    def wait_well(self) -> None:
        """Until the watchdog is fed, and /livez says that all is well."""
        eventually(lambda: self.livez() == (200, "OK\n"), 20.0, "/livez says that all is well")
        self.manager.wait_fed()

    def hung(self, since: int = 0) -> list[str]:
        """The parts that were found hanging, by the log."""
        return re.findall(r'"event": ?"part\.hangs".*?"part": ?"([\w:]+)"', self.log()[since:])


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """SIGSTOP, and SIGCONT after the block."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hangable]:
    """One for all tests: each leaves it well."""
    folder = tmp_path_factory.mktemp("watched")
    with Mosquitto(folder / "mosquitto") as broker, Hangable(folder, broker) as running:
        yield running


@pytest.fixture
def watcher(agent: Hangable) -> Iterator[Watcher]:
    with Watcher(agent.broker_url, agent.device) as watching:
        yield watching


def test_delivery_thread(agent: Hangable) -> None:
    since = len(agent.log())
    with agent.hangs("delivery"):
        agent.wait_hung("delivery")
    assert agent.hung(since).count("delivery") == 1, "told once"
    assert "part.goes_on" in agent.log()[since:]


def test_thread_of_a_sink(agent: Hangable) -> None:
    with agent.hangs("sink"):
        agent.wait_hung("sink:archive")


def test_event_loop(agent: Hangable) -> None:
    with agent.hangs("loop"):
        agent.manager.wait_bite()
        assert agent.livez(timeout_s=1.0) is None


def test_tick(agent: Hangable) -> None:
    with agent.hangs("tick"):
        agent.wait_hung("tick")


def test_store(agent: Hangable, watcher: Watcher) -> None:
    with agent.hangs("store"):
        agent.manager.wait_fed()  # it has nothing to do
        command = watcher.command("stream.add", {"id": "other", "source": "test://scene", "paused": True})
        agent.wait_hung("store")
        assert watcher.replies(command) == []
    eventually(lambda: watcher.replies(command), what="the reply")


def test_listener(agent: Hangable) -> None:
    with agent.hangs("listener"), socket.create_connection(("127.0.0.1", agent.port)) as waiting:
        waiting.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        agent.wait_hung("listener")


def test_process(agent: Hangable) -> None:
    agent.wait_well()
    with stopped(psutil.Process(agent.process.pid)):
        agent.manager.wait_bite()
        assert agent.livez(timeout_s=1.0) is None
    agent.wait_well()


def test_fork_server_while_all_is_well(agent: Hangable) -> None:
    agent.wait_well()
    with stopped(agent.fork_server()):
        agent.wait_hung("fork_server")
    agent.wait_well()


def test_fork_server_while_a_child_is_to_be_started(agent: Hangable, watcher: Watcher) -> None:
    agent.wait_well()
    with stopped(agent.fork_server()):
        watcher.command("stream.add", {"id": "second", "source": SCENE["source"]})
        agent.manager.wait_bite()
    agent.wait_well()
    watcher.wait_for_results(1, 20.0, stream="second")
    assert watcher.call("stream.remove", {"id": "second"})["ok"]


def test_a_child_that_hangs_is_replaced_and_the_watchdog_does_not_bite(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with Hangable(tmp_path, broker, PATIENT_S) as agent, Watcher(broker.url, agent.device) as watcher:
        for child in ("vd:scene", "vd:facts"):
            watcher.wait_for_results(1, 20.0, since=len(watcher.messages))
            stop_and_see_it_replaced(agent, child)
        watcher.wait_for_results(1, 20.0, since=len(watcher.messages))
        agent.wait_well()
        assert agent.hung() == []


def stop_and_see_it_replaced(agent: Hangable, name: str) -> None:
    """Stop a child, and wait until another one of that name runs."""
    (before,) = agent.children(name)
    os.kill(before.pid, signal.SIGSTOP)

    def replaced() -> bool:
        pids = [child.pid for child in agent.children(name)]
        return bool(pids) and before.pid not in pids

    eventually(replaced, 30.0, f"{name} is replaced")
