"""Foreign algorithms that raise, hang, exit, crash and return nonsense: nobody else notices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

KINDS = '''
import os, signal, sys, time
from algos import BaseAlgo

class Raises(BaseAlgo):
    """Raises at every second frame."""
    def run(self, frames):
        if frames.numbers[-1] % 2:
            raise ValueError("rtsp://viewer:pa55word@10.0.0.5/ is not to my taste")
        return {"fine": True}

class Hangs(BaseAlgo):
    """Hangs in native code, so to say."""
    def run(self, frames):
        signal.pause()

class Exits(BaseAlgo):
    """Takes its leave."""
    def run(self, frames):
        sys.exit(3)

class Crashes(BaseAlgo):
    """Dies of a segmentation fault."""
    def run(self, frames):
        os.kill(os.getpid(), signal.SIGSEGV)

class Unpackable(BaseAlgo):
    """Returns what nobody can send."""
    def run(self, frames):
        return {"answer": [1, object()]}

class FailsToStart(BaseAlgo):
    """Has no model to load."""
    def init(self):
        raise FileNotFoundError("model.onnx")
    def run(self, frames):
        return None

class Grabs(BaseAlgo):
    """Leaves a process behind when it is killed."""
    def run(self, frames):
        import subprocess
        subprocess.Popen(["sleep", "1000"])
        signal.pause()

class Scribbles(BaseAlgo):
    """Tries to write into what it may only read."""
    def run(self, frames):
        frames[-1][:] = 0
'''


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent whose folder is full of rogues, and one honest algorithm."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("rogues", KINDS)
    yield agent
    if agent.started:
        agent.kill()


def _configure(agent: AgentProcess, *kinds: str) -> None:
    rogues = [
        {"id": kind.lower(), "kind": kind, "streams": ["scene"], "interval": 0.2, "timeout_s": 1.0}
        for kind in kinds
    ]
    honest = {"id": "honest", "kind": "probe", "streams": ["scene"], "interval": 0.2}
    agent.configure([{"id": "scene", "source": "test://scene?size=320x240"}], [honest, *rogues])


def _status(watcher: Watcher, algorithm: str) -> dict[str, Any]:
    report = watcher.latest("d/+/reported") or {}
    status: dict[str, Any] = report.get("algorithms", {}).get(algorithm, {})
    return status


@pytest.mark.parametrize(
    ("kind", "counter", "words"),
    [
        ("Raises", "failures", "ValueError"),
        ("Hangs", "timeouts", "timeout_s = 1 s"),
        ("Exits", "crashes", "exit code 3"),
        ("Crashes", "crashes", "SIGSEGV"),
        ("Unpackable", "unpackable", "answer[1]"),
        ("FailsToStart", "restarts", "model.onnx"),
        ("Scribbles", "failures", "read-only"),
    ],
)
def test_rogue_is_counted_and_reported_and_nobody_else_notices(
    agent: AgentProcess, broker: Mosquitto, kind: str, counter: str, words: str
) -> None:
    _configure(agent, kind)
    rogue = kind.lower()
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: _status(watcher, rogue).get(counter, 0) >= 1, 30.0, f"{counter} of {kind}")
        assert words in _status(watcher, rogue)["error"]
        before = len(watcher.messages)
        watcher.wait_for_results(10, 30.0, stream="scene", algorithm="honest", since=before)
        honest = watcher.results("scene", "honest")
        assert _status(watcher, "honest")["restarts"] == 0
        if kind == "Raises":
            traceback = _status(watcher, rogue)["traceback"]
            assert "in run" in traceback
            assert "rogues.py" in traceback
            assert watcher.results("scene", rogue)  # the runs that do not raise give results
    seqs = [result["seq"] for result in watcher.results()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert sum(result["skipped"] for result in honest[1:]) <= 0.2 * len(honest)  # of a busy machine's making
    assert "pa55word" not in agent.log()
    assert all(b"pa55word" not in message.payload for message in watcher.messages)


def test_five_failed_starts_break_an_algorithm_until_it_is_restarted(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    _configure(agent, "FailsToStart")
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: _status(watcher, "failstostart").get("state") == "broken", 60.0, "it is broken")
        assert _status(watcher, "failstostart")["restarts"] == 4
        assert "FileNotFoundError: model.onnx" in _status(watcher, "failstostart")["error"]
        agent.add_kind("rogues", KINDS.replace('raise FileNotFoundError("model.onnx")', "pass"))
        before = len(watcher.messages)
        assert watcher.call("algorithm.restart", {"id": "failstostart"})["code"] == 200
        watcher.wait_for_results(1, 20.0, stream="scene", algorithm="failstostart", since=before)
        eventually(lambda: _status(watcher, "failstostart")["state"] == "running", 10.0, "it runs")


def test_killed_worker_takes_its_own_children_along(agent: AgentProcess, broker: Mosquitto) -> None:
    _configure(agent, "Grabs")
    with Watcher(broker.url, agent.device) as watcher, agent:
        sleeper = eventually(lambda: agent.children("sleep"), 30.0, "it has started something")[0]
        eventually(lambda: _status(watcher, "grabs").get("timeouts"), 30.0, "it was killed")
        eventually(lambda: not sleeper.is_running(), 10.0, "and what it started, too")
        agent.terminate()


def test_stuck_capture_process_is_replaced(agent: AgentProcess, broker: Mosquitto) -> None:
    _configure(agent)
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(2, 20.0)
        stuck = agent.children("vd:scene")[0]
        stuck.suspend()
        eventually(lambda: not stuck.is_running(), 30.0, "the stuck process is killed")
        before = len(watcher.messages)
        watcher.wait_for_results(3, 20.0, since=before)
        report = watcher.latest("d/+/s/scene/status")
        counts = report["frames"]
        assert counts["received"] == sum(value for key, value in counts.items() if key != "received")


def test_files_that_give_no_kind_are_named_and_do_no_harm(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.add_kind("typo", "def broken(:\n")
    agent.add_kind("exits", "import os\nos._exit(7)\n")
    agent.add_kind("empty", "x = 1\n")
    _configure(agent)
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(2, 30.0)
        reply = watcher.call("algorithm.add", {"id": "x", "kind": "Typo", "streams": ["*"]})
        assert reply["code"] == 404
        for words in ("typo.py", "SyntaxError", "exits.py", "exit code 7", "empty.py"):
            assert words in reply["error"], reply["error"]


def test_stream_infer_class_runs_unchanged(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.add_kind(
        "moved",
        """
from stream_infer.algo import BaseAlgo

class HeadDetectionAlgo(BaseAlgo):
    def init(self):
        self.kept = []

    def run(self, frames):
        frames[-1][:4] = 0
        self.kept.append(frames[-1])
        return self.name, len(frames), frames[0].shape, int(self.kept[0][:4].max())
""",
    )
    honest = {"id": "heads", "kind": "HeadDetectionAlgo", "frame_count": 2, "frame_step": 0, "interval": 0.2}
    agent.configure([{"id": "scene", "source": "test://scene?size=320x240"}], [honest])
    with Watcher(broker.url, agent.device) as watcher, agent:
        results = watcher.wait_for_results(5, 20.0)
    assert [result["data"] for result in results] == [["heads", 2, [240, 320, 3], 0]] * 5
