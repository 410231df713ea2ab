"""Starts and works without a broker, names, a name server or any network; all of it arrives later."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.broker import Mosquitto, free_port
from tests.left_out import leave_out
from tests.relay import Relay, bound
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

pytestmark = pytest.mark.timeout(240)

SCENE: dict[str, Any] = {"id": "scene", "source": "test://scene?size=320x240"}
TALLY: dict[str, Any] = {"id": "tally", "kind": "tally", "interval": 0.1}
TALLY_KIND = '''
from algos import BaseAlgo

class Tally(BaseAlgo):
    """Runs, told to a file that needs no network."""

    kind = "tally"

    def run(self, frames):
        with open({path!r}, "a") as file:
            file.write("run\\n")
        return {{}}
'''
READY_S = 60.0  # on a machine that is busy with other things; else a second or two, whatever is missing
ARRIVED_S = 60.0  # with the longest back-off


class Place:
    """Where the agent is: with a network and names of its own, of which there is little at first."""

    def __init__(self, folder: Path, *, up: bool) -> None:
        self._hosts = folder / "hosts"
        self._hosts.write_text("127.0.0.1 localhost\n", "utf-8")
        self._resolv = folder / "resolv.conf"
        self.look_up_for(timeout_s=30, attempts=5)  # the most that the C library does
        self._up = up
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not shutil.which("unshare") or not shutil.which("ip"):
            leave_out("unshare or ip is not installed (Debian: apt-get install util-linux iproute2)")
        script = f"mount --bind {self._hosts} /etc/hosts; mount --bind {self._resolv} /etc/resolv.conf; "
        script += "ip link set lo up; " if self._up else ""
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation=private", "sh", "-euc", f"{script}echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            _, error = self._process.communicate()
            leave_out(f"no network namespaces here: {error.decode().strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.communicate()  # the end of its input is its end

    @property
    def pid(self) -> int:
        """Of a process there."""
        assert self._process is not None
        return self._process.pid

    def look_up_for(self, *, timeout_s: int, attempts: int) -> None:
        """How long a name server is asked."""
        options = f"timeout:{timeout_s} attempts:{attempts}"
        self._resolv.write_text(f"nameserver 127.0.0.1\noptions {options}\n", "utf-8")

    def name(self, host: str) -> None:
        """From now on the host is known, on the loopback there."""
        with self._hosts.open("a", encoding="utf-8") as file:
            file.write(f"127.0.0.1 {host}\n")

    def connect(self) -> None:
        """The network comes up."""
        command = ["nsenter", f"--target={self.pid}", "--net", "ip", "link", "set", "lo", "up"]
        subprocess.run(command, check=True, timeout=10)


class Away:
    """What is missing at first, and how it comes."""

    def __init__(self, what: str, folder: Path, stack: contextlib.ExitStack) -> None:
        self._what = what
        self._stack = stack
        self.port = free_port()
        self.host = "127.0.0.1" if what in ("broker", "network") else "broker.example"
        self.place: Place | None = None
        if what != "broker":
            self.place = stack.enter_context(Place(folder, up=what != "network"))
        if what == "name server":  # it hears, and says nothing
            there = bound(("127.0.0.1", 53), kind=socket.SOCK_DGRAM, inside=self._pid)
            stack.enter_context(there)
        self.program: tuple[str, ...] = ("-m", "agent")
        if self._pid is not None:
            self.program = ("-m", "tests.system.entering", str(self._pid))

    def comes(self, broker: Mosquitto) -> None:
        """There is a way to the broker from now on."""
        if self._what == "network" and self.place is not None:
            self.place.connect()
        listener = bound(("127.0.0.1", self.port), kind=socket.SOCK_STREAM, inside=self._pid)
        self._stack.enter_context(Relay(listener, broker.port))
        if self.host == "broker.example" and self.place is not None:
            self.place.name(self.host)

    @property
    def _pid(self) -> int | None:
        return None if self.place is None else self.place.pid


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def agent_away(away: Away, folder: Path) -> AgentProcess:
    """An agent that tells its runs to a file."""
    agent = AgentProcess(folder, f"mqtt://{away.host}:{away.port}", program=away.program)
    agent.add_kind("tally", TALLY_KIND.format(path=str(folder / "runs")))
    agent.configure([SCENE], [TALLY])
    return agent


def runs(folder: Path) -> int:
    """How many there were."""
    path = folder / "runs"
    return len(path.read_text("utf-8").splitlines()) if path.exists() else 0


@pytest.mark.parametrize("what", ["broker", "name", "network"])
def test_it_starts_and_works_without(
    what: str, broker: Mosquitto, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    away = Away(what, tmp_path, stack)
    agent = agent_away(away, tmp_path)
    with Watcher(broker.url, agent.device) as watcher, agent:
        agent.wait_for_log("agent.ready", READY_S)
        eventually(lambda: runs(tmp_path) >= 10, READY_S, "runs")
        assert "broker.connected" not in agent.log()
        made = runs(tmp_path)
        away.comes(broker)

        def complete() -> bool:
            numbers = sorted({result["seq"] for result in watcher.results() if result["epoch"] == 1})
            assert len(numbers) >= made
            assert numbers == list(range(1, len(numbers) + 1))
            return True

        eventually(complete, ARRIVED_S, "all results, by epoch and seq")
        assert watcher.call("ping")["code"] == 200
        assert agent.terminate() == 0
    assert "Traceback" not in agent.log()


def test_name_server_that_never_answers_hangs_nothing(
    broker: Mosquitto, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    away = Away("name server", tmp_path, stack)
    agent = agent_away(away, tmp_path)
    with Watcher(broker.url, agent.device) as watcher, agent:
        agent.wait_for_log("agent.ready", READY_S)
        eventually(lambda: runs(tmp_path) >= 10, READY_S, "runs")
        assert agent.terminate() == 0  # within its limit, while a name is looked up
        made = runs(tmp_path)
        assert away.place is not None
        away.place.look_up_for(timeout_s=15, attempts=1)  # still longer than a try to connect may take
        agent.start()
        eventually(lambda: runs(tmp_path) >= made + 10, READY_S, "runs of the second start")
        assert "broker.connected" not in agent.log()
        away.comes(broker)

        def complete() -> bool:
            came = {(result["epoch"], result["seq"]) for result in watcher.results()}
            numbers = [sorted(seq for of, seq in came if of == epoch) for epoch in (1, 2)]
            # Of a run that ends just when the agent does, nobody takes the result.
            assert len(numbers[0]) >= made - 1
            assert len(numbers[1]) >= 10
            assert all(found == list(range(1, len(found) + 1)) for found in numbers)
            return True

        eventually(complete, ARRIVED_S, "all results of both starts, by epoch and seq")
        assert agent.terminate() == 0
