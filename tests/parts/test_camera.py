"""The test camera is one that FFmpeg and OpenCV believe in, over TCP and UDP, and its faults are real."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from tests.camera import HttpCamera, RtspCamera
from tests.video import Segment, encode, encode_segments, read_number
from tests.waiting import eventually

FRAMES = 50
FPS = 50
# Not "fflags=nobuffer": with it FFmpeg throws away what it has read while it looks at the stream.
QUICK = {"analyzeduration": "500000", "rtsp_transport": "tcp", "timeout": "1000000"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(clips: Path) -> Path:
    return encode(clips / "clip.mp4", frames=FRAMES, gop=10, fps=FPS)


@pytest.fixture
def camera(clip: Path) -> Iterator[RtspCamera]:
    with RtspCamera(clip) as running:
        yield running


def watch(url: str, **options: str) -> Iterator[tuple[int, float, int]]:
    """Number, time and width of each frame; raises as PyAV does."""
    with av.open(url, options={**QUICK, **options}, timeout=(3, 1)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for packet in container.demux(stream):
            for frame in packet.decode():
                yield read_number(frame.to_ndarray(format="gray")), float(frame.time or 0), frame.width


def assert_gapless(seen: list[tuple[int, float, int]], frames: int = FRAMES, fps: float = FPS) -> None:
    numbers = [number for number, _, _ in seen]
    assert numbers == [(numbers[0] + index) % frames for index in range(len(numbers))]
    first_s = seen[0][1]
    assert [time_s - first_s for _, time_s, _ in seen] == pytest.approx(
        [index / fps for index in range(len(seen))], abs=0.001
    )


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("codec", "suffix", "b_frames"),
    [
        ("libx264", ".mp4", 0),
        ("libx264", ".mkv", 2),
        ("libx264", ".ts", 0),
        ("libx265", ".mp4", 0),
        ("libx265", ".ts", 2),
        ("mjpeg", ".avi", 0),
    ],
)
def test_pyav_sees_every_frame_over_the_end_of_the_round(
    clips: Path, codec: str, suffix: str, b_frames: int, transport: str
) -> None:
    path = encode(
        clips / f"{codec}{b_frames}{suffix}", codec=codec, frames=25, gop=5, fps=FPS, b_frames=b_frames
    )
    with RtspCamera(path) as camera:
        seen = list(islice(watch(camera.url, rtsp_transport=transport), 35))
        assert_gapless(seen, frames=25)
        assert codec == "mjpeg" or seen[0][0] % 5 == 0
        assert camera.sent >= 35


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_opencv_sees_every_frame(camera: RtspCamera, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", f"rtsp_transport;{transport}")
    capture = cv2.VideoCapture(camera.url, cv2.CAP_FFMPEG)
    try:
        assert capture.isOpened()
        numbers = [read_number(capture.read()[1]) for _ in range(30)]
    finally:
        capture.release()
    assert numbers == [(numbers[0] + index) % FRAMES for index in range(30)]


def test_large_pictures_are_cut_and_put_together(clips: Path) -> None:
    path = encode(clips / "large.mp4", width=1920, height=1080, frames=30, gop=15, fps=FPS)
    with RtspCamera(path) as camera:
        for transport in ("tcp", "udp"):
            assert_gapless(list(islice(watch(camera.url, rtsp_transport=transport), 20)), frames=30)


def test_it_plays_in_real_time_whether_watched_or_not(camera: RtspCamera) -> None:
    first, _, _ = next(watch(camera.url))
    eventually(lambda: not camera.connections)
    begun_s = time.monotonic()
    frames = watch(camera.url)
    later, _, _ = next(frames)
    assert later != first
    numbers = [number for number, _, _ in islice(frames, 100)]
    # At most a group and the probing came in a burst.
    assert (100 - 10) / FPS - 0.6 < time.monotonic() - begun_s < 100 / FPS + 2
    assert numbers[-1] == (later + 100) % FRAMES


def test_variable_rate_keeps_its_times(clips: Path) -> None:
    times_s = [0, 0.1, 0.15, 0.2, 0.6, 0.7, 0.75, 0.8]
    path = encode(clips / "variable.mkv", pts=times_s, gop=4)
    with RtspCamera(path, loop=False) as camera:
        seen = list(watch(camera.url))
    assert [number for number, _, _ in seen] == list(range(8))
    assert [time_s - seen[0][1] for _, time_s, _ in seen] == pytest.approx(times_s, abs=0.002)


def test_the_size_changes_in_mid_stream(clips: Path) -> None:
    segments = [Segment(width=320, height=240, frames=25), Segment(width=640, height=480, frames=25)]
    path = encode_segments(clips / "sizes.ts", segments, fps=FPS)
    with RtspCamera(path) as camera:
        seen = list(islice(watch(camera.url), 80))
    assert_gapless(seen)
    assert all(width == (320 if number < 25 else 640) for number, _, width in seen)


def test_several_clients(camera: RtspCamera) -> None:
    watching = [watch(camera.url, rtsp_transport=transport) for transport in ("tcp", "udp", "tcp")]
    seen = [[next(frames)] for frames in watching]
    assert camera.clients == 3
    for frames, its in zip(watching, seen, strict=True):
        its.extend(islice(frames, 20))
        assert_gapless(its)
        frames.close()  # type: ignore[attr-defined]
    eventually(lambda: camera.clients == camera.connections == 0)


def test_without_the_group_first_a_client_begins_with_what_comes(clip: Path) -> None:
    with RtspCamera(clip, group_first=False) as camera, av.open(camera.url, options=QUICK) as container:
        keys = [packet.is_keyframe for packet in islice(container.demux(video=0), 12)]
    assert sum(keys) in {1, 2}


@pytest.mark.parametrize("auth", ["basic", "digest"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_who_knows_the_password_may_watch(clip: Path, auth: str, transport: str) -> None:
    with RtspCamera(clip, user="me", password="p@ss: wörd/", auth=auth) as camera:  # type: ignore[arg-type]
        assert_gapless(list(islice(watch(camera.url, rtsp_transport=transport), 15)))
        for url in (camera.bare_url, camera.url_as("me", "guess"), camera.url_as("you", "p@ss: wörd/")):
            with pytest.raises(av.HTTPUnauthorizedError):
                next(watch(url))
        eventually(lambda: not camera.connections)


def test_another_path_is_not_found(camera: RtspCamera) -> None:
    with pytest.raises(av.HTTPNotFoundError):
        next(watch(camera.url + "2"))


def test_a_stalled_camera_keeps_the_connection_and_times_out(camera: RtspCamera) -> None:
    frames = watch(camera.url)
    next(frames)
    camera.stall()
    sent = camera.sent
    begun_s = time.monotonic()
    with pytest.raises((av.ExitError, av.TimeoutError)):
        list(frames)
    assert time.monotonic() - begun_s < 5
    assert camera.sent == sent
    camera.resume()
    assert_gapless(list(islice(watch(camera.url), 15)))


def test_after_a_short_stall_it_goes_on_with_a_key_frame(camera: RtspCamera) -> None:
    frames = watch(camera.url)
    seen = list(islice(frames, 10))
    camera.stall()
    played = camera.played
    eventually(lambda: camera.played >= played + 13)
    camera.resume()
    seen.extend(islice(frames, 80))
    gaps = [index for index in range(1, 90) if (seen[index][0] - seen[index - 1][0]) % FRAMES != 1]
    (gap,) = gaps
    assert_gapless(seen[:gap])
    assert_gapless(seen[gap:])
    assert seen[gap][0] % 10 == 0
    # Time went on, for the camera and in its timestamps.
    missed = (seen[gap][0] - seen[gap - 1][0]) % FRAMES
    assert missed > 13
    assert seen[gap][1] - seen[gap - 1][1] == pytest.approx(missed / FPS, abs=0.001)


def test_hanging_up_looks_like_an_end(camera: RtspCamera) -> None:
    frames = watch(camera.url)
    next(frames)
    camera.hang_up()
    assert len(list(frames)) < 50  # the group, and what FFmpeg has looked at
    assert_gapless(list(islice(watch(camera.url), 12)))


def test_offline_refuses_and_online_is_the_same_place(camera: RtspCamera) -> None:
    url = camera.url
    frames = watch(url)
    next(frames)
    for _ in range(3):
        camera.offline()
        assert camera.connections == 0
        with pytest.raises(ConnectionRefusedError):
            next(watch(url))
        camera.online()
        next(watch(url))
    assert camera.url == url
    assert len(list(frames)) < 50  # the group, and what FFmpeg has looked at


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_each_phase_can_hang_or_be_cut(camera: RtspCamera, method: str) -> None:
    camera.hang_on(method)
    begun_s = time.monotonic()
    with pytest.raises(av.FFmpegError):
        next(watch(camera.url))
    assert 0.9 < time.monotonic() - begun_s < 5
    camera.hang_on()
    camera.cut_on(method)
    with pytest.raises((av.FFmpegError, StopIteration)):
        next(watch(camera.url))
    camera.cut_on()
    next(watch(camera.url))
    assert camera.requests[method] >= 3


def test_a_hanging_describe(camera: RtspCamera) -> None:
    camera.hang_describe(True)  # noqa: FBT003
    with pytest.raises(av.InvalidDataError):
        next(watch(camera.url))
    camera.hang_describe(False)  # noqa: FBT003
    next(watch(camera.url))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mjpeg"])
def test_corrupt_pictures_do_not_decode_and_the_next_group_does(clips: Path, codec: str) -> None:
    path = encode(clips / f"corrupt-{codec}.mkv", codec=codec, frames=FRAMES, gop=10, fps=FPS)
    good = 0
    with RtspCamera(path) as camera, av.open(camera.url, options=QUICK) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for index, packet in enumerate(islice(container.demux(stream), 90)):
            if index == 20:
                camera.corrupt(10)
            # H.264 raises, JPEG shows noise, HEVC says nothing and has no picture.
            with contextlib.suppress(av.InvalidDataError, ValueError):
                for frame in packet.decode():
                    read_number(frame.to_ndarray(format="gray"))
                    good += 1
    # Of ten bad pictures HEVC may show some all the same, where the damage is not in the strips.
    assert 55 <= good <= 88


def test_played_once_it_begins_with_the_client_and_ends(clip: Path) -> None:
    with RtspCamera(clip, loop=False) as camera:
        for transport in ("tcp", "udp", "tcp"):
            seen = list(watch(camera.url, rtsp_transport=transport))
            assert [number for number, _, _ in seen] == list(range(FRAMES))
            eventually(lambda: not camera.connections)


def test_a_session_lives_on_keep_alives(clip: Path) -> None:
    with RtspCamera(clip, session_timeout_s=2) as camera:
        for transport in ("tcp", "udp"):
            camera.requests.clear()
            assert_gapless(list(islice(watch(camera.url, rtsp_transport=transport), 150)))
            assert camera.requests["GET_PARAMETER"] >= 1


def test_a_silent_session_ends(clip: Path) -> None:
    with RtspCamera(clip, session_timeout_s=0.3) as camera:
        assert len(list(watch(camera.url))) < 100


def test_as_a_command(clip: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.camera", str(clip), "--user", "me", "--password", "secret"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert "secret" not in url
            assert_gapless(list(islice(watch(url.replace("//", "//me:secret@")), 15)))
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


# --- HTTP ---


def test_files_over_http(clips: Path, clip: Path) -> None:
    hls = encode(clips / "live.m3u8", frames=FRAMES, gop=10, fps=FPS)
    with HttpCamera(clips, user="me", password="p w") as server:
        for name in (clip.name, hls.name):
            with av.open(server.url(name)) as container:
                numbers = [
                    read_number(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)
                ]
            assert numbers == list(range(FRAMES))
        with pytest.raises(av.HTTPNotFoundError):
            av.open(server.url("nothing.mp4"))
        with pytest.raises(av.HTTPNotFoundError):
            av.open(server.url("../secret.mp4"))
        with pytest.raises(av.HTTPUnauthorizedError):
            av.open(server.url(clip.name).replace("p%20w", "guess"))


def test_live_mjpeg_over_http(clips: Path) -> None:
    path = encode(clips / "mjpeg.avi", codec="mjpeg", frames=FRAMES, fps=FPS)
    with HttpCamera(clips, mjpeg=path) as server:
        with av.open(server.mjpeg_url, timeout=(3, 1)) as container:
            frames = container.decode(video=0)
            numbers = [read_number(frame.to_ndarray(format="gray")) for frame in islice(frames, 60)]
            assert numbers == [(numbers[0] + index) % FRAMES for index in range(60)]
            assert server.clients == 1
            server.stall()
            with pytest.raises((av.ExitError, av.TimeoutError)):
                list(frames)
        server.resume()
        eventually(lambda: not server.clients)
        capture = cv2.VideoCapture(server.mjpeg_url, cv2.CAP_FFMPEG)
        assert capture.isOpened()

        def picture() -> list[Any]:
            good, image = capture.read()
            return [image] if good else []

        read_number(eventually(picture)[0])
        server.hang_up()
        assert sum(capture.read()[0] for _ in range(50)) < 50
        capture.release()
        server.offline()
        with pytest.raises(ConnectionRefusedError):
            av.open(server.mjpeg_url)
        server.online()
        with av.open(server.mjpeg_url) as container:
            next(container.decode(video=0))
