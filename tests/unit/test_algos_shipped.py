"""What all algorithms that ship have in common, and the probe."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.contract.codec import json_data, pack_data
from algos import BaseAlgo, Frames
from algos.base import Picture
from algos.codes import Codes
from algos.motion import Motion
from algos.probe import Probe
from algos.quality import Quality

SHIPPED: list[type[BaseAlgo]] = [Motion, Codes, Quality, Probe]
FORMATS = ["bgr24", "rgb24", "gray8", "nv12"]


def _scene(seed: int = 1) -> Picture:
    """A gray 320 x 180 scene with texture, as a (H, W, 3) array."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (18, 32), np.uint8)
    scene = cv2.resize(coarse, (320, 180), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(scene, cv2.COLOR_GRAY2BGR), np.uint8)


def _as(pixel_format: str, bgr: Picture) -> Picture:
    gray = bgr[:, :, 0]
    match pixel_format:
        case "gray8":
            return gray
        case "nv12":
            return np.vstack([gray, np.full((gray.shape[0] // 2, gray.shape[1]), 128, np.uint8)])
    return bgr


def _ready(member: type[BaseAlgo], **params: Any) -> BaseAlgo:  # noqa: ANN401 - of any kind
    instance = member(None, params)
    instance.init()
    return instance


@pytest.mark.parametrize("member", SHIPPED)
def test_every_parameter_is_documented(member: type[BaseAlgo]) -> None:
    schema = member.Params.model_json_schema()
    assert all(
        len(entry["description"]) > 10 and "default" in entry for entry in schema["properties"].values()
    )
    assert "Result:" in (member.__doc__ or "")
    assert member.kind == member.__name__.lower()


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("member", SHIPPED)
def test_every_pixel_format_gives_the_same(member: type[BaseAlgo], pixel_format: str) -> None:
    def results(pixel_format: str) -> list[Any]:
        instance = _ready(member)
        pictures = [_as(pixel_format, _scene()) for _ in range(4)]
        for picture in pictures:
            picture.flags.writeable = False
        return [
            instance.run(Frames([picture], times=[float(t)], numbers=[t], pixel_format=pixel_format))
            for t, picture in enumerate(pictures)
        ]

    got, wanted = results(pixel_format), results("bgr24")
    if member is Probe:
        facts = {"pixel_format": pixel_format, "channels": 3 if pixel_format.endswith("24") else 1}
        wanted = [{**result, **facts} for result in wanted]
    assert got == wanted


@pytest.mark.parametrize("member", SHIPPED)
def test_an_unknown_pixel_format_is_refused(member: type[BaseAlgo]) -> None:
    with pytest.raises(ValueError, match="yuv444p"):
        _ready(member).run(Frames([_scene()], pixel_format="yuv444p"))


@pytest.mark.parametrize("member", SHIPPED)
def test_results_can_be_packed_and_drawn(member: type[BaseAlgo]) -> None:
    instance = _ready(member)
    for second in range(9):
        picture = _scene(seed=1 if second < 6 else second)
        picture[60:120, 100:160] = 255 if second >= 4 else picture[60:120, 100:160]
        result = instance.run(Frames([picture], times=[np.float64(second)], numbers=[second]))
        assert pack_data(result)
        assert json.loads(json_data(result)) == result
        image = np.zeros((90, 160, 3), np.uint8)
        instance.draw(image, result)
        assert image.any() or (member is Codes and not result["codes"])


@pytest.mark.parametrize("member", SHIPPED)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (17, 200)])
def test_any_size_will_do_even_when_it_changes(member: type[BaseAlgo], shape: tuple[int, int]) -> None:
    instance = _ready(member)
    for size in (shape, shape, (180, 320), shape):
        instance.run(Frames([np.full(size, 99, np.uint8)], pixel_format="gray8"))


@pytest.mark.parametrize("member", SHIPPED)
def test_times_may_be_absent_or_jump_back(member: type[BaseAlgo]) -> None:
    instance = _ready(member)
    for times in ([], [5.0], [], [2.0], [2.0], [3600.0]):
        instance.run(Frames([_scene()], times=times))


def test_the_probe_tells_facts() -> None:
    frames = Frames(
        [np.full((48, 64, 3), level, np.uint8) for level in (0, 50, 100)],
        times=[1.0, 1.2, 1.6],
        numbers=[25, 30, 40],
    )
    assert _ready(Probe).run(frames) == {
        "width": 64, "height": 48, "channels": 3, "pixel_format": "bgr24", "brightness": 100.0,
        "frames": 3, "number": 40, "time_s": 1.6, "intervals_s": [0.2, 0.4],
    }  # fmt: skip


def test_the_probe_knows_nothing_of_frames_without_times() -> None:
    result = _ready(Probe).run(Frames([np.zeros((6, 4), np.uint8)], pixel_format="nv12"))
    assert (result["width"], result["height"], result["channels"]) == (4, 4, 1)
    assert (result["number"], result["time_s"], result["intervals_s"]) == (None, None, [])


@pytest.mark.parametrize("member", SHIPPED)
def test_the_page_tells_every_parameter_and_result(member: type[BaseAlgo]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "algorithms.md").read_text("utf-8")
    section = page.split(f"\n## {member.kind}\n")[1].split("\n## ")[0]
    for name, field in member.Params.model_fields.items():
        default = (
            "all four"
            if isinstance(field.default, tuple)
            else f"{field.default:g}"
            if isinstance(field.default, float)
            else str(field.default)
        )
        assert f"| `{name}` | {default} |" in section.replace(f"`{default}`", default)
    result = _ready(member).run(Frames([_scene()]))
    assert [name for name in result if f"`{name}`" not in section] == []
