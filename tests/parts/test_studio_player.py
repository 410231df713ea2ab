"""What plays in the studio: paced, paused, stepped, replaced; its history, and its end."""

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.errors import ConfigError
from agent.offline import Run, Use
from agent.studio.gate import Gate
from agent.studio.history import MAX_POINTS, MAX_RUNS, History, facts, rows
from agent.studio.player import Phase, Player, Start
from agent.studio.recipe import Recipe
from agent.studio.sitting import Sitting, close_all
from algos import BaseAlgo, Frames
from algos.base import Picture
from tests.camera import RtspCamera
from tests.video import encode
from tests.waiting import eventually

SCENE = "test://scene?size=160x90&fps=25&seed=1"
SHORT = f"{SCENE}&frames=20"


class Count(BaseAlgo):
    """Counts its runs."""

    def init(self) -> None:
        self.runs = 0

    def run(self, frames: Frames) -> dict[str, Any]:
        self.runs += 1
        return {"runs": self.runs, "frame": frames.numbers[-1]}


class Numbers(BaseAlgo):
    """Paints the number of the frame, as a shade of gray."""

    def run(self, frames: Frames) -> int:
        return frames.numbers[-1]

    def draw(self, image: Picture, result: Any) -> None:  # noqa: ANN401  what `run` returned
        image[:] = result % 256


class Stuck(BaseAlgo):
    """Does not come back until it is let go."""

    let_go = threading.Event()

    def run(self, frames: Frames) -> int:  # noqa: ARG002  of `BaseAlgo`
        self.let_go.wait(30)
        return 1


@pytest.fixture
def players() -> Iterator[list[Player]]:
    """Those that a test began: they end with it."""
    began: list[Player] = []
    yield began
    for player in began:
        player.close()
        assert player.join(10.0)


def reaches(player: Player, phase: Phase) -> None:
    eventually(lambda: player.look().phase is phase, 10.0, f"{phase}")


def test_plays_to_the_end_in_a_hurry(players: list[Player]) -> None:
    history = History()
    player = Player(SHORT, Use(Count(), interval=0.2), history, Start(hurry=True))
    players.append(player)
    reaches(player, Phase.ENDED)
    assert player.look().jpeg.startswith(b"\xff\xd8")
    assert player.look().position_s == pytest.approx(19 / 25)
    assert player.look().duration_s == pytest.approx(0.8)
    past = history.look()
    assert [entry.run.result["frame"] for entry in past.entries] == [0, 5, 10, 15]
    assert [len(entry.run.frames) for entry in past.entries] == [0, 0, 0, 1], "pixels of the newest alone"
    assert past.names() == ["runs", "frame"]


def test_keeps_the_pace_of_the_video(players: list[Player]) -> None:
    began_s = time.monotonic()
    player = Player(SHORT, Use(Count(), interval=0.2), History(), Start())
    players.append(player)
    reaches(player, Phase.ENDED)
    assert time.monotonic() - began_s > 0.7


def test_steps_frame_by_frame_and_from_result_to_result(players: list[Player]) -> None:
    history = History()
    player = Player(SCENE, Use(Count(), interval=0.2), history, Start(paused=True))
    players.append(player)
    reaches(player, Phase.PAUSED)
    assert player.look().position_s == 0
    for step in (1, 2):
        player.gate.step()
        eventually(lambda step=step: player.look().position_s == pytest.approx(step / 25), 10.0)  # type: ignore[misc]
        reaches(player, Phase.PAUSED)
    player.gate.step_to_result()
    eventually(lambda: player.look().position_s == pytest.approx(0.2), 10.0)
    reaches(player, Phase.PAUSED)
    assert history.look().runs == 2


def test_a_pause_shows_the_frame_at_which_it_is(players: list[Player]) -> None:
    player = Player(f"{SCENE}&shapes=0", Use(Numbers(), interval=0), History(), Start(hurry=True))
    players.append(player)
    eventually(lambda: player.look().position_s > 1, 10.0)
    player.gate.pause()
    reaches(player, Phase.PAUSED)
    look = player.look()
    picture = cv2.imdecode(np.frombuffer(look.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.mean() == pytest.approx(round(look.position_s * 25) % 256, abs=0.5)


def test_what_init_raises_ends_it_and_is_told_with_its_traceback(players: list[Player]) -> None:
    class Bad(BaseAlgo):
        def init(self) -> None:
            raise RuntimeError("no model")

        def run(self, frames: Frames) -> None: ...

    player = Player(SCENE, Use(Bad()), History(), Start())
    players.append(player)
    reaches(player, Phase.FAILED)
    failure = player.look().failure
    assert failure is not None
    assert failure.error == "RuntimeError: no model"
    assert "in init" in failure.trace


def test_a_source_that_cannot_be_opened_is_one_sentence(players: list[Player]) -> None:
    player = Player("rtsp://me:hunter2@127.0.0.1:1/x", Use(Count()), History(), Start())
    players.append(player)
    reaches(player, Phase.FAILED)
    failure = player.look().failure
    assert failure is not None
    assert (failure.trace, "\n" in failure.error, "hunter2" in failure.error) == ("", False, False)


def test_another_player_goes_on_where_one_was(players: list[Player]) -> None:
    history = History()
    first = Player(SCENE, Use(Count(), interval=0), history, Start(paused=True, position_s=4.0))
    players.append(first)
    reaches(first, Phase.PAUSED)
    look = first.look()
    assert look.position_s == pytest.approx(4.0)
    start = Start(position_s=look.position_s, paused=True, origin_s=first.origin_s)
    second = Player(SCENE, Use(Count(), interval=0), history, start, before=first)
    players.append(second)
    assert second.look().jpeg == look.jpeg, "the picture stays until there is another"
    reaches(second, Phase.PAUSED)
    assert second.look().position_s == pytest.approx(4.0)
    assert not first.alive
    assert [entry.run.frame for entry in history.look().entries] == [100, 100]


def test_a_run_that_does_not_come_back_keeps_nobody_waiting() -> None:
    Stuck.let_go.clear()
    player = Player(SCENE, Use(Stuck()), History(), Start())
    eventually(lambda: any(t.name.startswith("infer-Stuck") for t in threading.enumerate()))
    player.close()
    assert not player.join(0.1)
    Stuck.let_go.set()
    assert player.join(10.0)


def recipe(**changed: object) -> Recipe:
    values: dict[str, Any] = {
        "source": SCENE,
        "kind": "probe",
        "settings": {"interval": 0.2},
        "params": {},
        "fps": None,
        "start_s": 0.0,
    }
    return Recipe(**(values | changed))


def test_a_sitting_leaves_nothing() -> None:
    sitting = Sitting(None, None)
    path = sitting.keep("../clip.mp4", io.BytesIO(b"video"))
    assert path.name == "clip.mp4"
    assert sitting.keep("other.mp4", io.BytesIO(b"video")).exists()
    assert not path.exists(), "one at a time"
    sitting.begin(recipe(), paused=False, hurry=False, draws=True)
    first = sitting.player
    assert first is not None
    reaches(first, Phase.PLAYING)
    with pytest.raises(ConfigError, match="nonsense"):
        sitting.change(recipe(params={"nonsense": 1}), hurry=False, draws=True)
    assert sitting.player is first, "what cannot be changes nothing"
    sitting.change(recipe(settings={"interval": 0.0}), hurry=False, draws=True)
    assert sitting.player is not first
    assert close_all(10.0)
    assert not path.parent.exists()


def test_a_camera_goes_on_while_it_is_paused_and_is_not_sought_in(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    encode(path, frames=50, fps=25, gop=25)
    with RtspCamera(path) as camera:
        sitting = Sitting(None, None)
        sitting.begin(recipe(source=camera.url), paused=False, hurry=False, draws=True)
        first = sitting.player
        assert first is not None
        eventually(lambda: first.look().live and first.look().position_s > 2, 20.0, "it plays")
        first.gate.pause()
        reaches(first, Phase.PAUSED)
        paused_s, runs = first.look().position_s, sitting.history.look().runs
        first.gate.step()
        eventually(lambda: first.look().position_s > paused_s, 10.0, "a newer frame")
        assert sitting.history.look().runs <= runs + 2, "nobody saw what came meanwhile"

        sitting.change(recipe(source=camera.url, settings={"interval": 0.1}), hurry=False, draws=True)
        second = sitting.player
        assert second is not None
        eventually(lambda: second.look().phase is Phase.PAUSED, 20.0, "the camera is opened anew")
        assert second.look().position_s >= paused_s, "time goes on"
        assert close_all(10.0)


def run(result: object, time_s: float = 0.0) -> Run:
    frames = Frames([np.zeros((2, 2, 3), np.uint8)], times=[time_s], numbers=[0])
    return Run(
        stream="s",
        algorithm="a",
        kind="a",
        version="1",
        time=time_s,
        frame=0,
        frames=frames,
        result=result,
        run_s=0.002,
    )


def test_a_history_has_an_end() -> None:
    history = History()
    for number in range(MAX_POINTS + 5):
        history.add(run({"n": number}), float(number))
    past = history.look()
    assert (past.runs, len(past.entries), len(past.points)) == (MAX_POINTS + 5, MAX_RUNS, MAX_POINTS)
    assert past.newest is not None
    assert past.newest.tree == {"n": MAX_POINTS + 4}
    assert past.cost is not None
    assert past.cost.median == pytest.approx(2.0)


def test_what_cannot_travel_is_said() -> None:
    history = History()
    history.add(run(object()), 0.0)
    newest = history.look().newest
    assert newest is not None
    assert newest.tree is None
    assert "object" in newest.problem


def test_numbers_and_rows_of_a_result() -> None:
    tree = {"left": {"count": 3, "on": True}, "who": "x" * 80, "objects": [{"box": [1, 2], "label": "a"}]}
    assert dict(facts(tree)) == {
        "left.count": 3,
        "left.on": True,
        "who": "x" * 59 + "…",
        "objects (count)": 1,
    }
    assert dict(facts(0.5)) == {"result": 0.5}
    assert rows(tree) == [{"box": "[1, 2]", "label": "a"}]
    assert rows({"n": 1}) == []


def test_who_pauses_before_the_first_frame_sees_it() -> None:
    gate = Gate(paused=False, hurry=False)
    gate.pause()
    assert not gate.settled
    assert gate.wait(0.0)
    assert gate.settled
    gate.play()
    gate.pause()
    assert gate.settled
