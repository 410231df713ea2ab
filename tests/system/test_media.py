"""Files as streams, at their own pace: B-frames, thinning, changes of size, ends, and what does not fit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import NUMBERS_KIND, AgentProcess
from tests.system.rule import assert_on_grid
from tests.video import Segment, encode, encode_segments
from tests.waiting import eventually
from tests.watcher import Watcher


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that has the kind Numbers; the test configures and starts it."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("numbers", NUMBERS_KIND)
    yield agent
    if agent.started:
        agent.kill()


def _numbers(results: list[dict[str, Any]]) -> list[list[int]]:
    return [result["data"]["numbers"] for result in results]


@pytest.mark.parametrize(
    ("codec", "suffix", "b_frames"),
    [("libx264", ".mp4", 2), ("libx265", ".mkv", 2), ("mjpeg", ".avi", 0), ("libvpx-vp9", ".webm", 0)],
)
def test_windows_are_those_of_the_rule_whatever_the_codec(
    agent: AgentProcess, broker: Mosquitto, codec: str, suffix: str, b_frames: int
) -> None:
    video = encode(agent.media / f"v{suffix}", codec=codec, frames=75, fps=25, gop=25, b_frames=b_frames)
    algorithm = {"id": "a", "kind": "Numbers", "frame_count": 2, "frame_step": 3, "interval": 0.4}
    agent.configure(algorithms=[algorithm])
    with Watcher(broker.url, agent.device) as watcher, agent:
        agent.wait_for_log("agent.ready")
        eventually(lambda: watcher.latest("d/+/reported"), 20.0)
        assert watcher.call("stream.add", {"id": "file", "source": str(video)})["code"] == 200
        eventually(
            lambda: (watcher.latest("d/+/s/file/status") or {}).get("state") == "ended", 20.0, "it ends"
        )
        counts = watcher.call("state.get")["data"]["streams"]["file"]["frames"]
        results = watcher.results("file", "a")
    # Due at 0, 0.4, 0.8 … s; the window is full at frame 3 first, which the run at 0 s waits for.
    windows = _numbers(results)
    assert all(newest - oldest == 3 for oldest, newest in windows)
    assert windows[0][1] < 10
    assert_on_grid([newest for _, newest in windows[1:]], [r["skipped"] for r in results[1:]], 10, 1000)
    assert counts["received"] == 75 == sum(value for key, value in counts.items() if key != "received")


def test_fps_thins_evenly(agent: AgentProcess, broker: Mosquitto) -> None:
    video = encode(agent.media / "v.mp4", frames=50, fps=25, gop=25)
    agent.configure(
        [{"id": "file", "source": str(video), "fps": 5, "loop": True}],
        [{"id": "a", "kind": "Numbers", "interval": 0.0, "pixel_format": "nv12"}],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        results = watcher.wait_for_results(15, 20.0)
    numbers = [number for (number,) in _numbers(results)]
    assert all(number % 5 == 0 for number in numbers)
    assert_on_grid(numbers, [result["skipped"] for result in results], 5, 50)


def test_change_of_size_in_mid_stream(agent: AgentProcess, broker: Mosquitto) -> None:
    segments = [Segment(width=320, height=240, frames=40), Segment(width=480, height=360, frames=40)]
    video = encode_segments(agent.media / "v.ts", segments)
    agent.configure(
        [{"id": "file", "source": str(video), "loop": True}],
        [
            {"id": "a", "kind": "Numbers", "interval": 0.2},
            {"id": "size", "kind": "probe", "interval": 0.2, "frame_count": 3},
        ],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:

        def widths() -> set[int]:
            return {result["data"]["width"] for result in watcher.results("file", "size")}

        eventually(lambda: widths() == {320, 480}, 20.0, "frames of both sizes")
        before = len(watcher.messages)
        watcher.wait_for_results(10, 20.0, since=before, algorithm="a")
        status = watcher.call("state.get")["data"]["streams"]["file"]
    assert status["generation"] >= 2
    assert status["reopened"] == 0
    numbers = [window[0] for window in _numbers(watcher.results("file", "a"))]
    assert any(number < 40 for number in numbers)
    assert any(number >= 40 for number in numbers)


def test_stream_whose_frames_do_not_fit_is_refused_with_the_numbers(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    scene = {"id": "big", "source": "test://scene?size=320x240"}
    huge = {"id": "huge", "kind": "probe", "streams": ["big"], "frame_count": 256, "size": [8192, 8192]}
    small = {"id": "small", "kind": "probe", "streams": ["fine"], "interval": 0.2}
    agent.configure([scene, scene | {"id": "fine"}], [huge, small])
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(3, 20.0, stream="fine")

        def refusal() -> str:
            status = watcher.latest("d/+/s/big/status") or {}
            return str(status.get("error", "")) if status.get("state") == "refused" else ""

        why = eventually(refusal, 20.0, "it is refused")
        assert "103079.2 MB" in why
        assert "MB are free" in why
        assert (
            watcher.call("algorithm.update", {"id": "huge", "size": [64, 64], "frame_count": 1})["code"]
            == 200
        )
        watcher.wait_for_results(1, 20.0, stream="big")


def test_stream_that_was_refused_is_tried_again_by_itself(agent: AgentProcess, broker: Mosquitto) -> None:
    """What was missing may come later: a secret here, shared memory likewise."""
    secrets = agent.folder / "secrets"
    secrets.mkdir()
    scene = {"id": "scene", "source": "test://scene?size=320x240&seed={secret:seed}"}
    facts = {"id": "facts", "kind": "probe", "streams": ["scene"]}
    agent.configure([scene], [facts], paths={"secrets": str(secrets)})
    with Watcher(broker.url, agent.device) as watcher, agent:

        def refused() -> dict[str, Any]:
            status: dict[str, Any] = watcher.latest("d/+/s/scene/status") or {}
            return status if status.get("state") == "refused" else {}

        status = eventually(refused, 20.0, "it is refused")
        assert "seed" in status["error"]
        assert status["retry_in_s"] == 5.0
        (secrets / "seed").write_text("7", encoding="utf-8")
        watcher.wait_for_results(1, 30.0, stream="scene")
        assert watcher.latest("d/+/s/scene/status")["error"] is None
