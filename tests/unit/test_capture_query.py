"""What a source may say after its question mark, and what it may not."""

import pytest

from agent.capture.query import parse_count, parse_number, parse_query, parse_size
from agent.capture.scene import SceneParams, parse_scene
from agent.capture.usb import UsbCamera, parse_usb
from agent.errors import Cause, SourceError


@pytest.mark.parametrize(
    ("text", "size"), [("640x360", (640, 360)), ("1x1", (1, 1)), ("16384x16384", (16384, 16384))]
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "640", "640x", "0x5", "-1x5", "640X360", "16385x1", "6.5x7", "999999x1"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(SourceError, match="size") as caught:
        parse_size(text)
    assert caught.value.cause is Cause.NOT_FOUND


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-inf", "0.5", "11"])
def test_what_is_no_number_in_range(text: str) -> None:
    with pytest.raises(SourceError, match="fps"):
        parse_number(text, "fps", 1, 10)


def test_a_count_is_whole() -> None:
    assert parse_count("7", "seed", 0, 10) == 7
    with pytest.raises(SourceError, match="whole"):
        parse_count("1.5", "seed", 0, 10)


def test_an_unknown_parameter_is_named_with_those_that_are_known() -> None:
    with pytest.raises(SourceError, match=r"'sise'.*fps, size"):
        parse_query("sise=1x1", ("size", "fps"), "the test scene")


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("", SceneParams()),
        (
            "size=320x240&fps=10&seed=4&shapes=0&frames=7",
            SceneParams(width=320, height=240, fps=10, seed=4, shapes=0, frames=7),
        ),
    ],
)
def test_scene(query: str, params: SceneParams) -> None:
    assert parse_scene(query) == params


@pytest.mark.parametrize(
    "query", ["size=8x8", "fps=0", "shapes=-1", "seed=a", "frames=0", "colour=red", "fps="]
)
def test_a_scene_that_cannot_be(query: str) -> None:
    with pytest.raises(SourceError):
        parse_scene(query)


@pytest.mark.parametrize(
    ("path", "query", "camera"),
    [
        ("/dev/video0", "", UsbCamera(device="/dev/video0")),
        ("/dev/v4l/by-id/usb-Acme_Cam-1.0:1", "", UsbCamera(device="/dev/v4l/by-id/usb-Acme_Cam-1.0:1")),
        (
            "serial=AB12",
            "size=1280x720&fps=30&format=mjpeg",
            UsbCamera(serial="AB12", size=(1280, 720), fps=30.0, format="mjpeg"),
        ),
    ],
)
def test_usb(path: str, query: str, camera: UsbCamera) -> None:
    assert parse_usb(path, query) == camera


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", ""),
        ("serial=", ""),
        ("/etc/passwd", ""),
        ("/dev/sda", ""),
        ("/dev/video0/../sda", ""),
        ("/dev/video0", "format=exe"),
        ("/dev/video0", "bitrate=5"),
    ],
)
def test_usb_that_is_no_camera(path: str, query: str) -> None:
    with pytest.raises(SourceError):
        parse_usb(path, query)
