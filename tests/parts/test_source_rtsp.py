"""RTSP, against the test camera: right frames, quick opening, and every way in which a camera fails."""

import itertools
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.capture.source import Picture, Source
from agent.errors import Cause, SourceError
from tests.camera import RtspCamera
from tests.parts.sources import numbers, opened, play
from tests.video import encode

PASSWORD = "hunter2/@:?"  # with letters that have a meaning in URLs

RECIPES = {
    "h264": ("libx264", ".mp4", 0),
    "h264-b": ("libx264", ".mp4", 2),
    "hevc": ("libx265", ".mp4", 0),
    "hevc-b": ("libx265", ".mkv", 3),
    "mjpeg": ("mjpeg", ".avi", 0),
}


def video(folder: Path, name: str = "h264", frames: int = 100, gop: int = 25) -> Path:
    codec, suffix, b_frames = RECIPES[name]
    return encode(folder / f"{name}{suffix}", codec=codec, frames=frames, gop=gop, b_frames=b_frames)


def assert_consecutive(pictures: list[Picture], length: int) -> None:
    """Each picture follows the one before, around the end of the recording, at the camera's rate."""
    seen = numbers(pictures)
    assert seen == [(seen[0] + n) % length for n in range(len(seen))]
    for one, other in itertools.pairwise(pictures):
        assert other.pts_s - one.pts_s == pytest.approx(0.04, abs=0.0005)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("name", RECIPES)
def test_frames_as_the_camera_sends_them(tmp_path: Path, name: str, transport: str) -> None:
    with (
        RtspCamera(video(tmp_path, name)) as camera,
        opened(camera.url, rtsp_transport=transport) as source,
    ):
        info = source.info
        assert (info.width, info.height, info.live) == (320, 240, True)
        assert info.codec == name.removesuffix("-b")
        assert info.fps == pytest.approx(25, rel=0.02)
        assert info.duration_s is None
        pictures, errors = play(source, limit=20)
        assert errors == []
        assert_consecutive(pictures, 100)


@pytest.mark.parametrize("name", ["h264", "hevc-b"])
def test_the_first_key_frame_that_the_camera_sends_is_not_lost(tmp_path: Path, name: str) -> None:
    """Key frames come each 4 s: a source that lost the first would be as late."""
    with RtspCamera(video(tmp_path, name, gop=100)) as camera:
        began_s = time.monotonic()
        with opened(camera.url) as source:
            pictures, _ = play(source, limit=1)
            took_s = time.monotonic() - began_s
            assert pictures[0].is_key
    assert took_s < 2.0


@pytest.mark.parametrize("name", ["h264", "h264-b", "hevc"])
def test_opened_between_key_frames(tmp_path: Path, name: str) -> None:
    """What cannot be decoded yet is no damage, and the first picture is a key frame."""
    with (
        RtspCamera(video(tmp_path, name, gop=50), group_first=False) as camera,
        opened(camera.url) as source,
    ):
        pictures, errors = play(source, limit=10)
        assert errors == []
        assert pictures[0].is_key
        assert numbers(pictures[:1])[0] in (0, 50)
        assert_consecutive(pictures, 100)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_passwords(tmp_path: Path, scheme: str) -> None:
    path = video(tmp_path, frames=50)
    with RtspCamera(path, user="gate 7", password=PASSWORD, auth=scheme) as camera:  # type: ignore[arg-type]
        with opened(camera.url) as source:
            assert play(source, limit=3)[0]
        for url in (camera.bare_url, camera.url_as("gate 7", "wrong-secret")):
            with pytest.raises(SourceError) as caught:
                opened(url)
            assert caught.value.cause is Cause.AUTH
            assert "wrong-secret" not in "".join(traceback.format_exception(caught.value))


def test_no_such_stream(tmp_path: Path) -> None:
    with RtspCamera(video(tmp_path, frames=50)) as camera, pytest.raises(SourceError) as caught:
        opened(camera.bare_url.replace("/stream", "/other"))
    assert caught.value.cause is Cause.NOT_FOUND


@pytest.mark.parametrize(
    ("method", "transport"),
    [("OPTIONS", "tcp"), ("DESCRIBE", "tcp"), ("SETUP", "tcp"), ("PLAY", "tcp"), ("PLAY", "udp")],
)
def test_no_answer(tmp_path: Path, method: str, transport: str) -> None:
    with RtspCamera(video(tmp_path, frames=50)) as camera:
        camera.hang_on(method)
        began_s = time.monotonic()
        with pytest.raises(SourceError) as caught:
            opened(camera.url, rtsp_transport=transport, open_timeout_s=1.0, read_timeout_s=1.0)
    assert caught.value.cause is Cause.TIMEOUT
    assert time.monotonic() - began_s < 4.0


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
def test_hung_up_on(tmp_path: Path, method: str) -> None:
    with RtspCamera(video(tmp_path, frames=50)) as camera:
        camera.cut_on(method)
        with pytest.raises(SourceError) as caught:
            opened(camera.url)
    assert caught.value.cause is Cause.REFUSED


def test_a_camera_that_is_off(tmp_path: Path) -> None:
    with RtspCamera(video(tmp_path, frames=50)) as camera:
        camera.offline()
        with pytest.raises(SourceError) as caught:
            opened(camera.url)
    assert caught.value.cause is Cause.REFUSED


def fail_after(source: Source, fault: Callable[[], None]) -> tuple[SourceError, float]:
    """Read some, let the fault happen, read on: the error, and after how many seconds it came."""
    play(source, limit=5)
    fault()
    began_s = time.monotonic()
    while True:
        try:
            source.read()
        except SourceError as err:
            return err, time.monotonic() - began_s


@pytest.mark.parametrize(("backend", "transport"), [("pyav", "tcp"), ("pyav", "udp"), ("opencv", "tcp")])
def test_a_camera_that_stalls(tmp_path: Path, transport: str, backend: str) -> None:
    with (
        RtspCamera(video(tmp_path, frames=50)) as camera,
        opened(camera.url, rtsp_transport=transport, read_timeout_s=1.0, backend=backend) as source,
    ):
        error, took_s = fail_after(source, camera.stall)
    assert error.cause is Cause.TIMEOUT
    assert took_s < 4.0


@pytest.mark.parametrize("backend", ["pyav", "opencv"])
@pytest.mark.parametrize("fault", ["hang_up", "offline"])
def test_a_camera_that_goes(tmp_path: Path, fault: str, backend: str) -> None:
    with (
        RtspCamera(video(tmp_path, frames=50)) as camera,
        opened(camera.url, backend=backend) as source,
    ):
        error, took_s = fail_after(source, getattr(camera, fault))
    assert error.cause is Cause.ENDED
    assert took_s < 2.0


def test_a_recording_that_ends(tmp_path: Path) -> None:
    with (
        RtspCamera(video(tmp_path, frames=50), loop=False) as camera,
        opened(camera.url, loop=True) as source,
    ):
        pictures, errors = play(source)
        assert errors == []
        assert numbers(pictures) == list(range(50))


@pytest.mark.parametrize("name", ["h264", "hevc", "mjpeg"])
def test_damaged_pictures_do_not_end_the_stream(tmp_path: Path, name: str) -> None:
    with RtspCamera(video(tmp_path, name, gop=10)) as camera, opened(camera.url) as source:
        play(source, limit=5)
        camera.corrupt(4)
        pictures, errors = play(source, limit=40)
        assert {err.cause for err in errors} <= {Cause.CORRUPT}
        assert len(errors) <= 15  # no more than the group of pictures it happened in
        assert_consecutive(pictures[-10:], 100)


def test_opencv_reads_the_same_camera(tmp_path: Path) -> None:
    with (
        RtspCamera(video(tmp_path), user="gate", password=PASSWORD) as camera,
        opened(camera.url, backend="opencv") as source,
    ):
        assert (source.info.live, source.info.backend, source.info.codec) == (True, "opencv", "h264")
        pictures, _ = play(source, limit=30)
        assert_consecutive(pictures, 100)
