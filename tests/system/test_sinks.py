"""The whole agent with sinks: who gets what, the guide's own, and what is wrong with a configuration."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.receiver import Receiver
from tests.system.agent_process import AgentProcess
from tests.system.sink_parts import FACTS, ROOT, SCENE, packages, results_in
from tests.waiting import eventually
from tests.watcher import Watcher


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url, environment={"PYTHONPATH": f"{ROOT}:{packages(tmp_path)}"})
    yield agent
    if agent.started:
        agent.kill()


def test_every_result_gets_everywhere_once_in_order(agent: AgentProcess, broker: Mosquitto) -> None:
    out = agent.folder / "out"
    with Receiver() as receiver, Watcher(broker.url, agent.device) as watcher:
        agent.configure(
            [SCENE, SCENE | {"id": "other"}],
            [FACTS],
            sinks=[
                {"id": "hook", "kind": "webhook", "params": {"url": receiver.url}},
                {"id": "disk", "kind": "file", "params": {"folder": str(out)}},
                {"id": "some", "kind": "file", "streams": ["other"], "params": {"folder": f"{out}-some"}},
            ],
        )
        with agent:
            watcher.wait_for_results(60, 40.0)
            report = watcher.latest("d/+/reported")
            assert set(report["sinks"]) == {"hook", "disk", "some"}
            assert agent.terminate() == 0
        seqs = [result["seq"] for result in watcher.results()]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [result["seq"] for result in receiver.taken] == seqs
        assert [seq for _, seq in results_in(out / "results.jsonl")] == seqs
        others = [result["seq"] for result in watcher.results("other")]
        assert [seq for _, seq in results_in(agent.folder / "out-some" / "results.jsonl")] == others
        packed = {result["seq"]: result for result in watcher.results()}
        for result in receiver.taken:
            result.pop("replay", None)  # the first ones may have waited for the sink to start
            assert packed[result["seq"]] == result


def test_sink_of_the_guide_runs(agent: AgentProcess, broker: Mosquitto) -> None:
    tally = agent.folder / "tally.txt"
    agent.configure([SCENE], [FACTS], sinks=[{"id": "mine", "kind": "tally", "params": {"path": str(tally)}}])
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(5, 30.0)
        eventually(lambda: tally.exists() and len(tally.read_text("utf-8").splitlines()) >= 5, 20.0)
    assert tally.read_text("utf-8").startswith("1 scene {")


def test_check_says_what_is_wrong_with_sinks_and_sends_nothing(agent: AgentProcess) -> None:
    with Receiver() as receiver:
        agent.configure(
            [SCENE],
            [FACTS],
            sinks=[
                {"id": "fine", "kind": "webhook", "params": {"url": receiver.url}},
                {"id": "typo", "kind": "webhok"},
                {"id": "keys", "kind": "file", "params": {"foldr": "x"}},
                {"id": "secret", "kind": "file", "params": {"folder": "{secret:nowhere}"}},
                {"id": "yard", "kind": "file", "streams": ["yard"], "params": {"folder": "x"}},
            ],
        )
        checked = subprocess.run(
            [sys.executable, "-m", "agent", "check", "--json", "--config", str(agent.config)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert receiver.requests == []
    said = {
        (one["subject"], one["verdict"]): one["text"]
        for one in json.loads(checked.stdout)["findings"]
        if one["section"] == "sink"
    }
    assert said == {
        ("fine", "right"): "webhook, lazy",
        ("typo", "wrong"): "no sink kind 'webhok'; did you mean 'webhook'?",
        ("keys", "wrong"): "params.folder: is missing; params.foldr: unknown key; did you mean `folder`?",
        ("secret", "wrong"): said["secret", "wrong"],
        ("yard", "doubtful"): "streams: yard is not in the configuration",
        ("yard", "right"): "file, lazy",
    }
    assert "secret 'nowhere' is not there" in said["secret", "wrong"]


def test_configuration_names_every_problem_of_a_sink(agent: AgentProcess) -> None:
    agent.configure(
        [SCENE],
        [FACTS],
        sinks=[
            {"id": "a", "kind": "file", "batch_maxx": 1},
            {"id": "b", "kind": "file", "timeout_s": 0},
            {"id": "b", "kind": "file"},
        ],
    )
    with agent:
        assert agent.process.wait(20.0) == 78
    for words in (
        "sinks[0] (a).batch_maxx: unknown key; did you mean `batch_max`?",
        "sinks[1] (b).timeout_s: must be more than 0",
        "sinks: the id 'b' is there 2 times",
    ):
        assert words in agent.log(), agent.log()
