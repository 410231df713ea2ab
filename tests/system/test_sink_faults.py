"""The whole agent with sinks that are dead, and secrets in them: nothing else notices, nothing is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto
from tests.receiver import Answer, Receiver
from tests.system.agent_process import AgentProcess
from tests.system.sink_parts import FACTS, ROOT, SCENE, packages, results_in, sinks_of
from tests.waiting import eventually
from tests.watcher import Watcher


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url, environment={"PYTHONPATH": f"{ROOT}:{packages(tmp_path)}"})
    yield agent
    if agent.started:
        agent.kill()


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
                    len(sinks_of(watcher)) == 7
                    and all(
                        sink["failures"] >= 2 or sink["id"] == "disk" for sink in sinks_of(watcher).values()
                    )
                ),
                40.0,
                "every dead sink has failed twice",
            )
            before = len(watcher.messages)
            watcher.wait_for_results(50, 20.0, since=before)
            sinks = sinks_of(watcher)
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
        assert [seq for _, seq in results_in(out / "results.jsonl")] == seqs
        # Of a busy machine's making, as in a run without sinks; a sink that held up anything would skip all.
        assert sum(result["skipped"] for result in results[1:]) <= 0.2 * len(results)


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
                    len(sinks_of(watcher)) == 3
                    and all(
                        sink["failures"] >= 2 or sink["id"] == "none" for sink in sinks_of(watcher).values()
                    )
                ),
                40.0,
            )
            sinks = sinks_of(watcher)
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
