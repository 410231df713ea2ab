"""`preview.start` and `preview.stop`: pictures for those who look, and nothing at all for nobody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Message, Watcher

SCENE = {"id": "scene", "source": "test://scene?size=640x360&fps=25&seed=1"}


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure(streams=[SCENE])
    yield agent
    if agent.started:
        agent.kill()


def begun(watcher: Watcher) -> None:
    watcher.wait_for(lambda m: m.topic.endswith("/s/scene/status") and m.document["state"] == "running", 30.0)


def pictures(watcher: Watcher, since: int = 0) -> list[Message]:
    topic = f"vedette/v1/d/{watcher.device}/s/scene/preview"
    return [message for message in watcher.messages[since:] if message.topic == topic]


def size(message: Message) -> tuple[int, int]:
    image: Any = cv2.imdecode(np.frombuffer(message.payload, np.uint8), cv2.IMREAD_COLOR)
    height, width = image.shape[:2]
    return width, height


def decoded(watcher: Watcher) -> int:
    count: int = watcher.call("state.get")["data"]["streams"]["scene"]["decoded"]
    return count


def later(watcher: Watcher) -> None:
    """Two seconds of frames have passed, and are counted."""

    def received() -> int:
        count: int = watcher.call("state.get")["data"]["streams"]["scene"]["frames"]["received"]
        return count

    before = received()
    eventually(lambda: received() > before + 50, 20.0, "two seconds of frames")


def test_pictures_come_while_somebody_looks_and_viewers_share_them(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        begun(watcher)
        reply = watcher.call("preview.start", {"stream": "scene", "viewer": "a", "fps": 5, "max_width": 320})
        assert reply["code"] == 200
        assert reply["data"]["topic"] == f"vedette/v1/d/{agent.device}/s/scene/preview"
        assert (reply["data"]["viewers"], reply["data"]["max_width"]) == (1, 320)
        eventually(lambda: len(pictures(watcher)) >= 5, 20.0, "five pictures")
        first = pictures(watcher)[:5]
        assert {(message.qos, message.retain, message.content_type) for message in first} == {
            (0, False, "image/jpeg")
        }
        assert {size(message) for message in first} == {(320, 180)}
        facts = [dict(message.user_properties) for message in first]
        numbers = [int(fact["frame"]) for fact in facts]
        assert numbers == sorted(set(numbers)), "each frame once, in order"
        times = [int(fact["time"]) / 1e6 for fact in facts]
        assert times[-1] - times[0] >= 4 / 5 - 0.1, "no more than five a second"

        wide = {"stream": "scene", "viewer": "b", "fps": 1, "max_width": 1000}
        data = watcher.call("preview.start", wide)["data"]
        assert (data["viewers"], data["fps"], data["max_width"]) == (2, 5, 1000)
        since = len(watcher.messages)
        eventually(lambda: len(pictures(watcher, since)) >= 3, 20.0, "pictures for both")
        assert size(pictures(watcher, since)[-1]) == (640, 360), "never enlarged"
        data = watcher.call("preview.stop", {"stream": "scene", "viewer": "b"})["data"]
        assert (data["viewers"], data["max_width"]) == (1, 320)
        data = watcher.call("preview.stop", {"stream": "scene", "viewer": "a"})["data"]
        assert (data["viewers"], data["fps"]) == (0, 0)
        data = watcher.call("preview.stop", {"stream": "scene", "viewer": "nobody"})["data"]
        assert data["viewers"] == 0

        def still() -> bool:
            count = len(pictures(watcher))
            watcher.call("ping")
            return len(pictures(watcher)) == count

        eventually(still, 10.0, "no more pictures")
        before = len(pictures(watcher))
        watcher.call("snapshot.take", {"stream": "scene"})
        assert len(pictures(watcher)) == before


def test_a_lease_ends_by_itself_and_then_nothing_is_decoded(agent: AgentProcess, broker: Mosquitto) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        begun(watcher)
        assert decoded(watcher) <= 1
        watcher.call("preview.start", {"stream": "scene", "fps": 5, "lease_s": 5})
        eventually(lambda: len(pictures(watcher)) >= 10, 20.0, "it runs")
        asked_again = watcher.call("preview.start", {"stream": "scene", "fps": 5, "lease_s": 5})["data"]
        assert asked_again["viewers"] == 1

        def over() -> bool:
            report = watcher.call("preview.stop", {"stream": "scene", "viewer": "looks-only"})
            return bool(report["data"]["viewers"] == 0)

        eventually(over, 20.0, "the lease is over")
        later(watcher)  # what it was at last is told
        count = decoded(watcher)
        later(watcher)
        assert decoded(watcher) - count <= 1


def test_a_stream_that_goes_and_comes_goes_on_being_shown(agent: AgentProcess, broker: Mosquitto) -> None:
    with Watcher(broker.url, agent.device) as watcher, agent:
        begun(watcher)
        watcher.call("preview.start", {"stream": "scene", "fps": 5, "lease_s": 60})
        eventually(lambda: len(pictures(watcher)) >= 2, 20.0, "it runs")
        watcher.call("stream.pause", {"id": "scene"})
        watcher.wait_for(lambda m: m.topic.endswith("/s/scene/status") and m.document["state"] == "paused")
        watcher.call("stream.resume", {"id": "scene"})
        since = len(watcher.messages)
        eventually(lambda: len(pictures(watcher, since)) >= 2, 30.0, "it goes on")
        watcher.call("stream.remove", {"id": "scene"})
        assert watcher.call("preview.start", {"stream": "scene"})["code"] == 404
        assert agent.terminate() == 0
    assert "Traceback" not in agent.log()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"stream": "scene", "fps": 100}, "fps: must be at most 5"),
        ({"stream": "scene", "fps": 0}, "fps: must be more than 0"),
        ({"stream": "scene", "lease_s": 100_000}, "lease_s: must be at most 120"),
        ({"stream": "scene", "viewer": "a b"}, "viewer: "),
        ({}, "stream: "),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    live: tuple[AgentProcess, Watcher], args: dict[str, Any], says: str
) -> None:
    _, watcher = live
    reply = watcher.call("preview.start", args)
    assert reply["code"] == 422
    assert says in reply["error"]


def test_too_many_viewers_are_refused(live: tuple[AgentProcess, Watcher]) -> None:
    _, watcher = live
    codes = [
        watcher.call("preview.start", {"stream": "scene", "viewer": f"v{number}"})["code"]
        for number in range(33)
    ]
    assert codes == [200] * 32 + [429]
    again = watcher.call("preview.start", {"stream": "scene", "viewer": "v0"})
    assert again["code"] == 200, "who has a lease may go on"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentProcess, Watcher]]:
    """One agent for questions that change little."""
    folder = tmp_path_factory.mktemp("live")
    with Mosquitto(folder) as broker:
        agent = AgentProcess(folder, broker.url)
        agent.configure(streams=[SCENE], security={"commands_per_s": 1000, "all_commands_per_s": 1000})
        with Watcher(broker.url, agent.device) as watcher, agent:
            begun(watcher)
            yield agent, watcher
