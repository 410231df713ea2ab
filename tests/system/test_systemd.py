"""The packaged unit under a real systemd: what it promises of starts, ends, hangs, secrets and walls."""

import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from agent.errors import ConfigError
from tests.broker import Mosquitto, free_port
from tests.machine import Machine, libraries_of_python, with_vedette
from tests.system.test_diag import by_mqtt
from tests.waiting import eventually
from tests.watcher import Watcher

pytestmark = pytest.mark.timeout(240)

UNITS = Path(__file__).parents[2] / "systemd"
USER, PASSWORD = "gate", "sesame-opens-7"
PASSING = ("/tmp", "/var/tmp", "/dev/shm", "/run/credentials")  # noqa: S108  looked at
START_S = 60.0  # on a machine that is busy with other things
STOP_S = 10.0
# Shorter, so that the test is; and what only this way of installing needs.
FASTER = """
[Service]
WatchdogSec=4
TimeoutAbortSec=1
RestartSec=1
"""
# Each attempt must fail behind the walls of the unit, and is shown to succeed without them.
WALLS = '''
"""Tries to get out."""
import contextlib, ctypes, json, os, signal, socket, stat
from pathlib import Path
from algos import BaseAlgo

libc = ctypes.CDLL(None, use_errno=True)

def write(path):
    file = Path(path, "written-by-walls")
    file.write_text("x")
    file.unlink()

def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def device():
    os.mknod("/dev/shm/walls", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.unlink("/dev/shm/walls")

def mount():
    call("mount", b"tmpfs", b"/mnt", b"tmpfs", 0, None)
    call("umount", b"/mnt")

def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()

def packet():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()

def real_time():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

WRITES = ["/etc/vedette", "/etc", "/opt/vedette", "/usr/bin", "/var/lib", "/var/lib/other", "/srv/open",
    "/home/alice", "/root", "/run", "/boot"]
READS = ["/home/alice/diary", "/root/diary", "/etc/shadow", "/etc/vedette/credentials/broker",
    "/var/lib/private/other/diary", "/tmp/diary", "/var/tmp/diary", "/proc/1/environ", "/proc/1/cmdline"]
CALLS = {
    "mount": mount,
    "device": device,
    "raw socket": raw,
    "packet socket": packet,
    "real time": real_time,
    "host name": lambda: call("sethostname", b"walls", 5),
    "user of root": lambda: os.setresuid(0, 0, 0),
    "signal to init": lambda: os.kill(1, 0),
    "set-user-id file": lambda: os.chmod("/srv/open/program", 0o4755),
    "namespace": lambda: call("unshare", 0x04000000),
}

def outcome(attempt, *arguments):
    try:
        attempt(*arguments)
    except OSError as err:
        return err.strerror or repr(err)
    return "succeeded"

def attempts():
    tried = {f"write {path}": outcome(write, path) for path in WRITES}
    tried |= {f"read {path}": outcome(Path(path).read_bytes) for path in READS}
    return tried | {name: outcome(attempt) for name, attempt in CALLS.items()}

def facts():
    lines = Path("/proc/self/status").read_text().splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    Path("/dev/shm/left-by-walls").write_text("x")
    own = {path: outcome(write, path) for path in ("/var/lib/vedette", "/tmp", "/var/tmp")}
    return {"uid": os.getuid(), "own": own, "limits": {name: status[name] for name in
        ("CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")}, "devices": sorted(os.listdir("/dev"))}

class Walls(BaseAlgo):
    """What came of each attempt."""

    kind = "walls"

    def run(self, frames):
        return {"attempts": attempts(), "facts": facts()}

if __name__ == "__main__":
    print(json.dumps(attempts()))
'''
FACTS = '[[algorithms]]\nid = "facts"\nkind = "probe"\ninterval = 0.2\n'
FACTS_TOO = '[[algorithms]]\nid = "more"\nkind = "probe"\ninterval = 0.2\n'
TRY_WALLS = '[[algorithms]]\nid = "walls"\nkind = "walls"\ninterval = 0.5\n'


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Booted once for all tests here, with the agent installed as docs/install.md says."""
    folder = tmp_path_factory.mktemp("machine")
    seed = folder / "seed"
    units = seed / "etc/systemd/system"
    drop_ins = units / "vedette.service.d"
    drop_ins.mkdir(parents=True)
    shutil.copy(UNITS / "vedette.service", units)
    shutil.copy(UNITS / "drop-ins/credentials.conf", drop_ins)
    environment = "".join(f"Environment={name}={value}\n" for name, value in libraries_of_python().items())
    (drop_ins / "test.conf").write_text(FASTER + environment, "utf-8")
    algorithms = seed / "etc/vedette/algos"
    algorithms.mkdir(parents=True)
    (algorithms / "walls.py").write_text(WALLS, "utf-8")
    credentials = seed / "etc/vedette/credentials"
    credentials.mkdir(mode=0o700)
    for name in ("broker", "door", "client.key"):
        (credentials / name).write_text(f"{PASSWORD}\n", "utf-8")
        (credentials / name).chmod(0o600)
    # What others have, left open by them, so that nothing but the unit's walls stands before it.
    for place in ("home/alice", "root", "var/lib/other", "var/lib/private/other", "srv/open"):
        open_folder = seed / place
        open_folder.mkdir(parents=True)
        open_folder.chmod(0o777)
        (open_folder / "diary").write_text("private", "utf-8")
    (seed / "var/lib/private").chmod(0o700)
    shutil.copy("/bin/true", seed / "srv/open/program")
    with Machine(folder, seed, with_vedette(seed)) as running:
        for place in ("tmp", "var/tmp"):
            (running.root / place / "diary").write_text("private", "utf-8")
        yield running


class Service:
    """The unit on the machine, with a configuration for one test."""

    def __init__(self, machine: Machine, broker: Mosquitto) -> None:
        self.machine = machine
        self.device = f"t-{uuid.uuid4().hex[:8]}"
        self._health = f"127.0.0.1:{free_port()}"
        self.watcher_url = broker.url.replace("//", f"//{USER}:{PASSWORD}@")
        self._head = (
            f'[device]\nid = "{self.device}"\n'
            f'[broker]\nurl = "{broker.url}"\nusername = "{USER}"\npassword = "{{secret:broker}}"\n'
            '[delivery]\ndurability = "strict"\n'
            '[paths]\nalgorithms = "/etc/vedette/algos"\n'
            f'[health]\nlisten = "{self._health}"\n'
            '[[streams]]\nid = "scene"\nsource = "test://scene?size=320x240"\n'
        )

    def configure(self, *algorithms: str) -> None:
        """Write agent.toml."""
        text = self._head + "".join(algorithms)
        (self.machine.root / "etc/vedette/agent.toml").write_text(text, "utf-8")

    def systemctl(self, verb: str, *, check: bool = True) -> int:
        """Do this to the unit; the exit status of systemctl."""
        return self.machine.run("systemctl", verb, "vedette", check=check, timeout_s=START_S).returncode

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.machine.run("systemctl", "show", "vedette", "--property", name, "--value").stdout.strip()

    def backlog(self) -> float:
        """Messages that wait for the broker, as /metrics says."""
        with urlopen(f"http://{self._health}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        names = [f"vedette_delivery_{place}_messages" for place in ("waiting", "on_disk")]
        return sum(float(line.split()[-1]) for line in lines if line.startswith(tuple(names)))

    def main(self) -> psutil.Process:
        """The agent itself, seen from outside."""
        inside = int(self.show("MainPID"))
        for process in self._processes():
            text = Path(f"/proc/{process.pid}/status").read_text("utf-8")
            numbers = next(line for line in text.splitlines() if line.startswith("NSpid:"))
            if int(numbers.split()[-1]) == inside:
                return process
        raise AssertionError(f"no process {inside} inside")

    def family(self) -> list[psutil.Process]:
        """The agent and all its children."""
        main = self.main()
        return [main, *main.children(recursive=True)]

    def journal(self, *options: str) -> str:
        """What the unit has logged since the machine was booted, and systemd of it."""
        return self.machine.run("journalctl", "--unit=vedette", "--output=cat", *options).stdout

    def _processes(self) -> list[psutil.Process]:
        return psutil.Process(self.machine.init_pid).children(recursive=True)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """One that wants the password that the service gets as a credential."""
    with Mosquitto(tmp_path / "mosquitto", users={USER: PASSWORD}) as running:
        yield running


@pytest.fixture
def service(machine: Machine, broker: Mosquitto) -> Iterator[Service]:
    """The unit, not started yet; afterwards stopped, and without its state."""
    service = Service(machine, broker)
    service.configure(FACTS)
    machine.run("journalctl", "--rotate")
    machine.run("journalctl", "--vacuum-time=1s")
    yield service
    service.systemctl("stop", check=False)
    service.systemctl("reset-failed", check=False)
    shutil.rmtree(machine.root / "var/lib/private/vedette")


@pytest.fixture
def watcher(service: Service) -> Iterator[Watcher]:
    with Watcher(service.watcher_url, service.device) as running:
        yield running


def epochs(watcher: Watcher) -> dict[int, list[int]]:
    """The numbers of the results that came, by epoch, each once and sorted."""
    found: dict[int, set[int]] = {}
    for result in watcher.results():
        found.setdefault(result["epoch"], set()).add(result["seq"])
    return {epoch: sorted(numbers) for epoch, numbers in found.items()}


def test_start_says_ready_when_it_is_and_stop_leaves_nothing(
    machine: Machine, service: Service, watcher: Watcher
) -> None:
    lying_about = ("find", *PASSING)
    before = machine.run(*lying_about, check=False).stdout
    service.systemctl("start")  # returns when the agent has said READY=1
    assert (service.show("ActiveState"), service.show("SubState")) == ("active", "running")
    assert "agent.ready" in service.journal()
    assert watcher.call("ping", timeout_s=START_S)["code"] == 200
    # The broker lets in only who has the password, which came as a credential.
    watcher.wait_for_results(5, START_S)
    eventually(lambda: service.show("StatusText") == "1 of 1 streams give frames")
    assert machine.run(*lying_about, check=False).stdout != before
    family = service.family()
    assert len(family) >= 4  # agent, fork server, camera, worker
    assert PASSWORD not in service.journal()

    service.systemctl("stop")
    eventually(lambda: watcher.latest("d/+/status")["state"] == "offline", what="the status says offline")
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    times = [int(service.show(f"{name}TimestampMonotonic")) for name in ("ActiveExit", "InactiveEnter")]
    assert (times[1] - times[0]) / 1e6 < STOP_S
    assert not [process for process in family if process.is_running()]
    assert machine.run(*lying_about, check=False).stdout == before
    kept = {path.name for path in (machine.root / "var/lib/private/vedette").iterdir()}
    assert {"control.db", "spool.sqlite3"} <= kept
    assert not [name for name in kept if name.endswith(("-wal", "-shm", "-journal", "tmp"))]


def test_agent_that_hangs_is_killed_and_started_again(service: Service, watcher: Watcher) -> None:
    service.systemctl("start")
    watcher.wait_for_results(3, START_S)
    hung = service.family()
    hung[0].send_signal(signal.SIGSTOP)
    since = len(watcher.messages)
    again = watcher.wait_for_results(3, START_S, since=since)
    eventually(lambda: (service.show("NRestarts"), service.show("ActiveState")) == ("1", "active"), START_S)
    assert "Watchdog timeout" in service.journal()
    assert not [process for process in hung if process.is_running()]
    assert again[-1]["epoch"] == 2


def test_killed_agent_comes_back_with_the_next_epoch_and_its_old_results(
    service: Service, watcher: Watcher, broker: Mosquitto
) -> None:
    service.systemctl("start")
    before = watcher.wait_for_results(3, START_S)[-1]["seq"]
    broker.stop()
    eventually(lambda: service.backlog() > 15, START_S, "results wait on disk")
    killed = service.family()
    killed[0].send_signal(signal.SIGKILL)
    eventually(lambda: (service.show("NRestarts"), service.show("ActiveState")) == ("1", "active"), START_S)
    assert not [process for process in killed if process.is_running()]
    broker.start()

    def all_came() -> bool:
        came = epochs(watcher)
        assert sorted(came) == [1, 2]
        assert came[1][-1] > before + 10
        assert len(came[2]) > 3
        assert {epoch: numbers[-1] for epoch, numbers in came.items()} == {
            epoch: len(numbers) for epoch, numbers in came.items()
        }
        return True

    eventually(all_came, START_S, "the results of both epochs, without a gap")


def test_reload_takes_over_a_changed_file_and_refuses_a_broken_one(
    service: Service, watcher: Watcher
) -> None:
    service.systemctl("start")
    watcher.wait_for_results(1, START_S, algorithm="facts")
    pid = service.show("MainPID")
    service.configure(FACTS, FACTS_TOO)
    service.systemctl("reload")
    watcher.wait_for_results(1, START_S, algorithm="more")
    service.configure(FACTS, 'nonsense = "')
    service.systemctl("reload")
    eventually(lambda: "config.refused" in service.journal("--priority=err"), what="the broken file is told")
    eventually(lambda: service.show("ActiveState") == "active")
    watcher.wait_for_results(2, START_S, algorithm="more", since=len(watcher.messages))
    assert (service.show("MainPID"), service.show("NRestarts")) == (pid, "0")
    assert list(epochs(watcher)) == [1]


def test_a_diagnosis_can_be_taken_within_the_walls(service: Service, watcher: Watcher) -> None:
    service.systemctl("start")
    watcher.wait_for_results(1, START_S)
    found = by_mqtt(watcher)
    stacks = [text for name, text in found.items() if name.startswith(("stacks/capture", "stacks/worker"))]
    assert len(stacks) == 2
    assert all("most recent call first" in text for text in stacks), stacks
    assert json.loads(found["processes.json"])["running"][0]["role"] == "agent"
    assert all(PASSWORD not in text for text in found.values())
    path = watcher.call("diag", timeout_s=30.0)["data"]["path"]
    assert path.startswith("/var/lib/vedette/diag/")


def test_unusable_configuration_is_not_tried_again(service: Service) -> None:
    service.configure(FACTS, "[nonsense]\n")
    assert service.systemctl("start", check=False) != 0
    # One that is to be tried again would be `activating (auto-restart)`.
    assert (service.show("ActiveState"), service.show("SubState")) == ("failed", "failed")
    assert service.show("ExecMainStatus") == str(ConfigError.exit_code)
    assert service.show("NRestarts") == "0"
    assert "nonsense" in service.journal()
    service.configure(FACTS)
    service.systemctl("restart")
    assert service.show("ActiveState") == "active"


def test_walls_hold(machine: Machine, service: Service, watcher: Watcher) -> None:
    service.configure(TRY_WALLS)
    service.systemctl("start")
    data: dict[str, Any] = watcher.wait_for_results(1, START_S, algorithm="walls")[0]["data"]
    assert (machine.root / "dev/shm/left-by-walls").exists()  # shared memory is everybody's …
    service.systemctl("stop")
    assert not (machine.root / "dev/shm/left-by-walls").exists()  # … and RemoveIPC tidies up
    assert {name: outcome for name, outcome in data["attempts"].items() if outcome == "succeeded"} == {}
    environment = [f"{name}={value}" for name, value in libraries_of_python().items()]
    walls = ("/opt/vedette/bin/python", "/etc/vedette/algos/walls.py")
    without = json.loads(machine.run("env", *environment, *walls).stdout)
    assert {name: outcome for name, outcome in without.items() if outcome != "succeeded"} == {}

    facts = data["facts"]
    assert 61184 <= facts["uid"] <= 65519  # a user of its own: systemd's range for them
    assert facts["own"] == dict.fromkeys(("/var/lib/vedette", *PASSING[:2]), "succeeded")
    none = "0" * 16
    expected = {"CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1", "Seccomp": "2"}
    assert facts["limits"] == expected
    assert not {"kmsg", "mem", "fuse", "video0", "sda", "vda"} & set(facts["devices"])
    assert os.getuid() == 0
