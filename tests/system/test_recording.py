"""`record` of a live algorithm: what it found, in files that can be played, whatever goes wrong meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil
import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import NUMBERS_KIND, AgentProcess
from tests.video import encode, read_number
from tests.waiting import eventually
from tests.watcher import Watcher

KINDS = """
import os
from algos import BaseAlgo

class Square(BaseAlgo):
    '''Paints a red square.'''
    def init(self):
        self.model = "loaded"
    def run(self, frames):
        return {"side": 60}
    def draw(self, image, result):
        image[100:160, 100:160] = (0, 0, 255)

class Raises(Square):
    '''Needs in draw() what init() loads.'''
    def run(self, frames):
        return {"boxes": [{"box": [0.25, 0.4, 0.5, 0.6], "label": "thing"}]}
    def draw(self, image, result):
        self.model.lower()

class Hangs(Square):
    def draw(self, image, result):
        while True:
            pass

class Dies(Square):
    def draw(self, image, result):
        os.abort()
"""
SCENE = {"id": "scene", "source": "test://scene?size=320x240&fps=25&seed=1"}


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("kinds", KINDS)
    agent.add_kind("numbers", NUMBERS_KIND)
    yield agent
    if agent.started:
        agent.kill()


def recordings(agent: AgentProcess) -> list[Path]:
    return sorted((agent.state / "recordings").rglob("*.mp4"))


def pictures(path: Path) -> list[tuple[float, np.ndarray[Any, np.dtype[np.uint8]]]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0.0), frame.to_ndarray(format="bgr24").astype(np.uint8))
            for frame in container.decode(video=0)
        ]


def status(watcher: Watcher, algorithm: str, stream: str = "scene") -> dict[str, Any]:
    report = watcher.latest("d/+/reported") or {}
    found: dict[str, Any] = (
        report.get("algorithms", {}).get(algorithm, {}).get("recordings", {}).get(stream, {})
    )
    return found


def is_red(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
    blue, green, red = picture[110:150, 110:150].reshape(-1, 3).mean(axis=0)
    return bool(red > 200 and max(blue, green) < 60)


def test_segments_have_the_played_frames_at_their_times(agent: AgentProcess, broker: Mosquitto) -> None:
    encode(agent.media / "clip.mp4", frames=115, gop=25)
    numbers = {"id": "numbers", "kind": "Numbers", "streams": ["clip"], "interval": 0}
    agent.configure(
        streams=[{"id": "clip", "source": str(agent.media / "clip.mp4")}],
        algorithms=[
            numbers | {"record": "{algorithm}-{stream}-{time}.mp4"},
            numbers | {"id": "seldom", "record": "{time}.mp4", "record_fps": 5},
        ],
        recordings={"segment_s": 2},
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for(
            lambda m: m.topic.endswith("/s/clip/status") and m.document["state"] == "ended", 30.0
        )
        results = watcher.results("clip", "numbers")
        assert agent.terminate() == 0
    per_algorithm: dict[str, list[Path]] = {}
    for path in recordings(agent):
        assert ".part" not in path.name
        per_algorithm.setdefault(path.parent.parent.name, []).append(path)
    whole, seldom = per_algorithm["numbers"], per_algorithm["seldom"]
    assert all(path.parent.name == "clip" for path in whole + seldom)
    assert all(path.name.startswith("numbers-clip-2") for path in whole)
    assert 2 <= len(whole) <= 5
    seen: list[int] = []
    for path in whole:
        played = [(time_s, read_number(picture)) for time_s, picture in pictures(path)]
        first = played[0][1]
        assert [time_s for time_s, _ in played] == pytest.approx(
            [(n - first) / 25 for _, n in played], abs=0.002
        )
        seen += [number for _, number in played]
    assert seen == sorted(set(seen)), "in order, none twice"
    assert len(seen) >= 25, "on a machine with much else to do a recorder waits"
    few = [read_number(picture) for path in seldom for _, picture in pictures(path)]
    assert few == sorted(set(few))
    assert 5 <= len(few) <= 115 / 5 + 1
    assert len(results) + sum(result["skipped"] for result in results) >= 110, "recording takes no result"


def test_it_is_switched_on_and_off_by_command_and_drawn(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure(streams=[SCENE])
    square = {"id": "square", "kind": "Square", "streams": ["scene"], "interval": 0.1}
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for(
            lambda m: m.topic.endswith("/s/scene/status") and m.document["state"] == "running", 30.0
        )
        refused = watcher.call("algorithm.add", square | {"record": "../../etc/{time}.mp4"})
        assert refused["code"] == 422
        assert "must be a file name that ends in .mp4" in refused["error"]
        assert watcher.call("algorithm.add", square | {"record": "always.mp4"})["error"].endswith(
            "needs {time} in it: each segment is a file"
        )
        assert watcher.call("algorithm.add", square | {"record": "s-{time}.mp4"})["code"] == 200
        began = eventually(lambda: status(watcher, "square").get("file"), 30.0, "it records")
        assert str(began).startswith("square/scene/s-")
        watcher.wait_for_results(20, 30.0, stream="scene", algorithm="square")
        assert watcher.call("algorithm.update", {"id": "square", "record": None})["code"] == 200
        (path,) = eventually(
            lambda: [p for p in recordings(agent) if ".part" not in p.name], 15.0, "the file is ended"
        )
        before = len(watcher.messages)
        watcher.wait_for_results(5, 15.0, stream="scene", algorithm="square", since=before)
        eventually(lambda: not agent.children("vd:rec"), 15.0, "the recorder is gone")
        assert not status(watcher, "square")
    red = [is_red(picture) for _, picture in pictures(path)]
    assert red[-1]
    assert red == sorted(red), "from the first result on"


def test_after_a_kill_what_was_recorded_is_there(agent: AgentProcess) -> None:
    agent.configure(
        streams=[SCENE],
        algorithms=[{"id": "square", "kind": "Square", "interval": 0.1, "record": "{time}.mp4"}],
    )

    def grown() -> bool:
        return any(path.stat().st_size > 20_000 for path in recordings(agent))

    with agent:
        eventually(grown, 30.0, "a part with pictures")
        (recorder,) = agent.children("vd:rec")
        recorder.kill()
        agent.wait_for_log("child.ended.*recorder/square/scene.*SIGKILL")
        eventually(lambda: len(recordings(agent)) == 2, 30.0, "the next one has begun")
        eventually(lambda: recordings(agent)[-1].stat().st_size > 20_000, 30.0, "it has pictures")
        agent.kill()
        agent.start()
        eventually(lambda: len(recordings(agent)) == 3, 30.0, "the third has begun")
        eventually(lambda: recordings(agent)[-1].stat().st_size > 20_000, 30.0, "it has pictures")
        assert agent.terminate() == 0
    for path in recordings(agent):
        assert ".part" not in path.name
        assert is_red(pictures(path)[-1][1])


def test_a_draw_that_raises_is_replaced_by_the_default_drawing(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    agent.configure(
        streams=[SCENE],
        algorithms=[{"id": "raises", "kind": "Raises", "interval": 0.1, "record": "{time}.mp4"}],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(15, 30.0, stream="scene", algorithm="raises")
        agent.wait_for_log(r"algorithm_cannot_draw.*has no attribute 'model'")
        eventually(lambda: status(watcher, "raises").get("frames", 0) > 25, 30.0, "it goes on")
        assert agent.terminate() == 0
    assert agent.log().count("algorithm_cannot_draw") == 1
    (path,) = recordings(agent)
    last = pictures(path)[-1][1].astype(int)
    border, inside = last[96:145, 80], last[96:145, 100]
    assert np.abs(border - inside).max(axis=1).mean() > 30, "a box stands where the result has one"


@pytest.mark.parametrize("kind", ["Hangs", "Dies"])
def test_a_draw_that_hangs_or_dies_harms_only_the_recording(
    agent: AgentProcess, broker: Mosquitto, kind: str
) -> None:
    bad = {"id": "bad", "kind": kind, "interval": 0.1, "record": "{time}.mp4", "timeout_s": 1}
    agent.configure(streams=[SCENE], algorithms=[bad])
    why = "at one picture for more than 1 s and was killed" if kind == "Hangs" else "SIGABRT"
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(lambda: why in (status(watcher, "bad").get("error") or ""), 30.0, "it says why")
        before = len(watcher.messages)
        watcher.wait_for_results(10, 30.0, stream="scene", algorithm="bad", since=before)
        report = watcher.latest("d/+/reported")["algorithms"]["bad"]
        assert (report["state"], report["restarts"]) == ("running", 0)
        assert agent.terminate() == 0


def test_without_room_nothing_but_the_recording_stops(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure(
        streams=[SCENE],
        algorithms=[{"id": "square", "kind": "Square", "interval": 0.1, "record": "{time}.mp4"}],
        recordings={"keep_free_bytes": 1 << 60},
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        error = eventually(lambda: status(watcher, "square").get("error"), 30.0, "it says why")
        assert "there is no older recording to delete" in str(error)
        assert str(agent.state) in str(error)
        before = len(watcher.messages)
        watcher.wait_for_results(10, 30.0, stream="scene", algorithm="square", since=before)
        assert agent.terminate() == 0
    assert recordings(agent) == []


def test_a_stream_that_stands_still_leaves_a_file(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure(
        streams=[SCENE],
        algorithms=[{"id": "square", "kind": "Square", "interval": 0.1, "record": "{time}.mp4"}],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(10, 30.0, stream="scene", algorithm="square")
        assert watcher.call("stream.pause", {"id": "scene"})["code"] == 200
        eventually(lambda: status(watcher, "square").get("file", "") is None, 30.0, "the file is ended")
        (path,) = recordings(agent)
        assert ".part" not in path.name
        assert watcher.call("stream.resume", {"id": "scene"})["code"] == 200
        eventually(lambda: len(recordings(agent)) == 2, 30.0, "another one has begun")
        before = len(watcher.messages)
        watcher.wait_for_results(10, 30.0, stream="scene", algorithm="square", since=before)
        (recorder,) = agent.children("vd:rec")
        assert psutil.Process(recorder.pid).nice() == 10
        assert agent.terminate() == 0
    assert all(is_red(pictures(path)[-1][1]) for path in recordings(agent))


def test_a_snapshot_has_on_request_what_was_found(agent: AgentProcess, broker: Mosquitto) -> None:
    found = [{"id": kind.lower(), "kind": kind, "interval": 0.1} for kind in ("Raises", "Square")]
    agent.configure(streams=[SCENE], algorithms=found)
    with Watcher(broker.url, agent.device) as watcher, agent:
        for kind in ("raises", "square"):
            watcher.wait_for_results(1, 30.0, stream="scene", algorithm=kind)

        def taken(*, draw: bool) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], list[str]]:
            reply = watcher.call("snapshot.take", {"stream": "scene", "draw": draw}, timeout_s=30.0)
            assert reply["code"] == 200
            jpeg = watcher.wait_for(
                lambda m: m.topic.endswith("/s/scene/snapshot") and ("id", reply["id"]) in m.user_properties
            ).payload
            assert len(jpeg) == reply["data"]["bytes"]
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            return picture.astype(np.uint8), reply["data"]["drawn"]

        plain, drawn = taken(draw=False)
        assert not is_red(plain)
        assert drawn == []
        marked, drawn = taken(draw=True)
        assert is_red(marked), "by its own draw()"
        assert sorted(drawn) == ["raises", "square"]
        line = marked[98:142, 78:83].astype(int)
        assert np.abs(line - marked[98:142, 90:95].astype(int)).max() > 60, "a box, by the default drawing"
        assert not agent.children("vd:draw"), "nothing of it stays"


def test_a_draw_that_hangs_costs_the_snapshot_only(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure(streams=[SCENE], algorithms=[{"id": "hangs", "kind": "Hangs", "interval": 0.1}])
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(1, 30.0, stream="scene", algorithm="hangs")
        reply = watcher.call("snapshot.take", {"stream": "scene", "draw": True}, timeout_s=40.0)
        assert reply["code"] == 409
        assert "drawing on stream 'scene' took longer" in reply["error"]
        eventually(lambda: not agent.children("vd:draw"), 10.0, "its process is gone")
        assert watcher.call("snapshot.take", {"stream": "scene"})["code"] == 200
