"""`algos.testing`: what an author's test gets is what the agent would give."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from agent.config.algorithms import PixelFormat
from agent.errors import ConfigError, SourceError
from agent.offline import Run
from algos import BaseAlgo, Frames
from algos.base import Picture
from algos.motion import Motion
from algos.testing import Patch, Pictures, Source, assert_packable, frames_of, picture, run_on, scene

RNG = np.random.default_rng(7)
PICTURES = [RNG.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(60)]


class Looks(BaseAlgo):
    """Says what it got, and counts its runs since `init`."""

    def init(self) -> None:
        self.runs = 0

    def run(self, frames: Frames) -> dict[str, Any]:
        self.runs += 1
        return {"run": self.runs, "shape": frames[-1].shape, "sum": sum(int(one.sum()) for one in frames)}


@pytest.fixture(scope="module")
def lossless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PICTURES at 10 a second, each one a key frame, without a bit lost."""
    path = tmp_path_factory.mktemp("clips") / "noise.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        stream.gop_size = 1
        for pixels in PICTURES:
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="bgr0")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {"interval": 0.0},
        {"interval": 1.0},
        {"interval": 0.35},
        {"interval": 0.5, "frame_count": 3, "frame_step": 2},
        {"interval": 0.0, "frame_count": 4, "frame_step": 0},
        {"interval": 0.7, "keyframes": "never"},
        {"interval": 0.7, "keyframes": "only"},
        {"interval": 1.0, "position": 1.5, "until": 3.5},
        {"interval": 1.0, "frame_count": 9, "frame_step": 20},  # never full
    ],
    ids=str,
)
def test_pictures_give_the_windows_that_a_file_of_them_gives(
    lossless: Path, settings: dict[str, Any]
) -> None:
    def seen(runs: list[Run]) -> list[Any]:
        return [(run.frame, run.time, run.frames.numbers, run.frames.times, run.result) for run in runs]

    of_file = run_on(Looks(), lossless, **settings)
    of_pictures = run_on(Looks(), PICTURES, fps=10, **settings)
    assert seen(of_pictures) == seen(of_file)
    assert bool(of_file) == (settings.get("frame_count") != 9)
    for one, other in zip(of_file, of_pictures, strict=True):
        assert all((a == b).all() for a, b in zip(one.frames, other.frames, strict=True))


def test_each_picture_has_a_run_by_default() -> None:
    runs = run_on(Looks(), PICTURES[:3])
    assert [(run.result["run"], run.time, run.frame) for run in runs] == [
        (1, 0.0, 0),
        (2, 0.04, 1),
        (3, 0.08, 2),
    ]
    assert (runs[0].algorithm, runs[0].kind, runs[0].version, runs[0].stream) == (
        "Looks",
        "Looks",
        "1",
        "test",
    )
    (run,) = run_on(Looks(), PICTURES[0])
    assert run.result["sum"] == PICTURES[0].sum()
    assert len(run_on(Looks(), np.stack(PICTURES[:4]))) == 4
    assert len(run_on(Looks(), iter(PICTURES[:4]))) == 4


@pytest.mark.parametrize(
    ("pixel_format", "shape"),
    [("bgr24", (24, 32, 3)), ("rgb24", (24, 32, 3)), ("gray8", (24, 32)), ("nv12", (36, 32))],
)
def test_pictures_are_converted_and_scaled(pixel_format: PixelFormat, shape: tuple[int, ...]) -> None:
    blue = picture(64, 48, level=(255, 0, 0))
    (run,) = run_on(Looks(), blue, pixel_format=pixel_format, size=(32, 24))
    array = run.frames[-1]
    assert run.result["shape"] == array.shape == shape
    assert not array.flags.writeable
    assert run.frames.pixel_format == pixel_format
    if array.ndim == 3:
        assert array[0, 0].tolist() == ([255, 0, 0] if pixel_format == "bgr24" else [0, 0, 255])


def test_pictures_with_odd_sides_become_nv12_as_in_the_agent() -> None:
    (run,) = run_on(Looks(), picture(65, 49), pixel_format="nv12")
    assert run.result["shape"] == (72, 64)


def test_no_window_spans_a_change_of_size() -> None:
    pictures = [picture(64, 48)] * 3 + [picture(32, 24)] * 3
    runs = run_on(Looks(), pictures, frame_count=2)
    assert [run.frames.numbers for run in runs] == [(0, 1), (1, 2), (3, 4), (4, 5)]


def test_a_gray_picture_is_a_picture() -> None:
    (run,) = run_on(Looks(), np.full((9, 16), 5, np.uint8))
    assert run.result["shape"] == (9, 16, 3)
    (run,) = run_on(Looks(), np.full((9, 16), 5, np.uint8), pixel_format="gray8")
    assert run.result == {"run": 1, "shape": (9, 16), "sum": 720}


def test_a_scene_is_the_same_each_time_and_moves() -> None:
    drawn = scene(3, size=(320, 180), shapes=2)
    runs = run_on(Looks(), drawn, interval=0.6)
    assert [run.time for run in runs] == pytest.approx([0, 0.6, 1.2, 1.8, 2.4])
    assert [run.result for run in run_on(Looks(), drawn, interval=0.6)] == [run.result for run in runs]
    assert runs[0].result["shape"] == (180, 320, 3)
    moving = [run.result["moving"] for run in run_on(Motion(params={"warmup_s": 1}), drawn, interval=0.6)]
    assert moving[0] is False
    assert moving[-1] is True


def test_several_files_are_run_one_after_the_other(lossless: Path) -> None:
    files: list[str | Path] = [lossless, str(lossless)]
    runs = run_on(Looks(), files, interval=2.0)
    assert [(run.stream, run.result["run"]) for run in runs] == [
        (stream, n) for stream in ("noise", "noise-2") for n in (1, 2, 3)
    ]


class Raises(BaseAlgo):
    def run(self, frames: Frames) -> None:
        raise KeyError(frames.numbers[-1])


class Paints(BaseAlgo):
    def run(self, frames: Frames) -> None:
        frames[-1][:] = 0


@pytest.mark.parametrize("source", [PICTURES[:2], scene(0.2, size=(32, 32))], ids=["pictures", "scene"])
@pytest.mark.parametrize(("algorithm", "error"), [(Raises(), KeyError), (Paints(), ValueError)])
def test_what_an_algorithm_raises_comes_through(
    source: Source | Pictures, algorithm: BaseAlgo, error: type[Exception]
) -> None:
    with pytest.raises(error):
        run_on(algorithm, source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([], "no picture to run on"),
        (np.zeros((0, 4, 4, 3), np.uint8), "no picture to run on"),
        (np.zeros((4, 4), np.float32), r"shape \(4, 4\) and dtype float32"),
        ([np.zeros((4, 4, 4), np.uint8)], r"shape \(4, 4, 4\)"),
        ([[1, 2]], "list is no picture"),
        ([PICTURES[0], "clip.mp4"], "pictures and paths together"),
    ],
)
def test_what_is_no_picture_is_refused(source: Pictures, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        run_on(Looks(), source)


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frame_count"):
        run_on(Looks(), PICTURES[:1], frame_count=0)
    with pytest.raises(ConfigError, match="an instance"):
        run_on(Looks, PICTURES[:1])
    with pytest.raises(ValueError, match="more than 0"):
        run_on(Looks(), PICTURES[:1], fps=0)
    with pytest.raises(SourceError):
        run_on(Looks(), tmp_path / "absent.mp4")


def test_pictures_and_windows_for_tests_are_as_asked_for() -> None:
    made = picture(40, 20, level=10, patches=[Patch((0.5, 0.5, 1, 1)), Patch((0, 0, 0.1, 0.1), (1, 2, 3))])
    assert made.shape == (20, 40, 3)
    assert (made[10:, 20:] == 255).all()
    assert made[1, 3].tolist() == [1, 2, 3]
    assert (made[:10, 4:] == 10).all()
    frames = frames_of(made, made, fps=10)
    assert (frames.times, frames.numbers, frames.stream) == ((0.0, 0.1), (0, 1), "test")
    assert not frames[0].flags.writeable
    assert made.flags.writeable  # the frames are copies


def test_what_cannot_be_sent_is_told_with_its_place() -> None:
    assert_packable({"boxes": np.zeros((3, 4)), "count": np.int64(3)})
    with pytest.raises(AssertionError, match=r"result\.found\[1\]: object cannot be packed"):
        assert_packable({"found": [1, object()]})
    for too_large in ([0.5] * 950_000, bytes(7 << 20)):  # the one for msgpack, the other for JSON
        with pytest.raises(AssertionError, match="more than 8388608"):
            assert_packable(too_large)


def test_algorithms_do_not_load_the_agent() -> None:
    """Only asking for a run does."""
    program = """
import sys, algos.testing, algos.drawing
assert not [name for name in sys.modules if name.split(".")[0] == "agent"]
algos.testing.assert_packable(1)
assert "agent.contract.codec" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


class Own:
    """Of another framework: no base class, a list that it may paint on."""

    def run(self, frames: list[Picture]) -> int:
        frames[-1][:] = 1
        return int(frames[-1].sum())


def test_any_class_with_a_run_will_do() -> None:
    assert [run.result for run in run_on(Own(), PICTURES[:2])] == [48 * 64 * 3] * 2
