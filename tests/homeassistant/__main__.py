"""The real Home Assistant beside the real agent: `tools/homeassistant-check` calls this with its Python."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.broker import Mosquitto
from tests.homeassistant import BOXES
from tests.homeassistant.real import RealHomeAssistant
from tests.homeassistant.rules import WRONG, problems
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE = {"id": "scene", "source": "test://scene?size=640x360&fps=25&seed=1&shapes=3"}
ALGORITHMS: list[dict[str, Any]] = [
    {"id": "movement", "kind": "motion", "interval": 0.2},
    {"id": "camera.health", "kind": "quality", "interval": 0.2},
    {"id": "codes", "kind": "codes", "interval": 0.2},
    {"id": "facts", "kind": "probe", "interval": 0.2},
    {"id": "boxes", "kind": "Boxes", "interval": 0.2},
]
# Of its HTTP server, of its own loading of several platforms at once, and of a document that is cleared once
# more, because the agent ended before it knew that the broker had cleared it.
NOT_OURS = (
    "aiohttp_fast_zlib: ",
    "homeassistant.helpers.frame: Detected code that calls async_forward",
    "homeassistant.components.mqtt.discovery: No device components to cleanup",
)


def say(text: str) -> None:
    """Where it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(python: str) -> None:
    """Raises AssertionError when anything is not as the documents say."""
    with tempfile.TemporaryDirectory() as name, Mosquitto(Path(name) / "mosquitto") as broker:
        folder = Path(name)
        agent = AgentProcess(folder, broker.url)
        agent.add_kind("boxes", BOXES)

        def configure(*, enabled: bool = True) -> None:
            agent.configure(
                streams=[SCENE],
                algorithms=ALGORITHMS,
                delivery={"codec": "both"},
                homeassistant={"enabled": enabled, "fields": {"boxes": ["left.count"]}},
            )

        configure()
        with (
            RealHomeAssistant(python, int(broker.url.rsplit(":", 1)[1]), folder / "homeassistant") as home,
            Watcher(broker.url, filters=["homeassistant/#", "vedette/#"]) as watcher,
            agent,
        ):
            watcher.device = agent.device
            try:
                look(home, agent, watcher)
            except AssertionError:
                say("\n".join(home.ask("complaints")))
                reported = (watcher.latest("d/+/reported") or {"algorithms": {}})["algorithms"]
                say("\n".join(f"{name}: {one['state']} {one['error']}" for name, one in reported.items()))
                raise
            judge(home, watcher)
            change(home, agent, watcher)
            agent.terminate()
            root = f"vedette/{agent.device}"
            home.wait_for_state(f"{root}/connection", "off")
            home.wait_for_state(f"{root}/s/scene/state", "unavailable")
            configure(enabled=False)
            agent.start()
            eventually(lambda: not home.entities(), 40.0, "nothing is left when it is turned off")
            say("turned off: every entity is gone")
            complaints = [line for line in home.ask("complaints") if not line.startswith(NOT_OURS)]
            assert not complaints, complaints
            say("it has logged no warning")


def look(home: RealHomeAssistant, agent: AgentProcess, watcher: Watcher) -> None:
    """Every entity is there, and has a state."""
    root = f"vedette/{agent.device}"
    scene = f"{root}/s/scene"
    expected = {
        f"{root}/connection": ("on",),
        f"{scene}/state": ("running",),
        f"{scene}/problem": ("off",),
        f"{scene}/a/movement/motion": ("on", "off"),
        f"{scene}/a/movement/regions": tuple(map(str, range(33))),
        f"{scene}/a/camera.health/problem": ("on", "off"),
        f"{scene}/a/codes/count": ("0",),
        f"{scene}/a/boxes/occupancy": ("on",),
        f"{scene}/a/boxes/count": ("2",),
        f"{scene}/a/boxes/left.count": ("7",),
    }
    for unique_id, states in expected.items():
        home.wait_for_state(unique_id, *states)
    for name in (f"{scene}/fps", f"{scene}/a/facts/brightness"):

        def above_one(name: str = name) -> bool:
            state = home.entities()[name]["state"]
            return state not in ("unknown", "unavailable") and float(state) > 1

        eventually(above_one, 60.0, name)
    entities = home.entities()
    assert entities.keys() == {
        *expected,
        *(f"{scene}/{name}" for name in ("fps", "snapshot", "take_snapshot")),
        f"{scene}/a/facts/brightness",
    }
    assert entities[f"{scene}/state"]["attributes"]["width"] == 640
    assert entities[f"{scene}/state"]["via"] == agent.device
    picture = entities[f"{scene}/snapshot"]["entity"]
    for _ in range(2):  # the second is no repetition of the first
        since = len(watcher.messages)
        home.ask("press", entity=entities[f"{scene}/take_snapshot"]["entity"])
        watcher.wait_for(lambda message: message.topic.endswith("/snapshot"), 20.0, since=since)
    eventually(lambda: (home.image(picture) or b"").startswith(b"\xff\xd8"), 10.0, "it has the picture")
    say(f"{len(entities)} entities have their states, and the button takes snapshots:")
    for unique_id, entity in sorted(entities.items()):
        say(f"  {entity['entity']} = {home.entities()[unique_id]['state']}")


def judge(home: RealHomeAssistant, watcher: Watcher) -> None:
    """Its schemas and the rules that the test suite checks with are of one opinion."""
    documents = [
        message.document
        for message in watcher.messages
        if message.topic.startswith("homeassistant/device/") and message.payload
    ]
    assert documents
    for document in documents:
        assert home.ask("judge", payload=document)["problem"] is None
        assert not problems(document)
        for what, wrong in WRONG(document):
            assert home.ask("judge", payload=wrong)["problem"] is not None, what
            assert problems(wrong), what
    say(f"{len(documents)} documents: its schemas and our rules agree, also about wrong ones")


def change(home: RealHomeAssistant, agent: AgentProcess, watcher: Watcher) -> None:
    """Entities come and go with streams and algorithms."""
    root = f"vedette/{agent.device}"
    assert watcher.call("stream.add", {"id": "door.2", "source": SCENE["source"]})["code"] == 200
    home.wait_for_state(f"{root}/s/door.2/state", "running")
    home.wait_for_state(f"{root}/s/door.2/a/boxes/count", "2")
    assert watcher.call("stream.pause", {"id": "door.2"})["code"] == 200
    home.wait_for_state(f"{root}/s/door.2/a/boxes/count", "unavailable")
    home.wait_for_state(f"{root}/s/door.2/state", "paused")
    assert watcher.call("algorithm.remove", {"id": "boxes"})["code"] == 200
    eventually(lambda: not any("/a/boxes/" in name for name in home.entities()), 40.0, "its entities go")
    assert watcher.call("stream.remove", {"id": "door.2"})["code"] == 200
    eventually(lambda: not any("/s/door.2/" in name for name in home.entities()), 40.0, "they go")
    say("entities came and went with a stream and an algorithm")


if __name__ == "__main__":
    main(sys.argv[1])
