"""The whole agent with sinks: dead ones, killed ones, and an agent that is killed itself."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto
from tests.foreign_sinks import ORDERED, install
from tests.receiver import Answer, Receiver
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

ROOT = Path(__file__).parents[2]
SCENE: dict[str, Any] = {"id": "scene", "source": "test://scene?size=320x240"}
FACTS: dict[str, Any] = {"id": "facts", "kind": "probe", "streams": ["*"], "interval": 0.1}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder on the agent's path with the package of a foreign sink, and that of the guide."""
    folder = install(tmp_path / "site", "ordered", ORDERED, {"ordered": "ordered:Ordered"})
    guide = (ROOT / "docs" / "sinks.md").read_text("utf-8")
    (source,) = re.findall(r"^```python\n(# tally\.py\n.*?)^```", guide, re.MULTILINE | re.DOTALL)
    (point,) = re.findall(r'^\[project.entry-points."vedette.sinks"\]\ntally = "(.*)"$', guide, re.MULTILINE)
    return install(folder, "tally", source, {"tally": point})


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto, packages: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url, environment={"PYTHONPATH": f"{ROOT}:{packages}"})
    yield agent
    if agent.started:
        agent.kill()


def _sinks(watcher: Watcher) -> dict[str, dict[str, Any]]:
    report = watcher.latest("d/+/reported") or {}
    sinks: dict[str, dict[str, Any]] = report.get("sinks", {})
    return sinks


def _file(path: Path) -> list[tuple[int, int]]:
    """Epoch and seq of each result in a file of JSON Lines."""
    if not path.exists():
        return []
    whole = path.read_text("utf-8").rpartition("\n")[0]
    return [(line["epoch"], line["seq"]) for line in map(json.loads, whole.splitlines())]


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
        assert [seq for _, seq in _file(out / "results.jsonl")] == seqs
        others = [result["seq"] for result in watcher.results("other")]
        assert [seq for _, seq in _file(agent.folder / "out-some" / "results.jsonl")] == others
        packed = {result["seq"]: result for result in watcher.results()}
        assert all(packed[result["seq"]] == result for result in receiver.taken)


def test_dead_sinks_slow_nothing_else(agent: AgentProcess, broker: Mosquitto) -> None:
    """Six sinks that are dead in six ways; results to the broker and to a seventh go on."""
    with Receiver(lambda _: Answer(hang=True)) as tarpit, Watcher(broker.url, agent.device) as watcher:
        dead: list[dict[str, Any]] = [
            {"id": "tarpit", "kind": "webhook", "params": {"url": tarpit.url, "read_timeout_s": 300.0}},
            {"id": "nobody", "kind": "webhook", "params": {"url": "http://127.0.0.1:9/"}},
            {"id": "full", "kind": "file", "params": {"folder": "/dev/full"}},
            {"id": "typo", "kind": "webhok"},
        ]
        for name in ("hang", "exit"):
            (agent.folder / name).mkdir()
            (agent.folder / name / "order").write_text(name, encoding="utf-8")
            dead.append({"id": name, "kind": "ordered", "params": {"folder": str(agent.folder / name)}})
        for sink in dead:
            sink |= {"timeout_s": 1.0, "batch_wait_s": 0.0}
        out = agent.folder / "out"
        honest = {"id": "disk", "kind": "file", "params": {"folder": str(out)}}
        agent.configure([SCENE], [FACTS], sinks=[*dead, honest])
        with agent:
            eventually(
                lambda: (
                    len(_sinks(watcher)) == 7
                    and all(
                        sink["failures"] >= 2 or sink["id"] == "disk" for sink in _sinks(watcher).values()
                    )
                ),
                40.0,
                "every dead sink has failed twice",
            )
            before = len(watcher.messages)
            watcher.wait_for_results(50, 20.0, since=before)
            sinks = _sinks(watcher)
            status = watcher.latest("d/+/reported")["algorithms"]["facts"]
            assert status["restarts"] == 0
            assert sinks["typo"]["state"] == "refused"
            assert {sinks[name]["state"] for name in ("tarpit", "nobody", "full", "hang", "exit")} == {
                "retrying"
            }
            assert all(sink["delivered"] == 0 for name, sink in sinks.items() if name != "disk")
            assert all(sink["waiting"] == sink["accepted"] for name, sink in sinks.items() if name != "disk")
            assert sinks["disk"]["failures"] == 0
            assert agent.terminate() == 0
        results = watcher.results()
        seqs = [result["seq"] for result in results]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [seq for _, seq in _file(out / "results.jsonl")] == seqs
        # Of a busy machine's making, as in a run without sinks; a sink that held up anything would skip all.
        assert sum(result["skipped"] for result in results[1:]) <= 0.2 * len(results)


def test_strict_sink_has_every_result_after_kills_of_the_agent_and_the_sink(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    """Complete by (epoch, seq), but for what was under way when the agent was killed and never accepted."""
    out = agent.folder / "out"
    sink = {
        "id": "disk",
        "kind": "file",
        "durability": "strict",
        "batch_wait_s": 0.3,
        "params": {"folder": str(out), "rotate_bytes": 20_000, "keep": 1000},
    }
    agent.configure([SCENE], [FACTS | {"interval": 0.04}], delivery={"durability": "strict"}, sinks=[sink])
    with Watcher(broker.url, agent.device) as watcher:
        agent.start()
        for _ in range(3):
            before = len(watcher.messages)
            watcher.wait_for_results(30, 30.0, since=before)
            agent.children("vd:disk")[0].kill()
            before = len(watcher.messages)
            watcher.wait_for_results(20, 30.0, since=before)
            agent.kill()
            agent.start()
        before = len(watcher.messages)
        watcher.wait_for_results(10, 30.0, since=before)
        assert agent.terminate() == 0
        published = {(result["epoch"], result["seq"]) for result in watcher.results()}
    found = [pair for path in sorted(out.iterdir()) for pair in _file(path)]
    # Each of the two paths may have missed the very last results of a killed epoch, which neither had
    # written yet; between the first and the last there is no hole.
    for epoch in range(1, 5):
        seqs = {seq for number, seq in found if number == epoch}
        assert seqs == set(range(1, max(seqs) + 1))
        assert max(seqs) >= max(seq for number, seq in published if number == epoch) - 3


def test_sink_of_the_guide_runs(agent: AgentProcess, broker: Mosquitto) -> None:
    tally = agent.folder / "tally.txt"
    agent.configure([SCENE], [FACTS], sinks=[{"id": "mine", "kind": "tally", "params": {"path": str(tally)}}])
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(5, 30.0)
        eventually(lambda: tally.exists() and len(tally.read_text("utf-8").splitlines()) >= 5, 20.0)
    assert tally.read_text("utf-8").startswith("1 scene {")


def test_no_secret_of_a_sink_is_told(agent: AgentProcess, broker: Mosquitto) -> None:
    """In an address that refuses, in a header, in what the server says, in what foreign code raises."""
    secrets = {"hook": "pa55word/%+", "token": "t0ken-t0ken", "folder": "hunter2-secret"}
    folder = agent.folder / "secrets"
    folder.mkdir()
    for name, value in secrets.items():
        (folder / name).write_text(value, encoding="utf-8")
    shut = agent.folder / secrets["folder"]
    shut.mkdir()
    (shut / "order").write_text("shut", encoding="utf-8")
    echo = Answer(status=500, body=b"no place for t0ken-t0ken here")
    with Receiver(lambda _: echo) as receiver, Watcher(broker.url, agent.device) as watcher:
        url = f"http://jo:{{secret:hook}}@127.0.0.1:{receiver.port}/?key={{secret:hook}}"
        agent.configure(
            [SCENE],
            [FACTS],
            paths={"secrets": str(folder)},
            health={"listen": ""},
            sinks=[
                {
                    "id": "hook",
                    "kind": "webhook",
                    "params": {
                        "url": url,
                        "secret": "{secret:token}",
                        "headers": {"Authorization": "Bearer {secret:token}"},
                    },
                },
                {
                    "id": "mine",
                    "kind": "ordered",
                    "params": {"folder": f"{agent.folder}/{{secret:folder}}"},
                },
                {"id": "none", "kind": "file", "params": {"folder": "{secret:nowhere}"}},
            ],
        )
        with agent:
            eventually(
                lambda: (
                    len(_sinks(watcher)) == 3
                    and all(
                        sink["failures"] >= 2 or sink["id"] == "none" for sink in _sinks(watcher).values()
                    )
                ),
                40.0,
            )
            sinks = _sinks(watcher)
            assert "no place for *** here" in sinks["hook"]["error"]
            assert sinks["mine"]["error"] == "ConnectionError: password *** is not to my taste"
            assert "secret 'nowhere' is not there" in sinks["none"]["error"]
            watcher.call("config.get")
            titles = [" ".join(process.cmdline()) for process in agent.children()]
            assert agent.terminate() == 0
        (request, *_) = receiver.requests
        assert request.headers["authorization"] == "Bearer t0ken-t0ken"
        told = [
            agent.log(),
            *titles,
            *(message.payload.decode("utf-8", "replace") for message in watcher.messages),
        ]
        for value in ("pa55word", "t0ken-t0ken", "hunter2-secret"):
            assert not [text for text in told if value in text]


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
