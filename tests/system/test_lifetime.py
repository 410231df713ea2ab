"""Starts, ends, and what comes between: signals, brokers that come and go, kills, reloads."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto, free_port
from tests.system.agent_process import STOP_LIMIT_S, AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE: dict[str, Any] = {"id": "scene", "source": "test://scene?size=320x240"}
FACTS: dict[str, Any] = {"id": "facts", "kind": "probe", "streams": ["*"], "interval": 0.2}


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent with a scene and an algorithm; the test starts it."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure([SCENE], [FACTS])
    yield agent
    if agent.started:
        agent.kill()


def _state(watcher: Watcher) -> str | None:
    status = watcher.latest("d/+/status")
    return status["state"] if status else None


@pytest.mark.parametrize("moment", ["at once", "starting", "ready", "running"])
def test_sigterm_at_any_time_ends_it_in_good_order(
    agent: AgentProcess, broker: Mosquitto, moment: str
) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        if moment == "starting":
            agent.wait_for_log("broker.connected")
        elif moment == "ready":
            agent.wait_for_log("agent.ready")
        elif moment == "running":
            watcher.wait_for_results(5, 20.0)
        code = agent.process.poll()
        assert code is None
        agent.process.terminate()
        code = agent.process.wait(STOP_LIMIT_S)
        if moment == "at once":
            assert code in (0, -signal.SIGTERM)  # before Python has set up its handlers
            return
        assert code == 0
        eventually(lambda: _state(watcher) == "offline", what="the retained status says offline")
        assert "Traceback" not in agent.log()


def test_status_after_a_kill_is_lost_and_then_online_again(agent: AgentProcess, broker: Mosquitto) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(1, 20.0)
        assert _state(watcher) == "online"
        agent.kill()
        before = len(watcher.messages)
        agent.start()
        watcher.wait_for_results(1, 20.0, since=before)
        eventually(lambda: (watcher.latest("d/+/status") or {}).get("epoch") == 2, what="the second epoch")
        assert _state(watcher) == "online"


def test_broker_absent_at_start_and_restarted_later_loses_no_result(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    broker.stop()
    with agent:
        agent.wait_for_log("agent.ready")
        agent.wait_for_log("broker.waiting")
        broker.start()
        with Watcher(broker.url, agent.device) as watcher:
            first = watcher.wait_for_results(10, 40.0)
            # Not a kill: mosquitto forgets what it has just acknowledged, and nobody else could know.
            broker.stop()
            agent.wait_for_log("broker.waiting.*\n(.*\n)*.*broker.connected(.*\n)*.*broker.waiting")
            broker.start()
            watcher.wait_connected(30.0)
            before = len(watcher.messages)
            watcher.wait_for_results(20, 60.0, since=before)

            def complete() -> bool:
                seqs = {result["seq"] for result in watcher.results()}
                # What went out before the watcher first subscribed is not its to hear.
                return set(range(first[0]["seq"], max(seqs) + 1)) <= seqs

            # New results overtake those that waited, which come one after the other.
            eventually(complete, 30.0, "what waited has come, too")
            replayed = [m for m in watcher.messages if ("replay", "1") in m.user_properties]
            assert replayed, "late results say that they are late"


def test_status_of_a_stream_that_went_while_the_agent_was_away_is_cleared(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    agent.configure([SCENE, SCENE | {"id": "old"}], [FACTS])
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: (watcher.latest("d/+/s/old/status") or {}).get("state") == "running", 20.0)
        agent.kill()
        agent.configure([SCENE], [FACTS])
        agent.start()
        eventually(lambda: watcher.latest("d/+/s/old/status") is None, 20.0, "the retained status is cleared")
        eventually(lambda: (watcher.latest("d/+/s/scene/status") or {}).get("state") == "running", 20.0)


def test_sighup_changes_only_what_differs(agent: AgentProcess, broker: Mosquitto) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(3, 20.0)
        camera = agent.children("vd:scene")[0].pid
        worker = agent.children("vd:facts")[0].pid
        agent.configure([SCENE, SCENE | {"id": "second"}], [FACTS])
        agent.signal(signal.SIGHUP)
        watcher.wait_for_results(3, 20.0, stream="second")
        agent.configure([SCENE], [FACTS | {"interval": 0.1}])
        agent.signal(signal.SIGHUP)
        eventually(lambda: not agent.children("vd:second"), what="the second stream is gone")
        agent.config.write_text("[device]\nidd = 'x'\n", encoding="utf-8")
        agent.signal(signal.SIGHUP)
        agent.wait_for_log("config.refused")
        before = len(watcher.messages)
        watcher.wait_for_results(5, 20.0, stream="scene", since=before)
        assert agent.children("vd:scene")[0].pid == camera
        assert agent.children("vd:facts")[0].pid == worker
        seqs = [result["seq"] for result in watcher.results()]
        assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("victim", ["vd:scene", "vd:facts"])
def test_killed_child_is_replaced_and_results_go_on(
    agent: AgentProcess, broker: Mosquitto, victim: str
) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(3, 20.0)
        agent.children(victim)[0].kill()
        before = len(watcher.messages)
        watcher.wait_for_results(5, 20.0, since=before)
        status = watcher.call("state.get")["data"]
        counts = status["streams"]["scene"]["frames"]
        assert counts["received"] == sum(value for key, value in counts.items() if key != "received")
        assert status["algorithms"]["facts"]["crashes"] == (1 if victim == "vd:facts" else 0)


def test_second_agent_on_the_same_state_is_refused(agent: AgentProcess, tmp_path: Path) -> None:
    other = AgentProcess(tmp_path, "mqtt://127.0.0.1:1")
    other.config = tmp_path / "other.toml"
    other.configure([SCENE], [FACTS])
    with agent:
        agent.wait_for_log("agent.ready")
        with other:
            assert other.process.wait(20.0) == 74
        other.wait_for_log("another agent|already|in use")
        assert "Traceback" not in other.log()


def test_configuration_that_cannot_be_used_is_78_and_says_all(agent: AgentProcess) -> None:
    agent.configure([SCENE | {"fsp": 3}, SCENE], [FACTS | {"intervall": 1}])
    with agent:
        assert agent.process.wait(20.0) == 78
    for words in ("did you mean `fps`", "did you mean `interval`", "'scene' is there 2 times"):
        assert words in agent.log()
    assert "Traceback" not in agent.log()


def test_tls_with_client_certificate(tmp_path: Path, secure_broker: Mosquitto) -> None:
    certificates = secure_broker.certificates
    assert certificates is not None
    agent = AgentProcess(tmp_path, secure_broker.tls_url)
    agent.configure(
        [SCENE],
        [FACTS],
        broker={
            "ca_file": str(certificates.ca),
            "cert_file": str(certificates.client.certificate),
            "key_file": str(certificates.client.key),
        },
    )
    with Watcher(secure_broker.tls_url, agent.device, certificates=certificates) as watcher, agent:
        watcher.wait_for_results(3, 20.0)
        assert watcher.call("ping")["code"] == 200
        assert agent.terminate() == 0


def test_websocket_listener(tmp_path: Path, secure_broker: Mosquitto) -> None:
    agent = AgentProcess(tmp_path, secure_broker.ws_url)
    agent.configure([SCENE], [FACTS])
    with Watcher(secure_broker.ws_url, agent.device) as watcher, agent:
        watcher.wait_for_results(3, 20.0)
        assert agent.terminate() == 0


def test_json_twins(tmp_path: Path, broker: Mosquitto) -> None:
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure([SCENE], [FACTS], delivery={"codec": "both", "durability": "strict"})
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(5, 20.0)
        twin = watcher.wait_for(lambda m: m.topic.endswith("/result.json"), 20.0)
    packed = next(r for r in watcher.results() if r["seq"] == twin.document["seq"])
    assert twin.document == packed
    assert twin.content_type == "application/json"


def test_secrets_of_the_environment_never_show(tmp_path: Path, broker: Mosquitto) -> None:
    port = free_port()
    agent = AgentProcess(tmp_path, broker.url, environment={"VEDETTE_SECRET_DOOR": "p@ss/w:rd"})
    source = f"rtsp://viewer:{{secret:door}}@127.0.0.1:{port}/x"
    agent.configure([SCENE, SCENE | {"id": "door", "source": source}], [FACTS], log={"level": "debug"})
    with Watcher(broker.url, agent.device) as watcher, agent:
        status = watcher.wait_for(lambda m: "/s/door/status" in m.topic and b"refused" in m.payload, 20.0)
        assert status.document["state"] == "retrying"
        watcher.call("state.get")
        watcher.call("config.get")
        watcher.call("stream.list")
        agent.terminate()
    everything = agent.log() + "".join(m.payload.decode(errors="replace") for m in watcher.messages)
    for spelling in ("p@ss/w:rd", "p%40ss%2Fw%3Ard"):
        assert spelling not in everything
