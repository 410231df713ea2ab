"""Decoding on demand of streams that are damaged, oddly timed, cut, or not what they were at their start."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from agent.ipc.messages import SampleSpec
from tests.camera import RtspCamera
from tests.parts.captured import Captured, Whole, Window, play_all, spec
from tests.video import Segment, encode, encode_segments, read_number

EACH, EXACT, AUTO, KEYS = spec(0), spec(0.2), spec(0.33, "auto", count=2, step=2), spec(0.4, "only")
SAMPLINGS: tuple[SampleSpec, ...] = (EACH, EXACT, AUTO, KEYS)

Edit = Callable[[int, Packet], Packet | None]


def remux(source: Path, path: Path, edit: Edit, options: dict[str, str] | None = None) -> Path:
    """Copy the video packets through `edit`, which may change, replace or leave out each, by its place."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options or {}) as made:
        track = made.add_stream_from_template(given.streams.video[0])
        place = 0
        for packet in given.demux(video=0):
            if packet.size == 0:
                continue
            edited = edit(place, packet)
            place += 1
            if edited is not None:
                edited.stream = track
                made.mux(edited)
    return path


def noise(packet: Packet, kept: int = 5) -> Packet:
    """The packet with noise behind its first bytes, its times unchanged."""
    data = bytes(packet)
    damaged = Packet(data[:kept] + random.Random(1).randbytes(len(data) - kept))
    damaged.pts, damaged.dts, damaged.duration = packet.pts, packet.dts, packet.duration
    damaged.time_base = packet.time_base
    damaged.is_keyframe = packet.is_keyframe
    return damaged


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


def check_alike(path: Path, *samplings: SampleSpec, numbers: bool = True) -> list[Captured]:
    """Play `path` with each sampling for itself: pictures, and frame numbers, are those of a full decode."""
    whole = Whole(path)
    captured = [Captured(path, one) for one in samplings or SAMPLINGS]
    play_all(captured)
    wrong = [fault for one in captured for fault in unlike(one, whole)]
    assert not wrong, "\n".join(wrong[:20])
    for one in captured:
        assert one.count.received == len(whole), one.name
        for window in one.windows["a"]:
            for ref, picture in zip(window.frames, window.pictures, strict=True):
                assert not numbers or ref.number == read_number(picture), one.name
    return captured


# --- times ---


@pytest.mark.parametrize("b_frames", [0, 2])
def test_variable_rate_and_gaps(tmp_path: Path, b_frames: int) -> None:
    steps = [0.04, 0.04, 0.02, 0.1, 0.04, 0.06, 0.04, 0.02] * 6
    steps[20] = 0.7
    pts = [float(time_s) for time_s in np.cumsum([0.0, *steps])]
    check_alike(encode(tmp_path / "clip.mp4", pts=pts, gop=9, b_frames=b_frames))


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_clock_of_a_transport_stream_wraps(tmp_path: Path, b_frames: int) -> None:
    plain = encode(tmp_path / "plain.ts", frames=60, gop=15, b_frames=b_frames)
    begin_s = 2**33 / 90_000 - 1.0
    path = remux(plain, tmp_path / "wraps.ts", lambda _, p: p, {"output_ts_offset": f"{begin_s:.3f}"})
    for one in check_alike(path):
        shown = [window.newest.pts_s for window in one.windows["a"]]
        assert shown == sorted(shown)
        assert shown[-1] - shown[0] < 2.5


def test_repeated_times(tmp_path: Path) -> None:
    """Each third frame has the time of the one before; frames are told apart by their numbers."""

    def repeat(place: int, packet: Packet) -> Packet:
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


@pytest.mark.parametrize(("suffix", "b_frames"), [(".h264", 0), (".h264", 2), (".h265", 2)])
def test_no_times_at_all(tmp_path: Path, suffix: str, b_frames: int) -> None:
    """A bare elementary stream: frames keep their order and numbers."""
    codec = "libx264" if suffix == ".h264" else "libx265"
    path = encode(tmp_path / f"clip{suffix}", codec=codec, frames=50, gop=15, b_frames=b_frames)
    whole = Whole(path)
    captured = [Captured(path, one) for one in (EACH, EXACT, KEYS)]
    play_all(captured)
    for one in captured:
        assert one.count.received == len(whole) == 50, one.name
        windows = one.windows["a"]
        assert windows, one.name
        for window in windows:
            assert read_number(window.pictures[-1]) == window.newest.number, one.name
            assert np.array_equal(window.pictures[-1], whole.pixels(window.newest.number, "bgr24")), one.name
        shown = [window.newest.pts_s for window in windows]
        assert shown == sorted(set(shown)), one.name


# --- groups ---


@pytest.mark.parametrize("b_frames", [0, 3])
def test_one_long_group(tmp_path: Path, b_frames: int) -> None:
    path = encode(
        tmp_path / "clip.mp4", frames=300, gop=300, fps=100, b_frames=b_frames, width=160, height=120
    )
    late = Captured(path, spec(0.5), wanting=())
    whole = Whole(path)
    for one in check_alike(path, EXACT, AUTO, spec(1.0)):
        assert len(one.windows["a"]) >= 3
    with late:
        late.until(lambda: late.counts and late.count.received >= 150, what="half of the group")
        assert late.count.decoded == 0
        late.want("a")
        late.until(lambda: late.windows["a"], what="the window")
    assert not unlike(late, whole)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_distance_of_key_frames_changes(tmp_path: Path, b_frames: int) -> None:
    keys = [0, 5, 10, 15, 45, 75, 76, 77, 80]
    path = encode(tmp_path / "clip.mp4", frames=90, b_frames=b_frames, keys=keys)
    assert sum(Whole(path).keys) == len(keys)
    check_alike(path)


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


# --- damage ---


@pytest.mark.parametrize(("codec", "b_frames"), [("libx264", 0), ("libx264", 2), ("libx265", 2)])
def test_a_damaged_packet_costs_its_group_at_most(tmp_path: Path, codec: str, b_frames: int) -> None:
    plain = encode(tmp_path / "plain.mkv", codec=codec, frames=60, gop=20, b_frames=b_frames)
    path = remux(plain, tmp_path / "bad.mkv", lambda at, p: noise(p) if at in {5, 26, 27} else p)
    captured = [Captured(path, one) for one in SAMPLINGS]
    play_all(captured)
    for one in captured:
        assert one.count.received == 60, one.name
        assert not one.troubles, one.name
        good = [window for window in one.windows["a"] if window.newest.number >= 40]
        assert good, one.name
        for window in good:
            fresh = [at for at, ref in enumerate(window.frames) if ref.number >= 40]
            assert all(read_number(window.pictures[at]) == window.frames[at].number for at in fresh), one.name
    each, keys = captured[0], captured[-1]
    assert each.count.corrupt >= 1
    assert keys.count.corrupt == 0  # it has seen none of them


def test_damage_in_a_transport_stream(tmp_path: Path) -> None:
    """A few bytes of the file flipped in its middle third."""
    path = encode(tmp_path / "clip.ts", frames=75, gop=25)
    data = bytearray(path.read_bytes())
    chance = random.Random(2)
    for _ in range(12):
        at = chance.randrange(len(data) * 2 // 5, len(data) * 3 // 5)
        data[at] ^= 0xFF
    path.write_bytes(data)
    captured = [Captured(path, one) for one in SAMPLINGS]
    play_all(captured)
    for one in captured:
        assert not one.troubles, one.name
        assert any(window.newest.pts_s > one.windows["a"][0].newest.pts_s + 2 for window in one.windows["a"])
        last = one.windows["a"][-1]
        assert read_number(last.pictures[-1]) >= 50, one.name


def test_lost_packets(tmp_path: Path) -> None:
    """Frames missing in mid-group: the next key frame is good again, and what comes after it."""
    plain = encode(tmp_path / "plain.mkv", frames=75, gop=25)
    path = remux(plain, tmp_path / "holes.mkv", lambda at, p: None if at in {6, 7, 8, 30} else p)
    whole = Whole(path)
    captured = [Captured(path, one) for one in SAMPLINGS]
    play_all(captured)
    for one in captured:
        assert one.count.received == 71, one.name
        good = [window for window in one.windows["a"] if window.frames[0].number >= 50 - 4]
        assert good, one.name
        for window in good:
            assert read_number(window.pictures[-1]) == window.newest.number + 4, one.name
            place = whole.place(window.newest.pts_s)
            assert np.array_equal(window.pictures[-1], whole.pixels(place, "bgr24")), one.name


# --- cameras ---


def check_camera(windows: list[Window], whole: Whole, *, after: int = 0) -> None:
    """Each picture is to the bit the frame whose number it shows, and the numbers go on as in the file."""
    offsets = set()
    for window in windows:
        for ref, picture in zip(window.frames, window.pictures, strict=True):
            if ref.number >= after:
                shown = read_number(picture)
                assert np.array_equal(picture, whole.pixels(shown, "bgr24"))
                offsets.add((shown - ref.number) % len(whole))
    assert len(offsets) == 1


@pytest.mark.parametrize(
    ("codec", "b_frames", "open_gop"),
    [("libx264", 0, False), ("libx264", 3, True), ("libx265", 3, True), ("mjpeg", 0, False)],
)
def test_a_camera_joined_between_key_frames(
    tmp_path: Path, codec: str, b_frames: int, open_gop: bool
) -> None:
    path = encode(
        tmp_path / "clip.mkv", codec=codec, frames=100, gop=20, b_frames=b_frames, open_gop=open_gop
    )
    whole = Whole(path)
    with RtspCamera(path, group_first=False) as camera:
        for one in (EXACT, AUTO):
            with Captured(camera.url, one) as captured:
                captured.until(lambda c=captured: len(c.windows["a"]) >= 5, what="windows")
                check_camera(captured.windows["a"], whole)
                assert not captured.troubles


def test_damaged_pictures_of_a_camera(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", frames=100, gop=20)
    whole = Whole(path)
    with RtspCamera(path) as camera, Captured(camera.url, EACH) as captured:
        captured.until(lambda: len(captured.windows["a"]) >= 10, what="windows")
        camera.corrupt(3)
        captured.until(lambda: captured.count.corrupt, what="damage is counted")
        until = captured.windows["a"][-1].newest.number + 45
        captured.until(lambda: captured.windows["a"][-1].newest.number > until, what="good frames again")
        check_camera(captured.windows["a"], whole, after=until - 20)
        assert not captured.troubles


def test_a_camera_that_stalls_and_goes_on(tmp_path: Path) -> None:
    """Its clock goes on meanwhile, and it goes on with a key frame."""
    path = encode(tmp_path / "clip.mp4", frames=100, gop=10, b_frames=2)
    whole = Whole(path)
    with RtspCamera(path) as camera, Captured(camera.url, EXACT) as captured:
        captured.until(lambda: len(captured.windows["a"]) >= 4, what="windows")
        camera.stall()
        played, before = camera.played, len(captured.windows["a"])
        captured.until(lambda: captured.counts and camera.played > played + 20, what="a second")
        camera.resume()
        captured.until(lambda: len(captured.windows["a"]) >= before + 5, what="windows again")
        for window in captured.windows["a"]:
            shown = read_number(window.pictures[-1])
            assert np.array_equal(window.pictures[-1], whole.pixels(shown, "bgr24"))
