"""Decoding on demand: the same pictures as decoding everything gives, and only those."""

import gc
import itertools
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import psutil
import pytest

from agent.capture.accounting import Fate
from agent.capture.groups import HEADLESS_FRAMES, MAX_GROUP_FRAMES
from agent.capture.pyav_decoder import PacketUnit, VideoPacket
from agent.capture.source import Pixels, Unit
from agent.frames import FrameFormat
from agent.ipc.messages import SampleSpec
from tests.parts.playing import ALGORITHM, Outcome, Theatre, whole
from tests.parts.sources import opened
from tests.video import Segment, encode, encode_segments, picture, read_number

WIDTH, HEIGHT = 160, 120
FRAMES = 110

CODECS: dict[str, dict[str, Any]] = {
    "h264": {"codec": "libx264", "name": "v.mp4"},
    "h264-b": {"codec": "libx264", "b_frames": 3, "name": "v.mp4"},
    "h264-open": {"codec": "libx264", "b_frames": 2, "open_gop": True, "gop": 24, "name": "v.ts"},
    "h264-long": {"codec": "libx264", "b_frames": 2, "gop": 300, "name": "v.mkv"},
    "hevc": {"codec": "libx265", "name": "v.mp4"},
    "hevc-b": {"codec": "libx265", "b_frames": 3, "gop": 20, "name": "v.mkv"},
    "hevc-open": {"codec": "libx265", "b_frames": 3, "open_gop": True, "gop": 24, "name": "v.ts"},
    "h264-bare": {"codec": "libx264", "b_frames": 2, "name": "v.h264"},
    "mjpeg": {"codec": "mjpeg", "name": "v.avi"},
    "vp9": {"codec": "libvpx-vp9", "name": "v.webm"},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A clip by its name in CODECS, encoded once."""
    folder = tmp_path_factory.mktemp("clips")

    @lru_cache
    def make(name: str) -> Path:
        options: dict[str, Any] = dict(CODECS[name])
        path = folder / f"{name}-{options.pop('name')}"
        return encode(path, width=WIDTH, height=HEIGHT, frames=FRAMES, **options)

    return make


def spec(
    keyframes: str = "never",
    interval: float = 1.0,
    count: int = 1,
    step: int = 1,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixel_format: str = "gray8",
) -> SampleSpec:
    return SampleSpec(ALGORITHM, count, step, interval, keyframes, *size, pixel_format)  # type: ignore[arg-type]


def play(
    path: Path, asked: SampleSpec, free: Callable[[int], bool] = lambda _: True, fps: float | None = None
) -> Outcome:
    with opened(path) as source:
        outcome = Theatre(source, asked, fps=fps).play(free)
    assert sum(outcome.fates.values()) == outcome.received
    assert outcome.given_up == []
    return outcome


def check_identity(outcome: Outcome, frames: dict[int, tuple[int, Pixels]], what: object) -> None:
    for window in outcome.windows:
        for ref, pixels in window:
            number, expected = frames[round(ref.pts_s * 1000)]
            assert ref.number == number, what
            assert np.array_equal(pixels, expected), (what, number)


def now_and_then(every: int) -> Callable[[int], bool]:
    """Somebody is free after every so many packets."""
    return lambda count: count % every == 0


SAMPLINGS = [
    (0.0, 1, 1),
    (0.2, 1, 1),
    (0.33, 1, 1),
    (1.0, 1, 1),
    (2.0, 1, 1),
    (0.5, 3, 2),
    (1.0, 3, 20),
    (0.2, 4, 1),
]


@pytest.mark.parametrize("keyframes", ["never", "auto", "only"])
@pytest.mark.parametrize("name", CODECS)
def test_what_an_algorithm_sees_is_to_the_bit_what_decoding_everything_gives(
    clip: Callable[[str], Path], name: str, keyframes: str
) -> None:
    path = clip(name)
    frames = whole(path, FrameFormat(WIDTH, HEIGHT, "gray8"))
    assert len(frames) == FRAMES
    for interval, count, step in SAMPLINGS:
        for every in (1, 7, 31):
            outcome = play(path, spec(keyframes, interval, count, step), now_and_then(every))
            check_identity(outcome, frames, (interval, count, step, every))
            if count == 1:
                assert outcome.windows


@pytest.mark.parametrize("name", ["h264-b", "hevc-open"])
def test_colours_are_the_same_too(clip: Callable[[str], Path], name: str) -> None:
    frames = whole(clip(name), FrameFormat(80, 60, "bgr24"))
    outcome = play(clip(name), spec(interval=0.3, size=(80, 60), pixel_format="bgr24"))
    check_identity(outcome, frames, name)


@pytest.mark.parametrize("keyframes", ["never", "auto"])
@pytest.mark.parametrize("name", ["asl-walk.mkv", "one-by-one-person-detection.mp4"])
def test_real_clips_give_the_same_frames(data_dir: Path, name: str, keyframes: str) -> None:
    path = data_dir / name
    with opened(path) as source:
        size = (source.info.width, source.info.height)
    frames = whole(path, FrameFormat(*size, "gray8"))
    for interval, count, step in [(0.4, 1, 1), (3.0, 1, 1), (2.0, 3, 2)]:
        outcome = play(path, spec(keyframes, interval, count, step, size))
        assert outcome.windows
        check_identity(outcome, frames, (interval, count, step))


@pytest.mark.parametrize("name", ["h264", "h264-b", "h264-open", "hevc-b", "vp9", "mjpeg"])
def test_numbers_are_those_of_the_frames_in_the_order_in_which_they_are_shown(
    clip: Callable[[str], Path], name: str
) -> None:
    outcome = play(clip(name), spec(interval=0.24))
    numbers = [ref.number for ref in outcome.newest]
    assert numbers == list(range(0, FRAMES, 6))
    assert [read_number(window[-1][1]) for window in outcome.windows] == numbers


# --- how little is decoded ---


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_nothing_is_decoded_for_nobody(clip: Callable[[str], Path], name: str) -> None:
    outcome = play(clip(name), spec(), lambda _: False)
    assert (outcome.decoded, outcome.windows) == (0, [])
    assert outcome.received == FRAMES


def test_a_run_on_a_key_frame_decodes_that_alone(clip: Callable[[str], Path]) -> None:
    """A key frame each second, and a run each second."""
    outcome = play(clip("h264"), spec("auto", 1.0), lambda n: n > 30)
    assert [ref.number for ref in outcome.newest] == [30, 50, 75, 100]
    # The first one at once, from its key frame on, and what comes after it.
    assert outcome.decoded <= 7 + 3


def test_a_run_between_key_frames_decodes_its_group_up_to_it(clip: Callable[[str], Path]) -> None:
    outcome = play(clip("h264"), spec("never", 1.4), lambda n: n > 30)
    assert [ref.number for ref in outcome.newest] == [30, 35, 70, 105]
    assert outcome.decoded <= 11 + 21 + 6


def test_a_long_burst_of_decoding_gives_signs_of_life(clip: Callable[[str], Path]) -> None:
    outcome = play(clip("h264-long"), spec(interval=1.0), lambda count: count == 90)
    assert min(outcome.signs_of_life, outcome.decoded) > 50


@pytest.mark.parametrize("keyframes", ["never", "auto"])
@pytest.mark.parametrize("name", ["h264-b", "hevc-b"])
def test_a_time_that_is_missing_now_and_then_costs_an_exact_place_and_no_more(
    clip: Callable[[str], Path], name: str, keyframes: str
) -> None:
    path = clip(name)
    pictures = dict(whole(path, FrameFormat(WIDTH, HEIGHT, "gray8")).values())
    places = itertools.count()

    def untimed(unit: Unit) -> Unit:
        if next(places) in {12, 31, 32, 57, 90}:
            cast("PacketUnit", unit).pts_s = None
        return unit

    with opened(path) as source:
        outcome = Theatre(source, spec(keyframes, 1.0, 2, 3)).play(change=untimed)
    assert outcome.note == ""
    assert outcome.decoded < FRAMES
    assert len(outcome.windows) >= 3
    for ref, pixels in itertools.chain.from_iterable(outcome.windows):
        near = [pictures[n] for n in range(ref.number - 4, ref.number + 5) if n in pictures]
        assert any(np.array_equal(pixels, one) for one in near), ref


def test_times_that_are_missing_from_then_on_have_everything_decoded(clip: Callable[[str], Path]) -> None:
    path = clip("h264-b")
    pictures = dict(whole(path, FrameFormat(WIDTH, HEIGHT, "gray8")).values())
    places = itertools.count()

    def untimed(unit: Unit) -> Unit:
        if next(places) >= 40:
            packet = cast("PacketUnit", unit)
            packet.pts_s = packet.dts_s = None
        return unit

    with opened(path) as source:
        outcome = Theatre(source, spec(interval=0.2)).play(change=untimed)
    assert "no presentation times" in outcome.note
    assert outcome.received == FRAMES
    assert outcome.fates[Fate.CORRUPT] <= 1  # the first whose place was guessed
    for ref, pixels in itertools.chain.from_iterable(outcome.windows):
        near = [pictures[n] for n in range(ref.number - 4, ref.number + 5) if n in pictures]
        assert any(np.array_equal(pixels, one) for one in near), ref
    assert outcome.newest[-1].number > 100


def test_frames_that_no_other_needs_are_left_out(clip: Callable[[str], Path]) -> None:
    """Three in four frames are B-frames, of which every other is referred to by none."""
    every = play(clip("h264-b"), spec(interval=0.0)).decoded
    some = play(clip("h264-b"), spec(interval=0.48)).decoded
    assert every == FRAMES
    assert some < 0.75 * FRAMES


def test_one_who_is_busy_costs_nothing_and_then_gets_the_newest(clip: Callable[[str], Path]) -> None:
    outcome = play(clip("h264"), spec("never", 0.2), lambda n: n in {0, 60})
    assert [ref.number for ref in outcome.newest] == [0, 59]
    assert outcome.skipped == [0, 10]
    assert outcome.decoded <= 1 + 10
    assert outcome.fates[Fate.BUSY] > 0


# --- when a run is due ---


def test_auto_is_late_by_half_an_interval_at_most_and_does_not_drift(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", width=WIDTH, height=HEIGHT, frames=500, gop=30)
    outcome = play(path, spec("auto", 1.0))
    times = [ref.pts_s for ref in outcome.newest]
    late = [round(time_s - number, 3) for number, time_s in enumerate(times)]
    assert all(0 <= one <= 0.5 for one in late)
    # Key frames come each 1.2 s: where one is near enough, it is taken.
    keys = {round(1.2 * number, 3) for number in range(20)}
    reachable = [n for n in range(len(times)) if any(0 <= key - n <= 0.5 for key in keys)]
    assert reachable[-1] > 10
    assert all(round(times[n], 3) in keys for n in reachable[2:])


def test_only_takes_key_frames_and_no_others(clip: Callable[[str], Path]) -> None:
    outcome = play(clip("hevc-b"), spec("only", 0.3, count=2))
    assert [[ref.number for ref, _ in window] for window in outcome.windows] == [
        [0, 20],
        [20, 40],
        [40, 60],
        [60, 80],
        [80, 100],
    ]
    assert outcome.decoded == 6


def test_thinning_leaves_a_key_frame_its_turn(clip: Callable[[str], Path]) -> None:
    outcome = play(clip("h264"), spec("only", 0.0), fps=0.5)
    assert [ref.number for ref in outcome.newest] == [0, 50, 100]


# --- hard streams ---


def test_a_group_without_end_is_decoded_as_it_comes_and_said_so(tmp_path: Path) -> None:
    frames = MAX_GROUP_FRAMES + 200
    path = encode(tmp_path / "v.mkv", width=80, height=60, frames=frames, gop=frames, b_frames=0)
    outcome = play(path, spec("never", 4.0, size=(80, 60)))
    assert [ref.number for ref in outcome.newest] == list(range(0, frames, 100))
    check_identity(outcome, whole(path, FrameFormat(80, 60, "gray8")), "long")
    assert "no key frame" in outcome.note


def test_key_frames_may_come_at_other_times_than_foreseen(tmp_path: Path) -> None:
    """Every second at first, then every 4.4 s, then five a second."""
    times = [number / 25 for number in range(300)]
    path = tmp_path / "v.mp4"
    keys = {*range(0, 100, 25), 100, 210, *range(215, 300, 5)}
    _encode_with_keys(path, len(times), keys)
    frames = whole(path, FrameFormat(WIDTH, HEIGHT, "gray8"))
    for keyframes in ("auto", "never"):
        outcome = play(path, spec(keyframes, 1.0))
        check_identity(outcome, frames, keyframes)
        late = [round(ref.pts_s - number, 3) for number, ref in enumerate(outcome.newest)]
        assert len(late) == 12
        assert all(0 <= one <= (0.5 if keyframes == "auto" else 0.0) for one in late), late


def _encode_with_keys(path: Path, count: int, keys: set[int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"x264-params": "keyint=infinite:scenecut=0:bframes=0"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, WIDTH, HEIGHT), format="rgb24")
            frame.pict_type = (
                av.video.frame.PictureType.I if number in keys else av.video.frame.PictureType.NONE
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_damaged_group_costs_its_frames_and_no_more(clip: Callable[[str], Path]) -> None:
    damaged = {30, 31, 32}
    counted = itertools.count()

    def change(unit: Unit) -> Unit:
        if next(counted) in damaged:
            assert isinstance(unit, PacketUnit)
            worse = av.Packet(b"\x00\x00\x00\x08" + bytes(range(8)))
            worse.pts, worse.dts, worse.time_base = unit.packet.pts, unit.packet.dts, unit.packet.time_base
            unit.packet = cast("VideoPacket", worse)
        return unit

    with opened(clip("h264")) as source:
        outcome = Theatre(source, spec(interval=0.0)).play(change=change)
    assert outcome.fates[Fate.CORRUPT] == len(damaged)
    numbers = [ref.number for ref in outcome.newest]
    assert numbers == [number for number in range(FRAMES) if number not in damaged]
    assert all(
        read_number(window[0][1]) == ref.number
        for window, ref in zip(outcome.windows, outcome.newest, strict=True)
        if not 30 <= ref.number < 50
    )


def test_what_comes_before_the_first_key_frame_is_not_played(clip: Callable[[str], Path]) -> None:
    with opened(clip("h264")) as source:
        for _ in range(10):
            source.read()
        outcome = Theatre(source, spec(interval=0.0)).play()
    assert [read_number(window[0][1]) for window in outcome.windows] == list(range(25, FRAMES))
    assert outcome.received == FRAMES - 10
    assert outcome.fates[Fate.NOT_WANTED] == 15
    assert FRAMES < HEADLESS_FRAMES


def test_a_stream_that_tells_of_no_key_frame_is_decoded_all_the_same(tmp_path: Path) -> None:
    frames = HEADLESS_FRAMES + 60
    path = encode(tmp_path / "v.mkv", width=80, height=60, frames=frames, gop=25)

    def change(unit: Unit) -> Unit:
        assert isinstance(unit, PacketUnit)
        unit.is_key = False
        return unit

    with opened(path) as source:
        outcome = Theatre(source, spec(interval=0.4, size=(80, 60))).play(change=change)
    numbers = [read_number(window[0][1]) for window in outcome.windows]
    assert numbers[0] >= HEADLESS_FRAMES
    assert len(numbers) >= 4
    assert "no key frame" in outcome.note
    assert outcome.fates[Fate.CORRUPT] == 0


def test_another_size_begins_a_generation_of_its_own(tmp_path: Path) -> None:
    path = encode_segments(
        tmp_path / "v.ts",
        [Segment(width=160, height=120, frames=50), Segment(width=240, height=180, frames=50)],
    )
    outcome = play(path, spec(interval=0.4))
    assert outcome.sizes == [(240, 180)]
    numbers = [read_number(window[0][1]) for window in outcome.windows]
    assert numbers[:5] == [0, 10, 20, 30, 40]
    assert all(number >= 50 for number in numbers[5:])
    assert len(numbers) >= 9


def test_a_source_leaves_nothing_behind_when_it_is_closed(tmp_path: Path) -> None:
    """Some 5 MB of pictures and packets each time: a circle through FFmpeg is one that nobody finds."""
    path = encode(tmp_path / "v.mp4", width=1280, height=720, frames=30)
    process = psutil.Process()

    def play_once() -> int:
        with opened(path) as source:
            theatre = Theatre(source, spec(interval=0.2, size=(160, 90)))
            assert theatre.play().windows
            theatre.playing.close()
        del theatre, source
        gc.collect()
        return int(process.memory_full_info().uss)

    before = [play_once() for _ in range(4)][-1]
    after = [play_once() for _ in range(10)][-1]
    assert after - before < 15e6


@pytest.mark.parametrize("fps", [None, 10.0])
def test_the_first_window_has_the_first_frames(tmp_path: Path, fps: float | None) -> None:
    """None of them was taken for one that nobody will ask for, and left out."""
    clip = encode(tmp_path / "clip.mp4", frames=60, gop=20, b_frames=2)
    with opened(clip) as source:
        spec = SampleSpec(ALGORITHM, 2, 2, 1.0, "never", 320, 240, "bgr24")
        outcome = Theatre(source, spec, fps=fps).play()
    assert [ref.number for ref, _ in outcome.windows[0]] == [0, 2 if fps is None else 5]
    # One group of 20 is between the windows, and of the others a third at most is of no use.
    assert outcome.decoded < 60
