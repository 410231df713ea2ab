"""Decoding on demand where packets are damaged or missing, and of cameras that do as cameras do."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.capture import reader
from agent.ipc.messages import SampleSpec
from tests.camera import RtspCamera
from tests.parts.captured import Captured, Whole, Window, play_all, spec, watch
from tests.parts.remux import noise, remux
from tests.video import encode, read_number

EACH, EXACT, AUTO, KEYS = spec(0), spec(0.2), spec(0.33, "auto", count=2, step=2), spec(0.4, "only")
SAMPLINGS: tuple[SampleSpec, ...] = (EACH, EXACT, AUTO, KEYS)


# --- damage ---


@pytest.mark.parametrize(("codec", "b_frames"), [("libx264", 0), ("libx264", 2), ("libx265", 2)])
def test_a_damaged_packet_costs_its_group_at_most(tmp_path: Path, codec: str, b_frames: int) -> None:
    plain = encode(tmp_path / "plain.mkv", codec=codec, frames=60, gop=20, b_frames=b_frames)
    path = remux(plain, tmp_path / "bad.mkv", lambda at, p: noise(p) if at in {5, 26, 27} else p)
    whole = Whole(path)
    captured = [Captured(path, one) for one in SAMPLINGS]
    play_all(captured)
    for one in captured:
        assert one.count.received == 60, one.name
        assert not one.troubles, one.name
        good = [window for window in one.windows["a"] if window.newest.number >= 40]
        assert good, one.name
        for window in good:
            for ref, picture in zip(window.frames, window.pictures, strict=True):
                if ref.number >= 40:
                    assert read_number(picture) == ref.number, one.name
                    expected = whole.pixels(whole.place(ref.pts_s), "bgr24")
                    assert np.array_equal(picture, expected), one.name
    each, keys = captured[0], captured[-1]
    assert each.count.corrupt >= 1
    assert keys.count.corrupt == 0  # it has seen none of them


def test_damage_in_a_transport_stream(tmp_path: Path) -> None:
    """A few bytes of the file flipped in its middle third."""
    path = encode(tmp_path / "clip.ts", frames=75, gop=25)
    data = bytearray(path.read_bytes())
    chance = random.Random(2)  # noqa: S311 - damage, not secrets
    for _ in range(12):
        at = chance.randrange(len(data) * 2 // 5, len(data) * 3 // 5)
        data[at] ^= 0xFF
    path.write_bytes(data)
    captured = [Captured(path, one) for one in SAMPLINGS]
    play_all(captured)
    for one in captured:
        assert not one.troubles, one.name
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
    "kind",
    [
        {"codec": "libx264"},
        {"codec": "libx264", "b_frames": 3, "open_gop": True},
        {"codec": "libx265", "b_frames": 3, "open_gop": True},
        {"codec": "mjpeg"},
    ],
    ids=lambda kind: " ".join(map(str, kind.values())),
)
def test_a_camera_joined_between_key_frames(tmp_path: Path, kind: dict[str, Any]) -> None:
    path = encode(tmp_path / "clip.mkv", frames=100, gop=20, **kind)
    whole = Whole(path)
    with (
        RtspCamera(path, group_first=False) as camera,
        Captured(camera.url, EXACT) as exact,
        Captured(camera.url, AUTO) as auto,
    ):
        watch([exact, auto], lambda one: len(one.windows["a"]) >= 5, 20, "windows")
        for one in (exact, auto):
            check_camera(one.windows["a"], whole)
            assert not one.troubles


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


def test_a_time_that_lies_hours_ahead_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LONGEST_WAIT_S", 0.3)
    times = [number / 25 + (3600.0 if number >= 10 else 0.0) for number in range(20)]
    path = encode(tmp_path / "gap.mkv", frames=20, gop=5, pts=times)
    captured = Captured(path, EACH)
    play_all([captured])
    assert captured.count.received == 20
    assert [window.newest.number for window in captured.windows["a"]] == list(range(20))
