"""The real agent and a real broker: what Home Assistant would hear, and what the templates make of it.

The real Home Assistant is beside it in `tools/homeassistant-check`, which is too large for the suite.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.broker import Mosquitto
from tests.homeassistant import BOXES
from tests.homeassistant.rules import problems
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE = {"id": "scene", "source": "test://scene?size=320x240&fps=25&seed=1&shapes=3"}
ALGORITHMS: list[dict[str, Any]] = [
    {"id": "movement", "kind": "motion", "interval": 0.2},
    {"id": "facts", "kind": "probe", "interval": 0.2},
    {"id": "boxes", "kind": "Boxes", "interval": 0.2},
]


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("boxes", BOXES)
    yield agent
    if agent.started:
        agent.kill()


@pytest.fixture
def watcher(broker: Mosquitto, agent: AgentProcess) -> Iterator[Watcher]:
    with Watcher(broker.url, filters=["homeassistant/#", "vedette/#"]) as watcher:
        watcher.device = agent.device
        yield watcher


def configure(agent: AgentProcess, *, enabled: bool = True, **homeassistant: object) -> None:
    agent.configure(
        streams=[SCENE],
        algorithms=ALGORITHMS,
        delivery={"codec": "both"},
        homeassistant={"enabled": enabled, "fields": {"boxes": ["left.count"]}, **homeassistant},
    )


def retained(broker: Mosquitto) -> dict[str, Any]:
    """What a Home Assistant that comes now would be told."""
    with Watcher(broker.url, filters=["homeassistant/#", "end"]) as newcomer:
        newcomer._client.publish("end", b"1", qos=1)
        newcomer.wait_for(lambda message: message.topic == "end")
        kept = {one.topic: one.payload for one in newcomer.messages if one.topic.endswith("/config")}
    return {topic: json.loads(payload) for topic, payload in kept.items() if payload}


def state(watcher: Watcher, component: dict[str, Any]) -> str | None:
    """What an entity shows of the newest message on its topic; None before there is one."""
    topic = component["state_topic"].removeprefix(f"{watcher.prefix}/")
    document = watcher.latest(topic)
    if document is None:
        return None
    template = ImmutableSandboxedEnvironment().from_string(component["value_template"])
    return template.render(value_json=document)


def test_entities_come_go_and_show_what_is(agent: AgentProcess, broker: Mosquitto, watcher: Watcher) -> None:
    configure(agent)
    agent.start()
    root = f"homeassistant/device/{agent.device}"
    scene, door = f"{root}/scene/config", f"{root}/door/config"
    eventually(lambda: {f"{root}/config", scene} == retained(broker).keys(), 40.0, "both are announced")
    documents = retained(broker)
    for document in documents.values():
        assert problems(document) == []
    told = [message for message in watcher.messages if message.topic in documents]
    assert all(message.retain and message.content_type == "application/json" for message in told)
    components = documents[scene]["components"] | documents[f"{root}/config"]["components"]
    expected: dict[str, set[str]] = {
        "connection": {"ON"},
        "state": {"running"},
        "problem": {"OFF"},
        "movement/motion": {"ON", "OFF"},
        "movement/regions": {str(count) for count in range(33)},
        "boxes/occupancy": {"ON"},
        "boxes/count": {"2"},
        "boxes/left.count": {"7"},
    }
    for name, states in expected.items():
        eventually(lambda name=name, states=states: state(watcher, components[name]) in states, 40.0, name)  # type: ignore[misc]
    for name in ("fps", "facts/brightness"):

        def above_one(name: str = name) -> bool:
            shown = state(watcher, components[name])
            return shown not in (None, "None") and float(shown or 0) > 1

        eventually(above_one, 40.0, name)
    assert components.keys() == {*expected, "fps", "facts/brightness", "snapshot", "take_snapshot"}

    button = ImmutableSandboxedEnvironment().from_string(components["take_snapshot"]["command_template"])

    class Now:
        def timestamp(self) -> float:
            return 1_790_000_000.0

    watcher._client.publish(components["take_snapshot"]["command_topic"], button.render(now=Now), qos=1)
    picture = watcher.wait_for(lambda message: message.topic == components["snapshot"]["image_topic"], 20.0)
    assert picture.payload.startswith(b"\xff\xd8")

    assert watcher.call("stream.add", SCENE | {"id": "door"})["code"] == 200
    eventually(lambda: door in retained(broker), 20.0, "a stream comes")
    assert watcher.call("algorithm.remove", {"id": "boxes"})["code"] == 200
    removed = {"platform": "sensor"}
    eventually(
        lambda: retained(broker)[scene]["components"].get("boxes/count") == removed, 20.0, "its entities go"
    )
    assert all(problems(document) == [] for document in retained(broker).values())
    assert watcher.call("stream.remove", {"id": "door"})["code"] == 200
    eventually(lambda: door not in retained(broker), 20.0, "and a stream")


def test_it_is_said_again_when_home_assistant_starts_and_cleared_when_it_is_turned_off(
    agent: AgentProcess, broker: Mosquitto, watcher: Watcher
) -> None:
    configure(agent)
    agent.start()
    eventually(lambda: len(retained(broker)) == 2, 40.0, "announced")
    since = len(watcher.messages)
    watcher._client.publish("homeassistant/status", b"online", qos=1)

    def said_again() -> bool:
        topics = [one.topic for one in watcher.messages[since:] if one.topic.endswith("/config")]
        return len(topics) == 2 == len(set(topics))

    eventually(said_again, 20.0, "said again")
    agent.kill()  # it may know nothing but what is on disk
    configure(agent, discovery_prefix="homeassistant/two")
    agent.start()
    there = f"homeassistant/two/device/{agent.device}"
    eventually(
        lambda: retained(broker).keys() == {f"{there}/config", f"{there}/scene/config"}, 40.0, "it moves"
    )
    assert agent.terminate() == 0
    assert len(retained(broker)) == 2, "an agent that ends stays announced, as unavailable"
    configure(agent, enabled=False)
    agent.start()
    eventually(lambda: retained(broker) == {}, 40.0, "cleared")
    eventually(lambda: not (agent.state / "homeassistant.json").exists(), 20.0, "and forgotten")
    assert agent.terminate() == 0
    assert "Traceback" not in agent.log()
    assert "command.ignored" not in agent.log(), "what its session still brings of before is no command"


def test_off_by_default_nothing_is_said_nor_heard(
    agent: AgentProcess, broker: Mosquitto, watcher: Watcher
) -> None:
    agent.configure(streams=[SCENE], algorithms=ALGORITHMS)
    agent.start()
    watcher.wait_for_results(3, 40.0)
    assert agent.terminate() == 0
    assert not [one.topic for one in watcher.messages if one.topic.startswith("homeassistant")]
    assert not (agent.state / "homeassistant.json").exists()
    assert "homeassistant" not in broker.log()


def test_without_json_results_it_says_what_to_do(agent: AgentProcess) -> None:
    agent.configure(homeassistant={"enabled": True})
    agent.start()
    agent.wait_for_log(
        r"homeassistant.enabled: Home Assistant cannot read .* set delivery.codec to `both`", 30.0
    )
    assert agent.process.wait(20) == 78
