"""Motion on made scenes: each behaviour by itself."""

from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np
import pytest

from algos import Frames
from algos.base import Picture
from algos.motion import Motion

RNG = np.random.default_rng(3)
YARD = np.asarray(
    cv2.resize(RNG.integers(60, 180, (18, 32), np.uint8), (320, 180), interpolation=cv2.INTER_CUBIC), np.uint8
)


def _noisy(scene: Picture, gain: float = 1.0) -> Picture:
    noise = RNG.normal(0, 3, scene.shape)
    return np.clip(scene * gain + noise, 0, 255).astype(np.uint8)


def _with_box(left: float, level: int = 240) -> Picture:
    """The yard and a box of a tenth by a third of it, its left edge at a share of the width."""
    scene = YARD.copy()
    scene[60:120, round(left * 320) : round((left + 0.1) * 320)] = level
    return scene


def _watch(
    scenes: Callable[[float], Picture], until_s: float, interval_s: float = 1.0, **params: float
) -> list[tuple[float, dict[str, Any]]]:
    """Results with their times."""
    motion = Motion("motion", params)
    motion.init()
    times = np.arange(0, until_s, interval_s)
    return [
        (float(t), motion.run(Frames([scenes(float(t))], times=[float(t)], pixel_format="gray8")))
        for t in times
    ]


def _seconds(results: Iterable[tuple[float, dict[str, Any]]], what: str) -> set[float]:
    return {round(t, 3) for t, result in results if result[what]}


@pytest.mark.parametrize(("interval_s", "until_s"), [(0.1, 15), (1.0, 60), (5.0, 300)])
def test_nothing_moves_in_an_empty_yard(interval_s: float, until_s: float) -> None:
    results = _watch(lambda _: _noisy(YARD), until_s, interval_s)
    assert _seconds(results, "moving") == set()
    assert _seconds(results, "scene_change") == set()
    learning = _seconds(results, "learning")
    assert min(learning) == 0
    assert max(learning) <= 2


@pytest.mark.parametrize("interval_s", [0.3, 1.0, 3.0])
def test_what_comes_in_moves_until_it_leaves(interval_s: float) -> None:
    def scenes(t: float) -> Picture:
        return _noisy(_with_box(0.05 + (t - 9) / 30) if 9 <= t < 30 else YARD)

    results = _watch(scenes, 45, interval_s)
    assert _seconds(results, "moving") == {round(t, 3) for t, _ in results if 9 <= t < 30}


def test_who_stands_still_is_absorbed_and_so_is_the_ghost() -> None:
    def scenes(t: float) -> Picture:
        return _noisy(_with_box(0.5) if 5 <= t < 60 else YARD)

    results = _watch(scenes, 120, absorb_s=20)
    # From 5 there; then background; from 60 on its absence differs, until that is background again.
    moving = _seconds(results, "moving")
    assert set(range(5, 25)) | set(range(60, 80)) <= moving
    assert moving <= set(range(5, 28)) | set(range(60, 83))


def test_the_region_is_where_the_box_is() -> None:
    results = _watch(lambda t: _noisy(_with_box(0.5) if t >= 5 else YARD), 8)
    result = results[-1][1]
    (*box, area) = result["regions"][0]
    assert len(result["regions"]) == 1
    assert box == pytest.approx([0.5, 1 / 3, 0.6, 2 / 3], abs=0.02)
    assert area == pytest.approx(1 / 30, rel=0.15)
    assert result["share"] == pytest.approx(area, abs=0.001)


def test_regions_come_largest_first_and_bounded() -> None:
    def scenes(t: float) -> Picture:
        scene = _with_box(0.1)
        scene[20:40, 250:270] = 240
        scene[150:170, 200:240] = 240
        return _noisy(scene if t >= 5 else YARD)

    areas = [region[4] for region in _watch(scenes, 8)[-1][1]["regions"]]
    assert len(areas) == 3
    assert areas == sorted(areas, reverse=True)
    assert len(_watch(scenes, 8, max_regions=2)[-1][1]["regions"]) == 2


@pytest.mark.parametrize(("min_area", "moving"), [(0.02, True), (0.06, False)])
def test_smaller_than_min_area_is_nothing(min_area: float, *, moving: bool) -> None:
    results = _watch(lambda t: _noisy(_with_box(0.5) if t >= 5 else YARD), 8, min_area=min_area)
    assert results[-1][1]["moving"] is moving


def test_exposure_is_no_motion() -> None:
    results = _watch(lambda t: _noisy(YARD, gain=1.0 if t < 10 else 0.75), 30)
    assert _seconds(results, "moving") == set()
    assert _seconds(results, "scene_change") == set()


def test_a_box_is_found_while_the_exposure_follows_it() -> None:
    results = _watch(lambda t: _noisy(_with_box(0.3, 255) if t >= 10 else YARD, 1 if t < 10 else 0.7), 14)
    assert _seconds(results, "moving") == {10, 11, 12, 13}
    assert len(results[-1][1]["regions"]) == 1


@pytest.mark.parametrize("change", ["lights off", "lights on", "camera turned"])
def test_a_new_scene_is_told_once_and_learned(change: str) -> None:
    turned = np.ascontiguousarray(YARD[:, ::-1])
    before, after = {
        "lights off": (YARD, (YARD * 0.2).astype(np.uint8)),
        "lights on": ((YARD * 0.3).astype(np.uint8), YARD),
        "camera turned": (YARD, turned),
    }[change]
    results = _watch(lambda t: _noisy(before if t < 10 else after), 30)
    assert _seconds(results, "scene_change") == {10}
    assert _seconds(results, "moving") == set()
    assert _seconds(results, "learning") == {0, 1, 2, 10, 11, 12}


def test_two_streams_are_two_instances() -> None:
    first, second = Motion("one"), Motion("two")
    first.init()
    second.init()
    assert first.run(Frames([YARD], pixel_format="gray8"))["learning"]
    assert second.run(Frames([YARD], pixel_format="gray8"))["learning"]
