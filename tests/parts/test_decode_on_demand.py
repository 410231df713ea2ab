"""Decoding on demand shows what decoding everything shows, to the bit; and decodes little."""

import contextlib
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from agent.config.algorithms import Keyframes
from agent.ipc.messages import SampleSpec
from tests.parts.captured import Captured, Whole, Window, play_all, spec, watch
from tests.video import encode, read_number

KEYFRAMES: tuple[Keyframes, ...] = ("auto", "only", "never")
NEAR_S = 0.0015  # containers round to a millisecond
AHEAD_NS = 60_000_000  # a want that came so long before its frame was there in time

SAMPLINGS: dict[str, tuple[SampleSpec, ...]] = {
    "every frame": (spec(0),),
    "0.2 s": (spec(0.2, pixel_format="gray8"),),
    "0.2 s, auto": (spec(0.2, "auto"),),
    "0.33 s": (spec(0.33),),
    "0.33 s, auto, three": (spec(0.33, "auto", count=3, step=2, pixel_format="gray8"),),
    "0.33 s, three": (spec(0.33, count=3, step=2),),
    "1 s, three": (spec(1.0, count=3, step=2, pixel_format="gray8"),),
    "1 s, auto": (spec(1.0, "auto"),),
    "0.33 s, keys": (spec(0.33, "only"),),
    "0.5 s, keys, two": (spec(0.5, "only", count=2),),
    "four at once": (
        spec(1.0, "auto", name="a"),
        spec(0.33, count=3, step=2, name="b"),
        spec(0.33, "only", name="c", pixel_format="gray8"),
        spec(0.2, name="d", size=(160, 120), pixel_format="gray8"),
    ),
}


@dataclass(frozen=True, slots=True)
class Clip:
    """A file to make."""

    name: str
    codec: str = "libx264"
    b_frames: int = 0
    open_gop: bool = False
    gop: int = 18

    def make(self, folder: Path, frames: int) -> Path:
        return encode(
            folder / self.name,
            codec=self.codec,
            frames=frames,
            gop=self.gop,
            b_frames=self.b_frames,
            open_gop=self.open_gop,
        )


FAMILIES = {
    "h264 without B-frames": (Clip("p.mp4"), Clip("p.ts"), Clip("p.mkv", gop=7)),
    "h264 with B-frames": (
        Clip("b2.mp4", b_frames=2),
        Clip("b3.ts", b_frames=3),
        Clip("b3.mkv", b_frames=3, gop=11),
    ),
    "h264, open groups": (
        Clip("b2-open.mp4", b_frames=2, open_gop=True),
        Clip("b3-open.ts", b_frames=3, open_gop=True),
    ),
    "hevc": (
        Clip("p.mp4", "libx265"),
        Clip("b2.mkv", "libx265", b_frames=2),
        Clip("b3.ts", "libx265", b_frames=3),
    ),
    "hevc, open groups": (
        Clip("b2-open.mkv", "libx265", b_frames=2, open_gop=True),
        Clip("b3-open.ts", "libx265", b_frames=3, open_gop=True),
        Clip("b3-open.mp4", "libx265", b_frames=3, open_gop=True, gop=12),
    ),
    "mjpeg, vp9": (Clip("jpeg.mkv", "mjpeg"), Clip("vp9.mkv", "libvpx-vp9"), Clip("vp9.mp4", "libvpx-vp9")),
}


def faults(captured: Captured, whole: Whole, *, numbered: bool = True) -> list[str]:
    """What is wrong with the windows that came; `numbered`: frames have their number burned in."""
    wrong = []
    for name, one in captured.specs.items():
        windows = captured.windows[name]
        if not windows:
            wrong.append(f"{captured.name} {name}: no window at all")
        numbers = [window.newest.number for window in windows]
        if numbers != sorted(set(numbers)):
            wrong.append(f"{captured.name} {name}: frames twice or out of order: {numbers}")
        for window in windows:
            wrong += [
                f"{captured.name} {name}: {fault}" for fault in _of_window(window, one, whole, numbered)
            ]
    return wrong


def _of_window(window: Window, one: SampleSpec, whole: Whole, numbered: bool) -> list[str]:  # noqa: FBT001
    wrong = []
    for ref, picture in zip(window.frames, window.pictures, strict=True):
        place = whole.place(ref.pts_s)
        if place != ref.number:
            wrong.append(f"number {ref.number} at {ref.pts_s:.3f} s is frame {place}")
        if not np.array_equal(picture, whole.pixels(place, one.pixel_format, (one.width, one.height))):
            wrong.append(f"other pixels in frame {ref.number}")
        if numbered and read_number(picture) != ref.number:
            wrong.append(f"frame {ref.number} shows {read_number(picture)}")
        if one.keyframes == "only" and not whole.keys[place]:
            wrong.append(f"frame {ref.number} is no key frame")
    steps = [after.number - before.number for before, after in pairwise(window.frames)]
    if len(window.frames) != one.frame_count:
        wrong.append(f"{len(window.frames)} frames")
    if one.keyframes != "only" and steps != [max(1, one.frame_step)] * (one.frame_count - 1):
        wrong.append(f"steps {steps}")
    return wrong


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_those_of_a_full_decode(tmp_path: Path, family: str) -> None:
    clips = {clip.make(tmp_path, 56): clip for clip in FAMILIES[family]}
    wholes = {path: Whole(path) for path in clips}
    captured = [(Captured(path, *specs), wholes[path]) for path in clips for specs in SAMPLINGS.values()]
    play_all([one for one, _ in captured])
    wrong = [fault for one, whole in captured for fault in faults(one, whole)]
    assert not wrong, "\n".join(wrong[:20])
    for one, whole in captured:
        assert one.count.received == len(whole), one.name
        assert one.count.corrupt == 0, one.name
        assert one.count.next_frame == len(whole), one.name


def test_pictures_of_real_clips_are_those_of_a_full_decode(data_dir: Path) -> None:
    """The first seconds of each."""
    samplings = [
        (spec(0.2, pixel_format="gray8"),),
        (spec(0.33, "auto", size=(320, 240)),),
        (spec(1.0, count=3, step=2),),
        (spec(1.0, "only", pixel_format="gray8"), spec(0.5, "never", name="b", size=(160, 90))),
    ]
    clips = sorted(path for path in data_dir.iterdir() if path.suffix in {".mp4", ".mkv"})
    wholes = {path: Whole(path, limit=150) for path in clips}
    captured = [(Captured(path, *specs), wholes[path]) for path in clips for specs in samplings]
    _play_s([one for one, _ in captured], 3.0)
    wrong = [fault for one, whole in captured for fault in faults(one, whole, numbered=False)]
    assert not wrong, "\n".join(wrong[:20])


def _play_s(captured: list[Captured], seconds: float) -> None:
    """Play until each has a window of a frame this late in the file."""

    def far(one: Captured) -> bool:
        return one.ended or all(
            windows and windows[-1].newest.pts_s >= windows[0].newest.pts_s + seconds - specs.interval_s
            for windows, specs in zip(one.windows.values(), one.specs.values(), strict=True)
        )

    with contextlib.ExitStack() as stack:
        for one in captured:
            stack.enter_context(one)
        watch(captured, far, 40, f"{seconds:g} s")


# --- which frames ---


def in_time(windows: list[Window], due_s: list[float]) -> list[tuple[Window, float]]:
    """The windows that were wanted well before they were due, and when that was."""
    first = windows[0].newest
    found = []
    for window in windows:
        ripe = [due for due in due_s if due <= window.newest.pts_s + NEAR_S]
        due_ns = first.mono_ns + int((ripe[-1] - first.pts_s) * 1e9)
        if window.asked_ns < due_ns - AHEAD_NS and window.skipped == 0:
            found.append((window, ripe[-1]))
    return found


def grid(interval_s: float, whole: Whole) -> list[float]:
    """When runs are due."""
    first_s, last_s = whole.times_s[0], whole.times_s[-1]
    return [first_s + k * interval_s for k in range(math.ceil((last_s - first_s) / interval_s) + 1)]


def test_exact_frames_are_sampled_without_drift(tmp_path: Path) -> None:
    paths = [encode(tmp_path / f"{b}.mp4", frames=80, gop=25, b_frames=b) for b in (0, 3)]
    captured = [
        (Captured(p, spec(interval_s)), Whole(p)) for p in paths for interval_s in (0.2, 0.33, 0.5, 1)
    ]
    play_all([one for one, _ in captured])
    for one, whole in captured:
        windows = one.windows["a"]
        timely = in_time(windows, grid(one.specs["a"].interval_s, whole))
        assert len(timely) >= len(windows) / 2, one.name
        for window, due_s in timely:
            exact_s = next(time_s for time_s in whole.times_s if time_s >= due_s - NEAR_S)
            assert window.newest.pts_s == pytest.approx(exact_s, abs=1e-6), (one.name, due_s)


def test_a_run_is_late_by_half_an_interval_at_most_to_land_on_a_key_frame(tmp_path: Path) -> None:
    paths = [
        encode(tmp_path / "p.mkv", frames=90, gop=10),
        encode(tmp_path / "b2.mkv", frames=90, gop=9, b_frames=2),
        encode(tmp_path / "hevc.mkv", frames=90, gop=12, b_frames=2, codec="libx265"),
    ]
    intervals_s = (0.24, 0.33, 0.5, 0.7, 1.0)
    captured = [
        (Captured(p, spec(interval_s, "auto")), Whole(p)) for p in paths for interval_s in intervals_s
    ]
    play_all([one for one, _ in captured])
    for one, whole in captured:
        interval_s = one.specs["a"].interval_s
        windows = one.windows["a"]
        timely = in_time(windows, grid(interval_s, whole))
        assert len(timely) >= len(windows) / 2, one.name
        for window, due_s in timely:
            late_s = window.newest.pts_s - due_s
            exact_s = next(time_s for time_s in whole.times_s if time_s >= due_s - NEAR_S)
            assert -NEAR_S <= late_s <= max(interval_s / 2 + NEAR_S, exact_s - due_s), (one.name, due_s)
            # Of the distance of key frames nothing is known before the second one.
            keys = [k for k in whole.key_times_s if -NEAR_S <= k - due_s <= interval_s / 2 + NEAR_S / 2]
            if keys and due_s >= whole.key_times_s[1]:
                assert window.newest.pts_s == pytest.approx(keys[0], abs=1e-6), (one.name, due_s)


def test_key_frames_alone_can_be_asked_for(tmp_path: Path) -> None:
    paths = [encode(tmp_path / f"{b}.ts", frames=80, gop=10, b_frames=b) for b in (0, 3)]
    captured = [
        (Captured(p, spec(interval_s, "only")), Whole(p)) for p in paths for interval_s in (0, 0.1, 0.5, 1)
    ]
    play_all([one for one, _ in captured])
    for one, whole in captured:
        wrong = faults(one, whole)
        assert not wrong, "\n".join(wrong)
        assert one.count.decoded <= 8 + 1, one.name
        if one.specs["a"].interval_s <= 0.1:  # nothing thins them
            assert sum(1 + window.skipped for window in one.windows["a"]) >= 8, one.name


# --- how little is decoded ---


def test_nothing_is_decoded_for_nobody(tmp_path: Path) -> None:
    """Neither without algorithms, nor for algorithms that want nothing as their worker is busy."""
    path = encode(tmp_path / "clip.mp4", frames=60, gop=25, b_frames=2)
    nobody = Captured(path)
    busy = Captured(path, spec(0.2), spec(0, name="b"), wanting=())
    play_all([nobody, busy])
    for one in (nobody, busy):
        assert one.count.received == 60
        assert one.count.decoded == 0
    assert nobody.count.skipped_busy == 0
    assert busy.count.skipped_busy > 0


def test_a_run_for_each_key_frame_decodes_one_frame_a_run(tmp_path: Path) -> None:
    clips = [
        encode(tmp_path / f"clip{suffix}", frames=102, gop=50, b_frames=b_frames)
        for suffix, b_frames in ((".mp4", 0), (".ts", 0), (".mkv", 3))
    ]
    captured = [Captured(p, spec(2.0, keyframes, size=(320, 240))) for p in clips for keyframes in KEYFRAMES]
    play_all(captured)
    for one in captured:
        # With B-frames the decoder may be given some more, to get out the one that it holds back.
        decoded_a_run = 4 if ".mkv" in one.name else 1
        runs = len(one.windows["a"])
        assert one.count.received == 102
        assert 2 <= runs <= 3
        assert one.count.decoded <= runs * decoded_a_run + 1, one.name


def test_the_distance_of_key_frames_is_learnt(tmp_path: Path) -> None:
    """The first group may be decoded in vain, as long as nobody knows when it ends; no other."""
    path = encode(tmp_path / "clip.mp4", frames=80, gop=15)
    captured = [Captured(path, spec(0.6, keyframes)) for keyframes in KEYFRAMES]
    play_all(captured)
    for one in captured:
        assert len(one.windows["a"]) >= 4
        assert one.count.decoded <= 15 + len(one.windows["a"]) + 1, one.name
        assert one.count.key_interval_s == pytest.approx(0.6)


def test_only_groups_with_a_wanted_frame_are_decoded(tmp_path: Path) -> None:
    """Runs in the middle of every fourth group."""
    path = encode(tmp_path / "clip.mp4", frames=76, gop=5)
    with Captured(path, spec(0.92, "never")) as captured:
        captured.until_ended()
    assert not faults(captured, Whole(path))
    # Frames 0, 23, 46 and 69; the last three of them are the fourth, second and fifth of their groups.
    assert captured.count.decoded <= 1 + 4 + 2 + 5 + 8


def test_a_late_want_is_answered_from_the_current_group(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", frames=100, gop=50, b_frames=2)
    whole = Whole(path)
    with Captured(path, spec(0.5), wanting=()) as captured:
        captured.until(lambda: captured.counts and captured.count.received >= 25, what="a second of video")
        assert captured.count.decoded == 0
        captured.want("a")
        captured.until(lambda: captured.windows["a"], what="the window")
        window = captured.windows["a"][0]
        # Of the first group; it was there already, or came next, and was decoded from its key frame on.
        assert window.newest.number > 0
        assert window.newest.mono_ns > window.asked_ns - 1_000_000_000
        assert window.skipped > 0
        captured.until(lambda: len(captured.windows["a"]) >= 3, what="more windows")
    assert not faults(captured, whole)
