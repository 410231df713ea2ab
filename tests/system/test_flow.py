"""Cameras in, results out: the whole agent, a real broker, a real RTSP camera."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.camera import RtspCamera
from tests.system.agent_process import NUMBERS_KIND, AgentProcess
from tests.system.rule import assert_on_grid
from tests.video import encode
from tests.waiting import eventually
from tests.watcher import Watcher


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[RtspCamera]:
    """Ten seconds of numbered H.264, over and over, behind a password."""
    video = encode(tmp_path / "camera.mp4", frames=250, fps=25, gop=25)
    with RtspCamera(video, user="viewer", password="pa55word") as camera:
        yield camera


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that has the kind Numbers; the test configures and starts it."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("numbers", NUMBERS_KIND)
    yield agent
    if agent.started:
        agent.kill()


def _assert_gapless(results: list[dict[str, object]]) -> None:
    seqs = [result["seq"] for result in results]
    assert seqs == list(range(1, len(seqs) + 1))


def test_two_algorithms_get_exactly_the_frames_of_the_sampling_rule(
    agent: AgentProcess, camera: RtspCamera, broker: Mosquitto
) -> None:
    agent.configure(
        streams=[{"id": "door", "source": camera.url}],
        algorithms=[
            {"id": "each", "kind": "Numbers", "streams": ["door"], "interval": 0.2},
            {
                "id": "pairs",
                "kind": "Numbers",
                "streams": ["door"],
                "interval": 1.0,
                "frame_count": 3,
                "frame_step": 5,
                "size": [160, 120],
                "pixel_format": "gray8",
            },
        ],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        pairs = watcher.wait_for_results(4, stream="door", algorithm="pairs", timeout_s=20.0)
        each = watcher.wait_for_results(15, stream="door", algorithm="each", timeout_s=20.0)
        everything = watcher.results()
    _assert_gapless(everything)
    steady = each[3:]  # after the burst of the camera's current group of pictures
    numbers = [result["data"]["numbers"][0] for result in steady]
    assert_on_grid(numbers, [result["skipped"] for result in steady], 5, 250)  # every fifth frame
    for result in pairs:
        a, b, c = result["data"]["numbers"]
        assert (b - a) % 250 == (c - b) % 250 == 5
        assert result["frame"] == result["data"]["frames"][-1]
    last = [result["data"]["numbers"][-1] for result in pairs[1:]]
    assert_on_grid(last, [result["skipped"] for result in pairs[1:]], 25, 250)
    assert "pa55word" not in agent.log()
    assert all(b"pa55word" not in message.payload for message in watcher.messages)


def test_adding_and_removing_one_thing_interrupts_no_other(
    agent: AgentProcess, camera: RtspCamera, broker: Mosquitto
) -> None:
    agent.configure(
        streams=[{"id": "door", "source": camera.url}],
        algorithms=[{"id": "steady", "kind": "Numbers", "streams": ["door"], "interval": 0.0}],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        # The camera sends its current group of pictures first, in a burst, of which the newest win.
        watcher.wait_for_results(25, stream="door", algorithm="steady", timeout_s=20.0)
        begun = len(watcher.results("door", "steady"))
        assert watcher.call("stream.add", {"id": "yard", "source": camera.url})["code"] == 200
        added = {"id": "extra", "kind": "Numbers", "streams": ["*"], "interval": 0.2}
        assert watcher.call("algorithm.add", added)["code"] == 200
        watcher.wait_for_results(5, stream="yard", algorithm="extra", timeout_s=20.0)
        watcher.wait_for_results(5, stream="door", algorithm="extra", timeout_s=20.0)
        assert watcher.call("stream.remove", {"id": "yard"})["code"] == 200
        assert watcher.call("algorithm.remove", {"id": "extra"})["code"] == 200
        before = len(watcher.messages)
        watcher.wait_for_results(25, stream="door", algorithm="steady", since=before, timeout_s=20.0)
        late = [m for m in watcher.messages[before:] if "/extra/" in m.topic or "/s/yard/a/" in m.topic]
        assert late == []
        assert watcher.latest("d/+/s/yard/status") is None  # retained, and cleared
        steady = watcher.results("door", "steady")
        everything = watcher.results()
    numbers = [result["data"]["numbers"][0] for result in steady[begun:]]
    skipped = [result["skipped"] for result in steady[begun:]]
    assert max(skipped) <= 5  # 0.2 s: nothing was interrupted, at most the machine was busy
    assert_on_grid(numbers, skipped, 1, 250)
    _assert_gapless(everything)


def test_what_commands_added_survives_a_kill(
    agent: AgentProcess, camera: RtspCamera, broker: Mosquitto
) -> None:
    agent.configure(algorithms=[{"id": "all", "kind": "Numbers", "streams": ["*"], "interval": 0.2}])
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for(lambda m: m.topic.endswith("/status") and b"online" in m.payload)
        assert watcher.call("stream.add", {"id": "door", "source": camera.url})["code"] == 200
        watcher.wait_for_results(3, stream="door", algorithm="all", timeout_s=20.0)
        agent.kill()
        before = len(watcher.messages)
        agent.start()
        watcher.wait_for(
            lambda m: m.topic.endswith("/result") and m.document["epoch"] == 2, 30.0, since=before
        )
        assert next(r["seq"] for r in watcher.results() if r["epoch"] == 2) == 1
        state = watcher.call("state.get")["data"]
        assert state["streams"]["door"]["origin"] == "command"
        assert state["algorithms"]["all"]["origin"] == "file"


def test_camera_that_goes_and_comes_is_reopened(
    agent: AgentProcess, camera: RtspCamera, broker: Mosquitto
) -> None:
    agent.configure(
        streams=[{"id": "door", "source": camera.url, "read_timeout_s": 1.0, "open_timeout_s": 2.0}],
        algorithms=[{"id": "all", "kind": "Numbers", "streams": ["door"], "interval": 0.2}],
    )

    def status() -> dict[str, object]:
        found: dict[str, object] = watcher.latest("d/+/s/door/status") or {}
        return found

    def reopened() -> int:
        return int(watcher.call("state.get")["data"]["streams"]["door"]["reopened"])

    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(3, stream="door", algorithm="all", timeout_s=20.0)
        # After a hang-up the camera may be back before anybody has read why it went.
        for fault, cure, causes in (
            (camera.hang_up, camera.resume, set()),
            (camera.stall, camera.resume, {"timeout"}),
            (camera.offline, camera.online, {"refused", "ended", "timeout"}),
        ):
            seq, opened = watcher.results()[-1]["seq"], reopened()
            fault()
            eventually(lambda opened=opened: reopened() > opened, 20.0, "the source is opened again")  # type: ignore[misc]
            if causes:
                eventually(lambda: status().get("cause"), 20.0, "the stream has a cause")
                assert status()["cause"] in causes
            before = len(watcher.messages)
            cure()
            watcher.wait_for_results(2, stream="door", algorithm="all", since=before, timeout_s=30.0)
            eventually(lambda: status().get("state") == "running", 10.0, "the stream runs")
            assert seq < watcher.results()[-1]["seq"]
        _assert_gapless(watcher.results())
        counts = eventually(lambda: status().get("frames"), what="counts")
        assert isinstance(counts, dict)
        assert counts["received"] == sum(v for key, v in counts.items() if key != "received")


def test_a_change_of_parameters_leaves_out_no_run_uncounted(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure(
        streams=[{"id": "scene", "source": "test://scene?size=160x120&fps=25&seed=1"}],
        algorithms=[{"id": "moves", "kind": "motion", "streams": ["scene"], "interval": 0.2}],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        for change in range(1, 5):
            before = len(watcher.messages)
            watcher.wait_for_results(3, 20.0, stream="scene", algorithm="moves", since=before)
            params = {"min_area": change / 100}
            assert watcher.call("algorithm.update", {"id": "moves", "params": params})["code"] == 200
        before = len(watcher.messages)
        watcher.wait_for_results(3, 20.0, stream="scene", algorithm="moves", since=before)
        report = watcher.latest("d/+/reported") or {}
        results = watcher.results("scene", "moves")
    assert report["algorithms"]["moves"]["restarts"] == 4
    left_out = sum(result["skipped"] for result in results[1:])
    frames = results[-1]["frame"] - results[0]["frame"]
    assert round(frames / 5) == len(results) - 1 + left_out
