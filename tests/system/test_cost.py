"""What streams and algorithms cost, and what the device does not take on."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.video import encode
from tests.waiting import eventually
from tests.watcher import Watcher

WATCHED_S = 4.0

SLOW = '''
import time
from algos import BaseAlgo

class Slow(BaseAlgo):
    """Takes 0.15 s of CPU for each frame, and has one process for all streams."""
    def run(self, frames):
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            pass
        return {"frame": frames.numbers[-1]}
'''


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("slow", SLOW)
    encode(agent.media / "clip.mp4", frames=250, gop=50)
    yield agent
    if agent.started:
        agent.kill()


def _stream(agent: AgentProcess, name: str) -> dict[str, Any]:
    return {"id": name, "source": str(agent.media / "clip.mp4"), "loop": True}


def _vedette(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_user_sees_what_each_stream_and_algorithm_costs(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure(
        streams=[_stream(agent, "clip")],
        algorithms=[
            {"id": "each", "kind": "probe", "interval": 2.0},
            {"id": "slow", "kind": "Slow", "interval": 2.0},
        ],
    )
    with agent, Watcher(broker.url, agent.device) as watcher:

        def measured() -> dict[str, Any] | None:
            state = watcher.call("state.get")["data"]
            stream, slow = state["streams"]["clip"], state["algorithms"]["slow"]
            known = stream.get("cpu") is not None and slow.get("cpu") and stream.get("key_interval_s")
            return dict(state) if known and stream["decoded"] >= 3 else None

        state = eventually(measured, 30.0, "costs are measured")
        assert state is not None
        stream, slow = state["streams"]["clip"], state["algorithms"]["slow"]
        each = state["algorithms"]["each"]
        frames = stream["frames"]
        assert frames["received"] == sum(count for name, count in frames.items() if name != "received")
        # A key frame every 2 s, a run every 2 s: hardly more is decoded than is asked for.
        assert stream["key_interval_s"] == pytest.approx(2.0)
        assert stream["decoded"] < 0.5 * frames["received"]
        assert 0 < stream["decode_ms"] < 100
        assert slow["run_cpu_ms"] >= 150 > each["run_cpu_ms"]
        done = _vedette("watch", agent.device, "--cost", "--json", "-n", "1", "--broker", broker.url)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["streams"]["clip"]["decoded"] > 0
        assert document["algorithms"]["slow"]["run_cpu_ms"] >= 150
        assert document["cores"] > 0
        lines = _vedette("watch", agent.device, "--cost", "-n", "1", "--broker", broker.url).stdout
        assert "stream clip:" in lines
        assert "algorithm slow:" in lines


def _add(watcher: Watcher, name: str) -> dict[str, Any]:
    algorithm = {"id": name, "kind": "Slow", "interval": 0.0}
    return dict(watcher.call("algorithm.add", algorithm))


@pytest.mark.parametrize("admission", ["warn", "strict", "off"])
def test_what_the_processor_cannot_carry_is_said_or_refused(
    agent: AgentProcess, broker: Mosquitto, admission: str
) -> None:
    agent.configure(
        streams=[_stream(agent, "clip")],
        algorithms=[{"id": "slow", "kind": "Slow", "interval": 1.0}],
        limits={"admission": admission, "cores": 0.5},
    )
    with agent, Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for_results(1, timeout_s=20.0)
        small = {"id": "small", "kind": "probe", "interval": 60.0}
        assert watcher.call("algorithm.add", small)["data"]["warnings"] == []
        reply = _add(watcher, "more")  # 25 runs a second of 0.15 s: nearly four cores
        listed = watcher.call("state.get")["data"]["algorithms"]
        if admission == "strict":
            assert (reply["code"], "more" in listed) == (409, False)
            assert "the processor cannot carry it: it needs about 3." in reply["error"]
            assert "of 0.5 are free" in reply["error"]
        else:
            assert (reply["code"], "more" in listed) == (200, True)
            warnings = reply["data"]["warnings"]
            assert len(warnings) == (1 if admission == "warn" else 0)
            assert all(one.startswith("needs about 3.") for one in warnings)


def test_check_load_runs_it_all_and_says_whether_it_fits(agent: AgentProcess) -> None:
    streams = [_stream(agent, "clip")]
    algorithms = [{"id": "slow", "kind": "Slow", "interval": 1.0}]
    for cores, fits in ((2.0, True), (0.05, False)):
        agent.configure(streams=streams, algorithms=algorithms, limits={"cores": cores})
        done = _vedette("check", "--load", "--seconds", "3", "--json", "--config", str(agent.config))
        findings = [one for one in json.loads(done.stdout)["findings"] if one["section"] == "load"]
        assert [one["subject"] for one in findings] == ["clip", "slow", ""]
        assert "decoded" in findings[0]["text"]
        assert "ms CPU each" in findings[1]["text"]
        assert f"of {cores:.2g} cores" in findings[2]["text"]
        assert (findings[2]["verdict"] != "wrong") == fits


def test_overload_is_the_algorithms_and_every_stream_gets_its_turn(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    names = [f"c{number}" for number in range(10)]
    agent.configure(
        streams=[_stream(agent, name) for name in names],
        algorithms=[{"id": "slow", "kind": "Slow", "interval": 0.2}],
    )
    with agent, Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for_results(60, timeout_s=60.0)
        state = watcher.call("state.get")["data"]
        results = watcher.results()
        turns = Counter(result["stream"] for result in results[20:])
        assert turns.keys() == set(names)
        assert max(turns.values()) - min(turns.values()) <= 3, turns
        frames = [stream["frames"] for stream in state["streams"].values()]
        for one in frames:
            assert one["received"] == sum(count for name, count in one.items() if name != "received")
        assert sum(one["skipped_busy"] for one in frames) > sum(one["wanted"] for one in frames)
        assert sum(result["skipped"] for result in results) > len(results)
        # Nobody decodes for a worker that is busy: at most the way from a key frame for each run.
        decoded = sum(stream["decoded"] for stream in state["streams"].values())
        assert decoded < 0.75 * sum(one["received"] for one in frames)
        # Recovery is at once: less to do, and results are fresh again.
        for name in names[1:]:
            assert watcher.call("stream.pause", {"id": name})["code"] == 200
        seen = len(watcher.results())
        eventually(
            lambda: any(one["stream"] == "c0" and one["skipped"] == 0 for one in watcher.results()[seen:]),
            15.0,
            "c0 keeps up",
        )


def test_an_agent_with_nothing_to_do_sleeps(agent: AgentProcess, broker: Mosquitto) -> None:
    """No thread wakes more than about once a second, except for what comes from outside."""
    agent.configure(streams=[{"id": "scene", "source": "test://scene", "paused": True}])
    with agent, Watcher(broker.url, agent.device) as watcher:
        agent.wait_for_log("agent.ready")
        watcher.call("ping")
        family = [psutil.Process(agent.process.pid), *agent.children()]
        began = {process.pid: _wakes(process) for process in family}
        agent_itself = family[0]

        def slept_for_a_while() -> bool:
            return time.monotonic() - began_s > WATCHED_S

        began_s = time.monotonic()
        eventually(slept_for_a_while, 2 * WATCHED_S, "it was watched for a while")
        took_s = time.monotonic() - began_s
        # The tick and the delivery thread: once a second each.
        assert (_wakes(agent_itself) - began[agent_itself.pid]) / took_s < 4
        for process in family[1:]:
            assert (_wakes(process) - began[process.pid]) / took_s < 1.5, process.name()


def _wakes(process: psutil.Process) -> int:
    return sum(
        int(line.split()[1])
        for task in Path(f"/proc/{process.pid}/task").iterdir()
        for line in (task / "status").read_text("utf-8").splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )
