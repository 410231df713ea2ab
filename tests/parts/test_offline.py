"""A finite source from start to end: every window, in order, and those that a live stream gives."""

import threading
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from av.codec.context import ThreadType

from agent import Run, Shown, Use, infer
from agent.capture import pyav_source
from agent.capture.pyav_decoder import open_context
from agent.config.algorithms import Keyframes
from agent.errors import Cause, ConfigError, SourceError
from agent.ipc.messages import SampleSpec
from agent.offline import playback
from algos import BaseAlgo, Frames
from tests.parts.playing import ALGORITHM, Theatre
from tests.parts.remux import noise, remux
from tests.parts.sources import opened
from tests.video import encode, read_number

SIZE = (320, 240)


class Seen(BaseAlgo):
    """The numbers that are burned into the frames of a window."""

    def run(self, frames: Frames) -> list[int]:
        return [read_number(frame) for frame in frames]


class Numbered(BaseAlgo):
    """The numbers of the frames, whatever is in them."""

    def run(self, frames: Frames) -> list[int]:
        return list(frames.numbers)


class Slow(Seen):
    """Longer for some than for others."""

    def run(self, frames: Frames) -> list[int]:
        threading.Event().wait(0.002 * (frames.numbers[-1] % 5))
        return super().run(frames)


class Picky(Seen):
    """Raises now and then."""

    def run(self, frames: Frames) -> list[int]:
        if frames.numbers[-1] % 20 == 10:
            raise ValueError(f"no frame {frames.numbers[-1]}, please")
        return super().run(frames)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds with B-frames."""
    return encode(tmp_path_factory.mktemp("offline") / "clip.mp4", frames=100, gop=20, b_frames=2)


def results(runs: Iterable[Run]) -> list[Any]:
    return [run.result for run in runs]


def infer_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("infer")]


@pytest.mark.parametrize("fps", [None, 10.0])
@pytest.mark.parametrize("keyframes", ["auto", "only", "never"])
@pytest.mark.parametrize(
    ("count", "step", "interval"), [(1, 0, 0.0), (1, 1, 0.2), (3, 2, 0.33), (4, 1, 0.0), (2, 2, 1.0)]
)
def test_windows_are_those_of_a_live_stream_whose_workers_are_always_free(
    clip: Path, *, count: int, step: int, interval: float, keyframes: Keyframes, fps: float | None
) -> None:
    spec = SampleSpec(ALGORITHM, count, step, interval, keyframes, *SIZE, "bgr24")
    with opened(clip) as source:
        live = Theatre(source, spec, fps=fps).play()
    use = Use(Seen(), frame_count=count, frame_step=step, interval=interval, keyframes=keyframes, size=SIZE)
    runs = list(infer(clip, [use], fps=fps))
    # The theatre asks for a window when a packet has come: of those that come with the end it gets one.
    assert 0 <= len(runs) - len(live.windows) <= 2
    runs = runs[: len(live.windows)]
    assert runs
    assert [run.frames.numbers for run in runs] == [
        tuple(ref.number for ref, _ in window) for window in live.windows
    ]
    assert [run.frames.times for run in runs] == [
        tuple(ref.pts_s for ref, _ in window) for window in live.windows
    ]
    for run, window in zip(runs, live.windows, strict=True):
        for frame, (_, pixels) in zip(run.frames, window, strict=True):
            assert np.array_equal(frame, pixels)
        assert run.result == [read_number(pixels) for _, pixels in window]
        assert (run.time, run.frame) == (run.frames.times[-1], run.frames.numbers[-1])


def test_each_frame_comes_once_and_in_order_however_long_runs_take(clip: Path) -> None:
    uses = [Use(Slow("slow"), interval=0), Use(Seen("quick"), interval=0)]
    runs = list(infer(clip, uses))
    assert [(run.frame, run.algorithm) for run in runs] == [
        (number, name) for number in range(100) for name in ("slow", "quick")
    ]
    assert results(runs) == [[number] for number in range(100) for _ in uses]


def test_the_same_twice_gives_the_same_twice(clip: Path) -> None:
    def once() -> list[tuple[float, Any]]:
        return [(run.time, run.result) for run in infer(clip, [Use(Slow(), frame_count=3, interval=0.1)])]

    assert once() == once()


def test_little_is_decoded_for_little(tmp_path: Path) -> None:
    long = encode(tmp_path / "long.mp4", frames=1500, gop=50)
    with infer(long, Use(Seen(), interval=10.0)) as inference:
        assert results(inference) == [[0], [250], [500], [750], [1000], [1250]]
        assert inference.progress.frames == 1500
        assert (
            inference.progress.decoded <= 24
        )  # a decoder on all cores gives a frame when it has more than that one


@pytest.mark.parametrize(
    ("position", "until", "numbers"),
    [(0.0, None, range(0, 100, 10)), (1.0, 3.0, range(25, 75, 10)), (3.96, None, [99]), (0, 0.02, [0])],
)
def test_a_part_of_a_source(clip: Path, position: float, until: float | None, numbers: Iterable[int]) -> None:
    use = Use(Seen(), interval=0.4, keyframes="never")
    assert results(infer(clip, use, position=position, until=until)) == [[number] for number in numbers]


def test_what_lies_before_the_position_is_not_decoded(clip: Path) -> None:
    with infer(clip, Use(Seen(), interval=0), position=3.2) as inference:
        assert results(inference) == [[number] for number in range(80, 100)]
        assert inference.progress.decoded <= 25


def test_a_position_behind_the_end_gives_nothing(clip: Path) -> None:
    assert results(infer(clip, Use(Seen()), position=60)) == []


def test_several_sources_come_one_after_the_other(clip: Path, tmp_path: Path) -> None:
    other = encode(tmp_path / "the other one.mp4", frames=30, gop=10)
    begun: list[str] = []

    class Counting(BaseAlgo):
        def init(self) -> None:
            begun.append("init")
            self.count = 0

        def run(self, frames: Frames) -> int:
            assert frames.stream
            self.count += 1
            return self.count

    runs = list(infer([clip, other], [Use(Counting(), interval=1.0, keyframes="never")]))
    assert [(run.stream, run.result) for run in runs] == [
        *[("clip", count) for count in range(1, 5)],
        *[("the-other-one", count) for count in range(1, 3)],
    ]
    assert begun == ["init", "init"]


def test_a_folder_of_images_and_a_scene(tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 60, 3), number, np.uint8))

    class Level(BaseAlgo):
        def run(self, frames: Frames) -> int:
            return int(frames[-1][0, 0, 0])

    assert results(infer(tmp_path, Use(Level(), interval=0))) == [0, 1, 2, 3, 4]
    began_s = time.monotonic()
    runs = list(infer("test://scene?frames=200&fps=10", Use(Level(), interval=1.0)))
    assert [run.time for run in runs] == [float(second) for second in range(20)]
    assert time.monotonic() - began_s < 15  # of twenty seconds


def test_what_run_raises_is_raised_here_and_everything_ends(clip: Path) -> None:
    inference = infer(clip, [Use(Picky(), interval=0)])
    with pytest.raises(ValueError, match="no frame 10, please"):
        list(inference)
    assert infer_threads() == []
    assert list(inference) == []


def test_or_it_is_kept_and_the_next_run_goes_on(clip: Path) -> None:
    runs = list(infer(clip, [Use(Picky(), interval=0)], on_error="keep"))
    bad = [run for run in runs if not run.ok]
    assert [run.frame for run in bad] == [10, 30, 50, 70, 90]
    assert bad[0].error == "ValueError: no frame 10, please"
    assert bad[0].trace.splitlines()[1].strip().startswith(f'File "{__file__}"')
    assert len(runs) == 100


def test_a_loop_that_is_left_ends_everything(clip: Path) -> None:
    for run in infer(clip, [Use(Slow(), interval=0)]):
        if run.frame == 5:
            break
    assert infer_threads() == []


def test_an_inference_that_nobody_asks_starts_nothing(clip: Path) -> None:
    infer(clip, [Use(Seen())]).close()
    assert infer_threads() == []


def test_memory_is_bounded_however_slowly_runs_are_collected(clip: Path) -> None:
    with infer(clip, [Use(Numbered(), interval=0, size=(3840, 2160))]) as inference:
        next(inference)
        threading.Event().wait(0.5)
        assert inference.progress.frames < 30  # of 25 MB each, of which 256 MB may wait
        assert len(results(inference)) == 99


def test_every_frame_is_shown_with_the_newest_results(clip: Path) -> None:
    seen: list[tuple[int, dict[str, int]]] = []

    def on_frame(shown: Shown) -> None:
        assert shown.picture.flags.writeable
        shown.picture[:] = 0
        newest = {name: run.frame for name, run in shown.results.items()}
        seen.append((shown.number, newest))

    uses = [Use(Seen("each"), interval=0), Use(Seen("second"), interval=1.0, keyframes="never")]
    runs = list(infer(clip, uses, on_frame=on_frame))
    assert [number for number, _ in seen] == list(range(100))
    assert [newest for _, newest in seen] == [
        {"each": number, "second": number // 25 * 25} for number in range(100)
    ]
    # What was painted on was nobody else's.
    assert results(run for run in runs if run.algorithm == "each") == [[number] for number in range(100)]


def test_progress_is_told(clip: Path) -> None:
    told: list[float] = []
    list(
        infer(clip, [Use(Slow(), interval=0)], on_progress=lambda progress: told.append(progress.position_s))
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(3.96)


class Stranger:
    """What was written for another library: a list of arrays of its own."""

    name = "stranger"

    def init(self) -> None:
        self.level = 7

    def run(self, frames: list[Any]) -> int:
        frames[0][:] = self.level
        return int(frames[0][0, 0, 0])


def test_a_class_of_another_library_may_paint_on_its_frames(clip: Path) -> None:
    assert results(infer(clip, Use(Stranger(), interval=2.0))) == [7, 7]


def test_a_damaged_file_gives_what_can_be_had(clip: Path, tmp_path: Path) -> None:
    damaged = remux(clip, tmp_path / "damaged.mp4", lambda place, it: noise(it) if place == 45 else it)
    runs = list(infer(damaged, Use(Stranger(), interval=0)))
    assert 80 <= len(runs) <= 100
    assert {run.frame for run in runs} >= {*range(38), *range(60, 100)}


def test_a_source_that_cannot_be_opened_says_why_after_those_before(clip: Path, tmp_path: Path) -> None:
    inference = infer([clip, tmp_path / "none.mp4"], Use(Seen(), interval=1.0))
    assert [next(inference).result for _ in range(4)] == [[0], [25], [60], [80]]
    with pytest.raises(SourceError, match=r"none\.mp4: there is no such file") as caught:
        next(inference)
    assert caught.value.cause is Cause.NOT_FOUND


def test_what_init_raises_is_raised(clip: Path) -> None:
    class Broken(BaseAlgo):
        def init(self) -> None:
            raise OSError("there is no model.onnx")

    with pytest.raises(OSError, match=r"no model\.onnx"):
        next(infer(clip, Use(Broken())))
    assert infer_threads() == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Use(Seen), "Seen is a class: an inference takes an instance"),
        (lambda: Use(object()), "object has no run"),
        (lambda: Use(Seen(), interval=-1), "interval: must be at least 0"),
        (lambda: Use(Seen(), frame_count=0), "frame_count: must be at least 1"),
        (lambda: Use(Seen(), size=(33, 0)), "size"),
        (lambda: Use(Seen(), pixel_format="bgr"), "pixel_format: must be"),  # type: ignore[arg-type]
        (lambda: Use(Seen("a b")), "id: must be 1 to 64 letters"),
        (lambda: infer("a.mp4", [Use(Seen()), Use(Seen())]), "two algorithms are called Seen"),
        (lambda: infer([], [Use(Seen())]), "no source"),
        (lambda: infer("a.mp4", Use(Seen()), fps=0), "fps must be more than 0"),
        (lambda: infer("a.mp4", Use(Seen()), position=-1), "position must be"),
        (lambda: infer("a.mp4", Use(Seen()), position=2, until=1), "until must be more than position"),
        (lambda: infer(["a.mp4", "b.mp4"], Use(Seen()), record="out.mp4"), "put {stream} into its name"),
        (lambda: infer("./a.mp4", Use(Seen()), record="a.mp4"), "a.mp4 is a source, and would be replaced"),
        (lambda: infer(["a.mp4", "b.mp4"], Use(Seen()), record="{stream}.mp4"), "would be replaced"),
    ],
)
def test_what_cannot_be_is_said_at_once(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


class Fingerprint(BaseAlgo):
    """What the pixels of a frame add up to."""

    def run(self, frames: Frames) -> int:
        return zlib.crc32(frames[-1].tobytes())


@pytest.mark.parametrize(("codec", "b_frames"), [("libx264", 0), ("libx264", 2), ("libx265", 2)])
def test_damage_is_counted_and_the_same_each_time(tmp_path: Path, codec: str, b_frames: int) -> None:
    plain = encode(tmp_path / "plain.mkv", codec=codec, frames=60, gop=20, b_frames=b_frames)
    bad = remux(plain, tmp_path / "bad.mkv", lambda at, p: noise(p) if at in {5, 26, 27} else p)

    def played() -> tuple[list[tuple[int, int]], int]:
        inference = infer(bad, Use(Fingerprint(), interval=0))
        return [(run.frame, run.result) for run in inference], inference.progress.damaged

    runs, damaged = played()
    assert damaged >= 1
    assert len(runs) + damaged == 60
    assert [number for number, _ in runs][-20:] == list(range(40, 60))
    assert played() == (runs, damaged)


@pytest.mark.parametrize(("codec", "b_frames"), [("libx264", 0), ("libx264", 2), ("libx265", 2)])
def test_damage_costs_no_other_frames_however_many_threads_decode(
    tmp_path: Path, codec: str, b_frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several, a decoder tells of a bad packet when it was given others: those are none the worse."""
    plain = encode(tmp_path / "plain.mkv", codec=codec, frames=60, gop=20, b_frames=b_frames)
    bad = remux(plain, tmp_path / "bad.mkv", lambda at, p: noise(p) if at in {5, 26, 27, 44} else p)

    def played(threads: int) -> tuple[list[int], int]:
        def with_threads(*args: Any, hurry: bool) -> Any:  # noqa: ANN401
            assert hurry
            context, choice = open_context(*args, hurry=False)
            context.thread_type, context.thread_count = ThreadType.FRAME, threads
            return context, choice

        monkeypatch.setattr(pyav_source, "open_context", with_threads)
        inference = infer(bad, Use(Fingerprint(), interval=0))
        return [run.frame for run in inference], inference.progress.damaged

    runs, damaged = played(1)
    assert damaged >= 4
    assert len(runs) == 60 - damaged
    for threads in (2, 8):
        assert played(threads) == (runs, damaged), threads


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        (["a.mp4"], ["a"]),
        (["x/a.mp4", "y/a.mp4", "a-2.mp4", "z/a.mkv"], ["a", "a-2", "a-2-2", "a-3"]),
        (
            ["rtsp://me:pass@10.0.0.5/live/TOKEN", "https://cdn.example/TOKEN.m3u8"],
            ["10.0.0.5", "cdn.example"],
        ),
        (["rtsp://10.0.0.5/a", "rtsp://10.0.0.5/b"], ["10.0.0.5", "10.0.0.5-2"]),
        (["usb:/dev/video0", "usb:serial=A/B", "test://scene?size=64x64"], ["video0", "B", "scene"]),
        (["file:///srv/a b#1.mp4", "frames/", "/"], ["a-b-1", "frames", "stream"]),
        ([f"{'x' * 80}.mp4", f"y/{'x' * 80}.mp4"], ["x" * 64, f"{'x' * 62}-2"]),
    ],
)
def test_each_source_has_an_id_without_what_may_be_secret(sources: list[str], ids: list[str]) -> None:
    assert playback.stream_ids(sources) == ids


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        encode(tmp_path / name / "door.mp4", frames=10)
    paths = [tmp_path / name / "door.mp4" for name in ("left", "right")]
    runs = list(infer(paths, Use(Seen(), interval=0), record=tmp_path / "{stream}-drawn.mp4"))
    assert [run.stream for run in runs] == ["door"] * 10 + ["door-2"] * 10
    assert (tmp_path / "door-drawn.mp4").exists()
    assert (tmp_path / "door-2-drawn.mp4").exists()
