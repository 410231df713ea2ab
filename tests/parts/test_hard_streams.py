"""Decoding on demand of streams that are oddly timed, oddly grouped, or not what they were at their start."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.ipc.messages import SampleSpec
from tests.parts.captured import Captured, Whole, play_all, spec, watch
from tests.parts.remux import remux
from tests.video import Segment, encode, encode_segments, read_number

if TYPE_CHECKING:
    from av.packet import Packet

EACH, EXACT, AUTO, KEYS = spec(0), spec(0.2), spec(0.33, "auto", count=2, step=2), spec(0.4, "only")
SAMPLINGS: tuple[SampleSpec, ...] = (EACH, EXACT, AUTO, KEYS)


def unlike(captured: Captured, whole: Whole) -> list[str]:
    """Pictures that differ from those of the frames that are shown at their times."""
    wrong = []
    for name, one in captured.specs.items():
        windows = captured.windows[name]
        if not windows:
            wrong.append(f"{captured.name}: no window at all")
        for window in windows:
            for ref, picture in zip(window.frames, window.pictures, strict=True):
                place = whole.place(ref.pts_s)
                if not np.array_equal(picture, whole.pixels(place, one.pixel_format)):
                    wrong.append(f"{captured.name}: other pixels in frame {ref.number} at {ref.pts_s:.3f} s")
    return wrong


def check_alike(*paths: Path, samplings: tuple[SampleSpec, ...] = SAMPLINGS) -> list[Captured]:
    """Play each with each sampling for itself: pictures, and their numbers, are those of a full decode."""
    wholes = {path: Whole(path) for path in paths}
    pairs = [(Captured(path, one), whole) for path, whole in wholes.items() for one in samplings]
    captured = [one for one, _ in pairs]
    play_all(captured)
    wrong = [fault for one, whole in pairs for fault in unlike(one, whole)]
    assert not wrong, "\n".join(wrong[:20])
    for one, whole in pairs:
        assert one.count.received == len(whole), one.name
        for window in one.windows["a"]:
            for ref, picture in zip(window.frames, window.pictures, strict=True):
                assert ref.number == read_number(picture), one.name
    return captured


# --- times ---


def test_variable_rate_and_gaps(tmp_path: Path) -> None:
    steps = [0.04, 0.04, 0.02, 0.1, 0.04, 0.06, 0.04, 0.02] * 6
    steps[20] = 0.7
    pts = [float(time_s) for time_s in np.cumsum([0.0, *steps])]
    check_alike(*[encode(tmp_path / f"{b}.mp4", pts=pts, gop=9, b_frames=b) for b in (0, 2)])


def test_the_clock_of_a_transport_stream_wraps(tmp_path: Path) -> None:
    paths = []
    for b_frames in (0, 2):
        plain = encode(tmp_path / f"{b_frames}-plain.ts", frames=60, gop=15, b_frames=b_frames)
        begin = {"output_ts_offset": f"{2**33 / 90_000 - 1.0:.3f}"}
        paths.append(remux(plain, tmp_path / f"{b_frames}.ts", lambda _, packet: packet, begin))
    for one in check_alike(*paths):
        shown = [window.newest.pts_s for window in one.windows["a"]]
        assert shown == sorted(shown)
        assert shown[-1] - shown[0] < 2.5


def test_repeated_times(tmp_path: Path) -> None:
    """Each third frame has the time of the one before; frames are told apart by their numbers."""

    def repeat(place: int, packet: "Packet[Any]") -> "Packet[Any]":
        assert packet.pts is not None
        if place % 3 == 2:
            packet.pts = packet.dts = packet.pts - int(Fraction(1, 25) / packet.time_base)
        return packet

    plain = encode(tmp_path / "plain.mkv", frames=60, gop=15)
    path = remux(plain, tmp_path / "repeated.mkv", repeat)
    whole = Whole(path)
    assert len(set(whole.times_s)) == 40
    captured = [Captured(path, one) for one in (EACH, EXACT, spec(0.33, "auto"))]
    play_all(captured)
    for one in captured:
        assert one.windows["a"]
        assert one.count.received == 60
        for window in one.windows["a"]:
            place = window.newest.number
            assert read_number(window.pictures[-1]) == place
            assert np.array_equal(window.pictures[-1], whole.pixels(place, "bgr24"))


def test_no_times_at_all(tmp_path: Path) -> None:
    """A bare elementary stream: frames keep their order and numbers."""
    paths = [
        encode(tmp_path / "p.h264", frames=50, gop=15),
        encode(tmp_path / "b2.h264", frames=50, gop=15, b_frames=2),
        encode(tmp_path / "b2.h265", frames=50, gop=15, b_frames=2, codec="libx265"),
    ]
    pairs = [(Captured(path, one), Whole(path)) for path in paths for one in (EACH, EXACT, KEYS)]
    play_all([one for one, _ in pairs])
    for one, whole in pairs:
        assert one.count.received == len(whole) == 50, one.name
        windows = one.windows["a"]
        assert windows, one.name
        for window in windows:
            assert read_number(window.pictures[-1]) == window.newest.number, one.name
            assert np.array_equal(window.pictures[-1], whole.pixels(window.newest.number, "bgr24")), one.name
        shown = [window.newest.pts_s for window in windows]
        assert shown == sorted(set(shown)), one.name


# --- groups ---


def long_group(path: Path, b_frames: int) -> Path:
    """300 frames in 3 seconds, and one key frame."""
    return encode(path, frames=300, gop=300, fps=100, b_frames=b_frames, width=160, height=120)


def test_one_long_group(tmp_path: Path) -> None:
    paths = [long_group(tmp_path / f"{b}.mp4", b) for b in (0, 3)]
    for one in check_alike(*paths, samplings=(EXACT, AUTO, spec(1.0))):
        assert len(one.windows["a"]) >= 3


def test_a_group_too_long_to_be_kept(tmp_path: Path) -> None:
    """It is decoded as it comes, and that is said."""
    path = encode(tmp_path / "clip.mp4", frames=900, gop=900, fps=200, width=160, height=120)
    (captured,) = check_alike(path, samplings=(spec(0.5),))
    assert len(captured.windows["a"]) >= 5
    assert any("no key frame" in count.note for count in captured.counts)


def test_a_late_want_in_a_long_group(tmp_path: Path) -> None:
    path = long_group(tmp_path / "clip.mp4", 3)
    with Captured(path, spec(0.5), wanting=()) as captured:
        captured.until(lambda: captured.counts and captured.count.received >= 150, what="half of the group")
        assert captured.count.decoded == 0
        captured.want("a")
        captured.until(lambda: len(captured.windows["a"]) >= 2, what="windows")
    assert not unlike(captured, Whole(path))


def test_the_distance_of_key_frames_changes(tmp_path: Path) -> None:
    keys = [0, 5, 10, 15, 45, 65, 66, 67, 70]
    paths = [encode(tmp_path / f"{b}.mp4", frames=75, b_frames=b, keys=keys) for b in (0, 2)]
    assert all(sum(Whole(path).keys) == len(keys) for path in paths)
    check_alike(*paths)


def test_the_size_changes(tmp_path: Path) -> None:
    """Another generation, and pictures of the new size; no window has both."""
    segments = [
        Segment(width=320, height=240, frames=30),
        Segment(width=192, height=144, frames=30),
        Segment(width=320, height=240, frames=30),
    ]
    path = encode_segments(tmp_path / "clip.ts", segments, gop=10, b_frames=2)
    captured = [Captured(path, one) for one in (EACH, EXACT, spec(0.33, "auto", count=3), KEYS)]
    play_all(captured)
    for one in captured:
        sizes = [(opened.width, opened.height) for opened in one.opened]
        assert sizes == [(320, 240), (192, 144), (320, 240)], one.name
        assert one.count.received == 90, one.name
        seen = set()
        for window in one.windows["a"]:
            expected = sizes[window.generation - 1]
            for ref, picture in zip(window.frames, window.pictures, strict=True):
                assert picture.shape[1::-1] == expected, one.name
                assert read_number(picture) == ref.number, one.name
                assert segments[ref.number // 30].width == expected[0], one.name
            seen.add(window.generation)
        assert seen == {1, 2, 3}, one.name


# --- what is opened again ---


def test_a_file_that_begins_again(tmp_path: Path) -> None:
    """Numbers and times go on from lap to lap."""
    path = encode(tmp_path / "clip.mp4", frames=25, gop=10, b_frames=2)
    whole = Whole(path)
    with Captured(path, EXACT, loop=True) as exact, Captured(path, spec(0.5, "auto"), loop=True) as auto:
        watch([exact, auto], lambda one: one.count.next_frame > 80 if one.counts else False, 20, "laps")
    for one in (exact, auto):
        numbers = [window.newest.number for window in one.windows["a"]]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] > 50, one.name
        for window in one.windows["a"]:
            place = window.newest.number % 25
            assert np.array_equal(window.pictures[-1], whole.pixels(place, "bgr24")), one.name
