"""What a foreign algorithm may take: time, memory and new starts; and the window that it died of."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

MOST = 192 << 20

KINDS = """
import os, signal, subprocess, sys
import numpy as np
from algos import BaseAlgo

class Leaks(BaseAlgo):
    '''Forgets 20 MB at each run.'''
    def init(self):
        self.kept = []
    def run(self, frames):
        self.kept.append(np.ones(20 << 20, dtype=np.uint8))
        return len(self.kept)

class LeaksElsewhere(BaseAlgo):
    '''Has a process of its own that takes 400 MB.'''
    def init(self):
        code = "held = bytearray(400 << 20); input()"
        self.other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    def run(self, frames):
        return "fine"

class Grasps(BaseAlgo):
    '''Asks for far too much at once, once.'''
    def run(self, frames):
        if not hasattr(self, "asked"):
            self.asked = True
            np.ones(2 << 30, dtype=np.uint8)
        return "fine"

class SecondRun(BaseAlgo):
    '''Does its work once in each life.'''
    def init(self):
        self.runs = 0
    def run(self, frames):
        self.runs += 1
        if self.runs > 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        return "fine"

class Hates(BaseAlgo):
    '''Dies of windows of which it dislikes the first number.'''
    class Params(BaseAlgo.Params):
        limit: int = 20
    def run(self, frames):
        if frames.numbers[0] > self.params.limit:
            os.kill(os.getpid(), signal.SIGSEGV)
        return list(frames.numbers)
"""


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent with algorithms that take too much, and an honest one."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("greedy", KINDS)
    yield agent
    if agent.started:
        agent.kill()


def _configure(agent: AgentProcess, kind: str, **more: Any) -> None:  # noqa: ANN401  any setting
    greedy = {"id": "greedy", "kind": kind, "streams": ["scene"], "interval": 0.2, **more}
    honest = {"id": "honest", "kind": "probe", "streams": ["scene"], "interval": 0.2}
    agent.configure(
        streams=[{"id": "scene", "source": "test://scene?size=160x120&fps=25&seed=1"}],
        algorithms=[greedy, honest],
    )


def _status(watcher: Watcher, algorithm: str = "greedy") -> dict[str, Any]:
    report = watcher.latest("d/+/reported") or {}
    status: dict[str, Any] = report.get("algorithms", {}).get(algorithm, {})
    return status


def _replay(agent: AgentProcess, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "replay", str(file), "--config", str(agent.config), *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=30.0,
    )


@pytest.mark.parametrize("kind", ["Leaks", "LeaksElsewhere"])
def test_a_worker_beyond_its_memory_is_killed_and_replaced(
    agent: AgentProcess, broker: Mosquitto, kind: str
) -> None:
    _configure(agent, kind, memory_max=MOST)
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: _status(watcher).get("memory_kills", 0) >= 1, 30.0, "it was killed")
        status = _status(watcher)
        assert "memory_max is 201 MB" in status["error"]
        assert status["crashes"] == 0
        before = len(watcher.messages)
        watcher.wait_for_results(1, 30.0, stream="scene", algorithm="greedy", since=before)
        assert _status(watcher, "honest")["restarts"] == 0


def test_too_much_at_once_is_refused_and_costs_one_run(agent: AgentProcess, broker: Mosquitto) -> None:
    _configure(agent, "Grasps", memory_max=MOST)
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(2, 30.0, stream="scene", algorithm="greedy")
        eventually(lambda: _status(watcher)["failures"], 10.0, "it failed once")
        status = _status(watcher)
        assert "MemoryError" in status["error"]
        assert (status["failures"], status["restarts"], status["memory_kills"]) == (1, 0, 0)


def test_a_worker_that_ends_too_often_is_left_alone_until_it_is_restarted(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    _configure(agent, "SecondRun", restarts_per_hour=2)
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: _status(watcher).get("state") == "broken", 30.0, "its budget is used up")
        assert (_status(watcher)["crashes"], _status(watcher)["restarts"]) == (2, 1)
        before = len(watcher.messages)
        assert watcher.call("algorithm.restart", {"id": "greedy"})["code"] == 200
        watcher.wait_for_results(1, 20.0, stream="scene", algorithm="greedy", since=before)


def test_the_window_that_a_worker_died_of_is_kept_and_can_be_run_again(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    _configure(
        agent, "Hates", on_crash="keep", frame_count=3, frame_step=2, params={"limit": 5}, size=[64, 48]
    )
    folder = agent.state / "crashes" / "greedy"
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: _status(watcher).get("kept", 0) >= 1, 30.0, "a window was kept")
        agent.terminate()
    kept = sorted(folder.iterdir())
    assert kept
    assert {path.suffix for path in kept} == {".npz"}  # nothing half written
    assert oct(kept[0].stat().st_mode & 0o777) == "0o600"
    with np.load(kept[0], allow_pickle=False) as archive:
        frames, facts = archive["frames"], json.loads(str(archive["facts"]))
    assert frames.shape == (3, 48, 64, 3)
    assert (frames[0] != frames[2]).any()
    assert facts["numbers"][0] > 5
    assert np.diff(facts["numbers"]).tolist() == [2, 2]
    assert "SIGSEGV" in facts["reason"]
    again = _replay(agent, kept[0])
    assert again.returncode == -11, again.stderr
    assert "kept because: the worker killed by SIGSEGV" in again.stdout
    assert "greedy (Hates) on 3 frames of 64x48" in again.stdout
    mended = KINDS.replace("frames.numbers[0] > self.params.limit", "frames.numbers[0] < self.params.limit")
    agent.add_kind("greedy", mended)
    done = _replay(agent, kept[0], "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, facts["numbers"])
