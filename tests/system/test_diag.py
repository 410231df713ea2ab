"""The command `diag`: what is in the bundle, how it travels, and that a process that hangs is in it, too."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

KINDS = '''
import ctypes, os, time
from algos import BaseAlgo

class Stuck(BaseAlgo):
    """Hangs in native code, and holds the interpreter's lock while it does."""
    def run(self, frames):
        self.fall_into_native_code()
    def fall_into_native_code(self):
        print("I go in, and never come back")
        ctypes.PyDLL(None).sleep(1000)

class Deaf(BaseAlgo):
    """Never gets to see the signal, as when the kernel holds a process up."""
    def init(self):
        import signal
        from agent.ipc.stacks import SIGNAL
        signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
    def run(self, frames):
        return None

class Early(BaseAlgo):
    """Has no handler for the signal, as a process that has just begun."""
    def init(self):
        import faulthandler
        from agent.ipc.stacks import SIGNAL
        faulthandler.unregister(SIGNAL)
    def run(self, frames):
        return None
'''


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("hangs", KINDS)
    honest = {"id": "facts", "kind": "probe", "streams": ["scene"], "interval": 0.2}
    stuck = {"id": "stuck", "kind": "Stuck", "streams": ["scene"], "interval": 0.2, "timeout_s": 600}
    deaf = {"id": "deaf", "kind": "Deaf", "streams": ["scene"], "interval": 0.2}
    early = {"id": "early", "kind": "Early", "streams": ["scene"], "interval": 0.2}
    agent.configure([{"id": "scene", "source": "test://scene?size=320x240"}], [honest, stuck, deaf, early])
    with agent:
        yield agent


@pytest.fixture
def watcher(agent: AgentProcess, broker: Mosquitto) -> Iterator[Watcher]:
    """A client of that agent, which is up."""
    with Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for_results(2, 20.0, algorithm="facts")
        watcher.wait_for_results(2, 20.0, algorithm="deaf")
        watcher.wait_for_results(2, 20.0, algorithm="early")
        agent.wait_for_log("never come back", 20.0)
        yield watcher


def texts(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            entry.name.removeprefix("vedette/"): file.read().decode()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }


def by_mqtt(watcher: Watcher, **args: Any) -> dict[str, str]:  # noqa: ANN401  any arguments
    """What is in a bundle that came in parts."""
    told = watcher.call("diag", {"to": "mqtt", **args}, timeout_s=30.0)
    assert told["code"] == 200, told
    facts = told["data"]
    below = facts["topic"].removeprefix(f"{watcher.prefix}/") + "/+"
    eventually(lambda: len(watcher.matching(below)) >= facts["parts"], 20.0, "all parts")
    parts = {int(part.topic.rpartition("/")[2]): part.payload for part in watcher.matching(below)}
    assert sorted(parts) == list(range(1, facts["parts"] + 1))
    data = b"".join(parts[number] for number in sorted(parts))
    assert (len(data), hashlib.sha256(data).hexdigest()) == (facts["bytes"], facts["sha256"])
    return texts(data)


def test_everything_is_in_it_also_of_processes_that_hang_or_are_stopped(
    watcher: Watcher, agent: AgentProcess
) -> None:
    agent.children("vd:scene")[0].suspend()
    found = by_mqtt(watcher)
    assert set(found) >= {
        *(f"{name}.json" for name in ("about", "agent", "config", "desired", "delivery", "disks", "fds")),
        *(f"{name}.json" for name in ("files", "kinds", "machine", "processes", "reported", "shm")),
        *(f"stacks/{name}.txt" for name in ("agent", "capture-scene", "worker-stuck-0", "worker-facts-0")),
        *(f"log/{name}.jsonl" for name in ("agent", "worker-stuck-0")),
    }
    documents = {name: json.loads(text) for name, text in found.items() if name.endswith(".json")}
    # What runs, and what it says.
    assert documents["config.json"]["device"]["id"] == agent.device
    assert documents["desired.json"]["algorithms"]["stuck"]["config"]["timeout_s"] == 600
    assert documents["reported.json"]["algorithms"]["facts"]["results"] >= 2
    running = {process["role"]: process for process in documents["processes.json"]["running"]}
    assert running["agent"]["pid"] == agent.process.pid
    assert running["worker/stuck/0"]["rss_bytes"] > 1e6
    assert documents["processes.json"]["children"]["worker/facts/0"]["phase"] == "up"
    lent = {(one["stream"], one["algorithm"]): one for one in documents["shm.json"]["segments"]}
    assert lent["scene", "facts"]["bytes"] > 320 * 240
    assert documents["fds.json"]["kinds"]["socket"] >= 4
    assert documents["disks.json"][str(agent.state)]["free_bytes"] > 0
    assert "control.db" in {file["name"] for file in documents["files.json"]}
    assert documents["machine.json"]["rlimits"]["nofile"][0] > 0
    # Stacks: of the one that hangs where it hangs, of the stopped one why there are none.
    assert "in fall_into_native_code" in found["stacks/worker-stuck-0.txt"]
    assert "in receive" in found["stacks/worker-facts-0.txt"]
    assert "stopped" in found["stacks/capture-scene.txt"]
    assert "offers none" in found["stacks/worker-early-0.txt"]
    assert "no answer in 2 s; its state is S" in found["stacks/worker-deaf-0.txt"]
    assert "vedette-delivery" in found["stacks/agent.txt"] or "in _turn" in found["stacks/agent.txt"]
    assert "run_forever" in found["stacks/agent.txt"]
    assert "in Control.handle" in found["stacks/agent.txt"]
    # The last lines of the agent, and of a child that cannot speak any more.
    lines = [json.loads(line) for line in found["log/agent.jsonl"].splitlines()]
    assert "agent.ready" in {line["event"] for line in lines}
    assert "never come back" in found["log/worker-stuck-0.jsonl"]


def test_nobody_dies_of_being_asked(watcher: Watcher, agent: AgentProcess) -> None:
    """Children that start, have started, and stopped: asked many times, none is lost."""
    before = {child.pid: child.create_time() for child in agent.children("vd:")}
    for number in range(5):
        more = {"id": f"more{number}", "kind": "probe", "streams": ["scene"], "interval": 0.2}
        assert watcher.call("algorithm.add", more)["code"] == 200
        assert watcher.call("diag", timeout_s=30.0)["code"] == 200
    since = len(watcher.messages)
    for name in ("facts", "deaf", "early", "more4"):
        watcher.wait_for_results(1, 20.0, algorithm=name, since=since)
    assert before.items() <= {child.pid: child.create_time() for child in agent.children("vd:")}.items()
    report = watcher.call("state.get")["data"]["algorithms"]
    assert {status["crashes"] + status["restarts"] for status in report.values()} == {0}


def test_five_files_are_kept_for_their_owner_alone(watcher: Watcher, agent: AgentProcess) -> None:
    told = [watcher.call("diag", {"stacks": False}, timeout_s=30.0)["data"] for _ in range(7)]
    kept = {Path(one["path"]) for one in told[2:]}
    assert set((agent.state / "diag").iterdir()) == kept
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (agent.state / "diag").stat().st_mode & 0o777 == 0o700
    data = Path(told[-1]["path"]).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (told[-1]["bytes"], told[-1]["sha256"])
    assert not [name for name in texts(data) if name.startswith("stacks/")]


def test_one_at_a_time_and_none_holds_up_a_ping(watcher: Watcher, agent: AgentProcess) -> None:
    # It takes two seconds, since one of the processes does not answer.
    asked = [watcher.command("diag", {"to": "file"}) for _ in range(3)]
    assert watcher.call("ping")["code"] == 200
    replies = eventually(
        lambda: [reply for one in asked for reply in watcher.replies(one)] if _all(watcher, asked) else [],
        30.0,
    )
    assert sorted(reply["code"] for reply in replies) == [200, 429, 429]
    assert "gathered" in next(reply["error"] for reply in replies if reply["code"] == 429)
    again = watcher.replies(asked[0])[0]
    repeated = watcher.call("diag", {"to": "file"}, id=asked[0])  # the same id: the same reply, and no other
    assert repeated == again
    assert len(list((agent.state / "diag").iterdir())) == 1


@pytest.mark.usefixtures("watcher")
def test_the_command_line_fetches_it(agent: AgentProcess, broker: Mosquitto, tmp_path: Path) -> None:
    def fetch(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent", "diag", *arguments, "--broker", broker.url]
        return subprocess.run(
            [*command, "--json"], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=50
        )

    done = fetch(agent.device, "--out", "bundle.tar.gz")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "bundle.tar.gz"
    assert json.loads(done.stdout)["bytes"] == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    assert "in fall_into_native_code" in texts(path.read_bytes())["stacks/worker-stuck-0.txt"]
    unnamed = fetch(agent.device, "--no-stacks")
    assert unnamed.returncode == 0, unnamed.stderr
    assert (tmp_path / json.loads(unnamed.stdout)["path"]).is_file()
    nowhere = fetch("nobody", "--timeout", "5")
    assert nowhere.returncode == 1
    assert "no device nobody" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr
    refused = fetch(agent.device, "--out", "no/such/folder/x.tar.gz")
    assert "cannot be written" in refused.stderr


def _all(watcher: Watcher, asked: list[str]) -> bool:
    return all(watcher.replies(one) for one in asked)


def test_a_folder_that_cannot_be_written_is_an_error_in_words(watcher: Watcher, agent: AgentProcess) -> None:
    (agent.state / "diag").write_text("in the way")
    reply = watcher.call("diag", timeout_s=30.0)
    assert reply["code"] == 500
    assert "cannot be written" in reply["error"]
    (agent.state / "diag").unlink()
    assert watcher.call("diag", timeout_s=30.0)["code"] == 200


def test_asking_costs_nothing_that_stays(watcher: Watcher, agent: AgentProcess) -> None:
    assert watcher.call("diag", timeout_s=30.0)["code"] == 200
    process = psutil.Process(agent.process.pid)
    before = process.num_fds()
    for _ in range(3):
        assert watcher.call("diag", timeout_s=30.0)["code"] == 200
    eventually(lambda: process.num_fds() <= before, 10.0, "no descriptor is left open")
