"""The test scene, image folders and USB cameras, opened by their URLs."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.capture.open import open_source
from agent.capture.scene import SceneParams, scene
from agent.errors import Cause, SourceError
from tests.parts.sources import numbers, opened, pixels, play, request, stamp, times
from tests.video import picture


def test_the_scene_comes_at_its_own_pace() -> None:
    with opened("test://scene?size=160x90&fps=50&seed=3&frames=30") as source:
        info = source.info
        assert (info.width, info.height, info.fps, info.live) == (160, 90, 50.0, True)
        began_s = time.monotonic()
        pictures, _ = play(source)
        took_s = time.monotonic() - began_s
    assert 29 / 50 <= took_s < 29 / 50 + 0.5
    assert times(pictures) == [n / 50 for n in range(30)]
    params = SceneParams(width=160, height=90, fps=50, seed=3, frames=30)
    assert np.array_equal(pixels(pictures[7]), scene(7, params))
    stamps = [stamp(p).mono_ns for p in pictures]
    assert stamps == sorted(stamps)
    assert abs(stamp(pictures[-1]).wall_us / 1e6 - time.time()) < 5


def test_waiting_for_the_scene_can_be_interrupted() -> None:
    asked = iter([False, False, True])
    with open_source(request("test://scene?fps=0.01"), lambda: next(asked)) as source:
        source.read()
        with pytest.raises(SourceError) as caught:
            source.read()
    assert caught.value.cause is Cause.ENDED


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Numbered images whose names sort wrongly as text, of two formats, and what is no image."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(12):
        name = folder / f"frame{number}.{'png' if number % 2 else 'JPG'}"
        data = cv2.imencode(name.suffix.lower(), picture(number)[:, :, ::-1])[1]
        name.write_bytes(data.tobytes())
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.mark.parametrize("url", ["{}?fps=4", "file://{}?fps=4", "{}/?fps=4"])
def test_a_folder_of_images(images: Path, url: str) -> None:
    with opened(url.format(images)) as source:
        info = source.info
        assert (info.width, info.height, info.fps, info.live, info.duration_s) == (320, 240, 4.0, False, 3.0)
        pictures, errors = play(source)
    assert errors == []
    assert numbers(pictures) == list(range(12))
    assert times(pictures) == [n / 4 for n in range(12)]


def test_a_folder_can_be_looped_and_a_bad_image_costs_itself_alone(images: Path) -> None:
    (images / "frame3.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    (images / "frame4.JPG").write_bytes(b"")
    with opened(images, loop=True) as source:
        pictures, errors = play(source, limit=20)
    good = [n for n in range(12) if n not in (3, 4)]
    assert numbers(pictures) == good * 2
    assert [err.cause for err in errors] == [Cause.CORRUPT] * 4
    assert times(pictures) == [*map(float, good), *(12.0 + n for n in good)]


def test_a_name_with_a_question_mark_is_found(images: Path) -> None:
    odd = images.with_name("what?fps=9")
    images.rename(odd)
    with opened(odd) as source:
        assert source.info.fps == 1.0


@pytest.mark.parametrize("query", ["fps=0", "fps=x", "speed=2"])
def test_a_folder_with_wrong_parameters(images: Path, query: str) -> None:
    with pytest.raises(SourceError, match=r"fps|speed"):
        opened(f"{images}?{query}")


def test_a_folder_without_a_readable_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(SourceError) as caught:
        opened(tmp_path)
    assert caught.value.cause is Cause.CORRUPT


@pytest.mark.parametrize("backend", ["pyav", "opencv"])
def test_a_camera_that_is_not_plugged_in(backend: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match="/dev/video977") as caught:
        opened("usb:/dev/video977?size=640x480&fps=10&format=mjpeg", backend=backend)
    assert caught.value.cause is Cause.NOT_FOUND
    out, err = capfd.readouterr()
    assert out + err == ""


def test_secrets_in_a_path_are_redacted() -> None:
    with pytest.raises(SourceError) as caught:
        opened("/nowhere/hunter2.mp4", redact=lambda text: text.replace("hunter2", "***"))
    assert "hunter2" not in str(caught.value)
    assert "/nowhere/***.mp4" in str(caught.value)
