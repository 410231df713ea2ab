"""The encoded test video is what it says, and a burned-in number survives what pictures go through."""

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.video import READ_NUMBER_SOURCE, Segment, encode, encode_segments, picture, read_number


def decoded(path: Path) -> list[tuple[int, float]]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [(read_number(frame.to_ndarray(format="bgr24")), float(frame.time or 0)) for frame in frames]


@pytest.mark.parametrize(
    ("suffix", "codec", "b_frames"),
    [
        (".mp4", "libx264", 0),
        (".mp4", "libx264", 2),
        (".mkv", "libx264", 2),
        (".ts", "libx264", 2),
        (".mp4", "libx265", 0),
        (".mkv", "libx265", 2),
        (".ts", "libx265", 2),
        (".avi", "mjpeg", 0),
        (".mp4", "mjpeg", 0),
        (".mkv", "mjpeg", 0),
        (".webm", "libvpx-vp9", 0),
        (".mkv", "libvpx-vp9", 0),
        (".avi", "libx264", 0),
    ],
)
def test_every_frame_is_there_at_its_time(tmp_path: Path, suffix: str, codec: str, b_frames: int) -> None:
    path = encode(tmp_path / f"clip{suffix}", codec=codec, b_frames=b_frames, frames=60, gop=20)
    seen = decoded(path)
    assert [number for number, _ in seen] == list(range(60))
    first_s = seen[0][1]
    assert [time_s - first_s for _, time_s in seen] == pytest.approx([n / 25 for n in range(60)], abs=0.0011)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_key_frames_come_each_group(tmp_path: Path, codec: str, b_frames: int) -> None:
    path = encode(tmp_path / "clip.mp4", codec=codec, frames=50, gop=10, b_frames=b_frames)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [(p.pts, p.time_base) for p in container.demux(stream) if p.is_keyframe]
        keys = [round(float(pts * base) * 25) for pts, base in times if pts is not None]
        assert stream.codec_context.has_b_frames == bool(b_frames)
    assert keys == [0, 10, 20, 30, 40]


def test_open_groups_still_decode_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mkv", frames=60, gop=12, b_frames=3, open_gop=True)
    assert [number for number, _ in decoded(path)] == list(range(60))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm"])
def test_variable_rate_and_gaps(tmp_path: Path, suffix: str) -> None:
    times_s = [0, 0.03, 0.1, 0.14, 2.0, 2.02, 2.5, 7.25]
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    seen = decoded(encode(tmp_path / f"clip{suffix}", codec=codec, pts=times_s, start=1000))
    assert [number for number, _ in seen] == list(range(1000, 1008))
    assert [time_s - seen[0][1] for _, time_s in seen] == pytest.approx(times_s, abs=0.0011)


@pytest.mark.parametrize(("suffix", "codec"), [(".ts", "libx264"), (".h264", "libx264"), (".ts", "libx265")])
def test_the_size_changes_in_mid_stream(tmp_path: Path, suffix: str, codec: str) -> None:
    segments = [Segment(width=320, height=240, frames=30), Segment(width=640, height=360, frames=30)]
    path = encode_segments(tmp_path / f"clip{suffix}", segments, codec=codec)
    with av.open(str(path)) as container:
        seen = [(read_number(f.to_ndarray(format="gray")), f.width) for f in container.decode(video=0)]
    assert seen == [(n, 320 if n < 30 else 640) for n in range(60)]


@pytest.mark.parametrize("number", [0, 1, 2, 1023, 524_287, (1 << 20) - 1])
@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1920, 1080), (160, 120), (322, 242)])
def test_numbers_survive_scaling_and_conversion(number: int, size: tuple[int, int]) -> None:
    rgb = picture(number, *size)
    half: Any = cv2.resize(rgb, (size[0] // 4 * 2, size[1] // 4 * 2), interpolation=cv2.INTER_AREA)
    frame = av.VideoFrame.from_ndarray(half, format="rgb24")
    for image in (rgb, rgb[:, :, ::-1], half, cv2.cvtColor(half, cv2.COLOR_RGB2GRAY)):
        assert read_number(image) == number
    for pixels in ("nv12", "gray8"):
        assert read_number(frame.to_ndarray(format=pixels)) == number
    assert read_number(cv2.resize(rgb, (320, 200))) == number


def test_all_small_numbers_read_back() -> None:
    assert [read_number(picture(n, 160, 120)) for n in range(3000)] == list(range(3000))


def broken() -> dict[str, np.ndarray[Any, Any]]:
    one, other = picture(100), picture(101)
    torn = np.concatenate([one[:150], other[150:]])
    return {
        "torn": torn,
        "torn gray": torn[:, :, 0],
        "blended": ((one.astype(int) + other) // 2).astype(np.uint8),
        "blank": np.zeros_like(one),
        "gray": np.full_like(one, 128),
        "inverted": 255 - one,
        "one block flipped on both edges": np.where(np.arange(320)[None, :, None] < 12, 255 - one, one),
        "tiny": one[:8, :8],
        "noise": np.random.default_rng(1).integers(0, 256, one.shape, np.uint8),
    }


@pytest.mark.parametrize("name", list(broken()))
def test_a_bad_picture_has_no_number(name: str) -> None:
    with pytest.raises(ValueError, match=r"strip|torn|checksum|small"):
        read_number(broken()[name])


def test_the_source_works_on_its_own() -> None:
    names: dict[str, Any] = {}
    exec(READ_NUMBER_SOURCE, names)  # noqa: S102 - as in an algorithm file that a test writes
    assert names["read_number"](picture(77)) == 77
