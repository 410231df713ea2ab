"""Recordings as a player finds them: every picture, at its time, whatever happened to the process."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from agent import Shown, Use, infer
from agent.errors import RecordError
from agent.record import Recording
from algos import BaseAlgo, Frames
from tests.left_out import leave_out
from tests.video import encode, picture, read_number


def bgr(number: int, width: int = 320, height: int = 240) -> np.ndarray:
    return picture(number, width, height)[:, :, ::-1].copy()


def played(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time or 0.0), frame.to_ndarray(format="bgr24")


def test_each_picture_is_shown_at_its_own_time(tmp_path: Path) -> None:
    times = [10.0, 10.04, 10.1, 10.5, 12.0, 12.033]
    with Recording(tmp_path / "out.mp4", width=320, height=240) as recording:
        for number, time_s in enumerate(times):
            recording.write(bgr(number), time_s)
    seen = list(played(tmp_path / "out.mp4"))
    assert [read_number(pixels) for _, pixels in seen] == list(range(6))
    assert [time_s for time_s, _ in seen] == pytest.approx([time_s - 10.0 for time_s in times], abs=0.001)


def test_without_a_picture_nothing_is_left(tmp_path: Path) -> None:
    with Recording(tmp_path / "out.mp4", width=320, height=240) as recording:
        recording.annotate("incomplete")
    assert not list(tmp_path.iterdir())


def test_a_constant_rate_repeats_and_leaves_out(tmp_path: Path) -> None:
    with Recording(tmp_path / "out.mp4", width=320, height=240, fps=10) as recording:
        for number, time_s in enumerate([0.0, 0.05, 0.1, 0.4, 0.45, 0.5]):
            recording.write(bgr(number), time_s)
    seen = list(played(tmp_path / "out.mp4"))
    assert [round(after - before, 3) for (before, _), (after, _) in pairwise(seen)] == [0.1] * (len(seen) - 1)
    assert [read_number(pixels) for _, pixels in seen] == [0, 2, 2, 2, 3, 5]


@pytest.mark.parametrize("size", [(321, 241), (33, 64), (1280, 719)])
def test_odd_sides_lose_a_line(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    with Recording(tmp_path / "out.mp4", width=width, height=height) as recording:
        recording.write(np.full((height, width, 3), 90, np.uint8), 0.0)
    ((_, pixels),) = played(tmp_path / "out.mp4")
    assert pixels.shape == (height // 2 * 2, width // 2 * 2, 3)
    assert abs(float(pixels.mean()) - 90) < 3


def test_another_size_is_scaled(tmp_path: Path) -> None:
    with Recording(tmp_path / "out.mp4", width=320, height=240) as recording:
        recording.write(bgr(1), 0.0)
        recording.write(bgr(2, 640, 480), 0.1)
    assert [read_number(pixels) for _, pixels in played(tmp_path / "out.mp4")] == [1, 2]


def test_the_same_height_and_another_width_is_scaled_too(tmp_path: Path) -> None:
    half_white = np.zeros((240, 640, 3), np.uint8)
    half_white[:, 320:] = 255
    with Recording(tmp_path / "out.mp4", width=320, height=240) as recording:
        recording.write(bgr(1), 0.0)
        recording.write(half_white, 0.1)
    pixels = list(played(tmp_path / "out.mp4"))[1][1]
    assert pixels[:, :150].mean() < 3
    assert pixels[:, 170:].mean() > 252


@pytest.mark.parametrize("comment", ["", "incomplete: interrupted"])
def test_the_last_picture_is_shown_as_long_as_the_one_before(tmp_path: Path, comment: str) -> None:
    with Recording(tmp_path / "out.mp4", width=320, height=240) as recording:
        for number in range(5):
            recording.write(bgr(number), number / 5)
        recording.annotate(comment)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration == pytest.approx(1_000_000, abs=1_000)


def test_it_can_be_entered_every_two_seconds(tmp_path: Path) -> None:
    with Recording(tmp_path / "out.mp4", width=64, height=64) as recording:
        for place in range(100):
            recording.write(np.full((64, 64, 3), place, np.uint8), place / 10)
    with av.open(str(tmp_path / "out.mp4")) as container:
        keys = [float(frame.time or 0) for frame in container.decode(video=0) if frame.key_frame]
    assert keys == [0.0, 2.0, 4.0, 6.0, 8.0]


_KILLED = """
import os, sys
from pathlib import Path
from agent.record import Recording
from tests.parts.test_record import bgr
with Recording(Path(sys.argv[1]), width=320, height=240) as recording:
    for number in range(300):
        recording.write(bgr(number), number / 25)
    os.kill(os.getpid(), 9)
"""


def test_what_was_recorded_plays_though_the_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    root = str(Path(__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path)], check=False, env=os.environ | {"PYTHONPATH": root}
    )
    assert killed.returncode == -9
    assert not path.exists()
    numbers = [read_number(pixels) for _, pixels in played(tmp_path / "out.part.mp4")]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 150  # x264 looks 40 frames ahead, and a fragment is two seconds


def test_what_is_said_of_it_is_in_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with Recording(path, width=320, height=240) as recording:
        for number in range(60):
            recording.write(bgr(number), number / 25)
        recording.annotate("incomplete: interrupted at 2.360 s")
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "incomplete: interrupted at 2.360 s"
    assert [read_number(pixels) for _, pixels in played(path)] == list(range(60))
    assert [child.name for child in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("no/such/out.mp4", (320, 240), "out.mp4 cannot be recorded: No such file or directory"),
        ("out.mp4", (8, 8), "8x8 pixels cannot be recorded"),
    ],
)
def test_what_cannot_be_recorded_says_why(
    tmp_path: Path, name: str, size: tuple[int, int], words: str
) -> None:
    def record() -> None:
        with Recording(tmp_path / name, width=size[0], height=size[1]) as recording:
            recording.write(np.zeros((size[1], size[0], 3), np.uint8), 0.0)

    with pytest.raises(RecordError, match=words):
        record()


def test_a_disk_without_room_for_anything_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.part.mp4").symlink_to("/dev/full")
    noise = np.random.default_rng(1)

    def record() -> None:
        with Recording(tmp_path / "out.mp4", width=320, height=240) as recording:
            for number in range(200):
                recording.write(noise.integers(0, 255, (240, 320, 3), np.uint8), number / 25)

    with pytest.raises(RecordError, match="No space left on device"):
        record()
    assert not (tmp_path / "out.mp4").exists()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        leave_out("no right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("fps", [None, 25.0])
def test_a_full_disk_is_told_and_the_file_that_was_there_stays(tiny_disk: Path, fps: float | None) -> None:
    path = tiny_disk / "out.mp4"
    path.write_bytes(b"of yesterday")
    noise = np.random.default_rng(1)

    def record() -> None:
        with Recording(path, width=160, height=120, fps=fps) as recording:
            for number in range(2_000):
                recording.write(noise.integers(0, 255, (120, 160, 3), np.uint8), number / 25)

    with pytest.raises(RecordError, match="No space left on device"):
        record()
    assert path.read_bytes() == b"of yesterday"
    shown = 0
    with contextlib.suppress(av.error.InvalidDataError):  # of the picture that the disk cut
        for _ in played(tiny_disk / "out.part.mp4"):
            shown += 1
    assert shown >= 40


def test_a_file_is_replaced_when_the_new_one_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"of yesterday")
    with Recording(path, width=320, height=240) as recording:
        recording.write(bgr(1), 0.0)
        assert path.read_bytes() == b"of yesterday"
    assert [read_number(pixels) for _, pixels in played(path)] == [1]
    assert [child.name for child in tmp_path.iterdir()] == ["out.mp4"]


class Box(BaseAlgo):
    """A box that the default drawing finds."""

    def run(self, frames: Frames) -> dict[str, list[list[float]]]:  # noqa: ARG002
        return {"boxes": [[0.3, 0.4, 0.7, 0.8]]}


class Painter(BaseAlgo):
    """Paints all white."""

    def run(self, frames: Frames) -> int:
        return frames.numbers[-1]

    def draw(self, image: np.ndarray, result: int) -> None:  # noqa: ARG002
        image[120:] = 255


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    times = [0.04 * number + (0.013 if number % 3 else 0.0) for number in range(75)]
    return encode(tmp_path_factory.mktemp("record") / "clip.mp4", gop=25, pts=times)


def test_an_inference_is_recorded_with_what_was_found_and_the_times_of_the_source(
    clip: Path, tmp_path: Path
) -> None:
    results = [run.result for run in infer(clip, Use(Box(), interval=1.0), record=tmp_path / "out.mp4")]
    assert len(results) == 3
    before, after = list(played(clip)), list(played(tmp_path / "out.mp4"))
    assert [time_s for time_s, _ in after] == pytest.approx([time_s for time_s, _ in before], abs=0.001)
    assert [read_number(pixels) for _, pixels in after] == list(range(75))
    for (_, plain), (_, drawn) in zip(before, after, strict=True):
        edge = np.abs(plain.astype(int) - drawn.astype(int))[94:99, 110:210]  # of the box, at 0.4 of 240
        assert edge.mean() > 20


def test_an_algorithm_draws_its_own(clip: Path, tmp_path: Path) -> None:
    list(infer([clip], Use(Painter(), interval=0), record=str(tmp_path / "{stream}.mp4")))
    assert all(pixels[130:230].mean() > 240 for _, pixels in played(tmp_path / "clip.mp4"))


def test_a_function_makes_the_pictures(clip: Path, tmp_path: Path) -> None:
    def on_frame(shown: Shown) -> np.ndarray:
        return np.full((60, 80, 3), 10 * len(shown.results), np.uint8)

    list(infer(clip, Use(Box(), interval=0), record=tmp_path / "out.mp4", on_frame=on_frame))
    assert all(abs(float(pixels.mean()) - 10) < 3 for _, pixels in played(tmp_path / "out.mp4"))


def test_a_loop_that_is_left_leaves_a_recording_that_says_so(clip: Path, tmp_path: Path) -> None:
    with infer(clip, Use(Box(), interval=0.2), record=tmp_path / "out.mp4") as inference:
        for _ in range(5):
            next(inference)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["comment"].startswith("incomplete: interrupted at 0.")
    assert 10 <= len(list(played(tmp_path / "out.mp4"))) < 75
