"""The time lines of docs/sampling.md show the frames that algorithms really get, and are up to date."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent.config.algorithms import Keyframes
from agent.offline import Use, infer
from algos import BaseAlgo, Frames
from tests.video import encode

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "timelines.py"
KEYFRAMES: tuple[Keyframes, ...] = ("never", "auto", "only")
NAMES = ("fps", "interval", "window", "keyframes", "busy")


class Times(BaseAlgo):
    """The times of the frames that it gets."""

    def run(self, frames: Frames) -> list[float]:
        return [round(time_s, 3) for time_s in frames.times]


@pytest.fixture(scope="module")
def timelines() -> ModuleType:
    spec = importlib.util.spec_from_file_location("timelines", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def drawn(timelines: ModuleType, name: str) -> list[Any]:
    (drawing,) = (one for one in timelines.drawings() if one.name == name)
    return list(drawing.rows)


def windows(row: Any) -> list[list[float]]:  # noqa: ANN401  of a module that is loaded by its path
    return [[round(frame.pts_s, 3) for frame in run.window] for run in row.runs]


def test_there_are_pictures_of_each_setting(timelines: ModuleType) -> None:
    assert tuple(one.name for one in timelines.drawings()) == NAMES


@pytest.mark.parametrize("place", range(len(KEYFRAMES)))
def test_key_frames_are_waited_for_as_drawn(timelines: ModuleType, tmp_path: Path, place: int) -> None:
    row = drawn(timelines, "keyframes")[place]
    keyframes = KEYFRAMES[place]
    assert f'"{keyframes}"' in row.title
    video = encode(tmp_path / "video.mp4", frames=61, fps=10, gop=12)
    runs = infer(video, Use(Times(), interval=1.0, keyframes=keyframes))
    assert [run.result for run in runs] == windows(row)


@pytest.mark.parametrize(
    ("place", "settings", "fps"),
    [
        (0, {"frame_count": 1}, None),
        (1, {"frame_count": 3, "frame_step": 1}, None),
        (2, {"frame_count": 3, "frame_step": 3}, None),
        (3, {"frame_count": 3, "frame_step": 2}, 5.0),
    ],
)
def test_windows_are_those_that_are_drawn(
    timelines: ModuleType, tmp_path: Path, place: int, settings: dict[str, int], fps: float | None
) -> None:
    row = drawn(timelines, "window")[place]
    video = encode(tmp_path / "video.mp4", frames=31, fps=10, gop=1000)
    runs = infer(video, Use(Times(), interval=1.0, keyframes="never", **settings), fps=fps)  # type: ignore[arg-type]
    assert [run.result for run in runs] == windows(row)


def test_an_overloaded_worker_gets_the_newest_frame(timelines: ModuleType) -> None:
    live, offline = drawn(timelines, "busy")
    assert [run.skipped for run in offline.runs] == [0] * 16
    assert sum(run.skipped + 1 for run in live.runs) == 16  # each due run was done, or said to be left out
    assert all(run.begins_s - run.window[-1].pts_s < 0.1 for run in live.runs)


def test_what_is_committed_is_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, str(TOOL), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
