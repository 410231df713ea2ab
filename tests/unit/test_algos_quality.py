"""Picture quality on made scenes: each defect by itself."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from algos import Frames
from algos.base import Picture
from algos.quality import Quality

RNG = np.random.default_rng(4)
DEFECTS = {"black", "frozen", "blurred", "over_exposed", "under_exposed", "moved"}
WIDE = np.asarray(
    cv2.resize(RNG.integers(60, 190, (60, 100), np.uint8), (1000, 600), interpolation=cv2.INTER_CUBIC),
    np.uint8,
)
# Larger than the picture, for a camera to turn in.
WIDE[::40] = 200
WIDE[:, ::56] = 40


def _view(x: int = 100, y: int = 100) -> Picture:
    return WIDE[y : y + 180, x : x + 320]


def _noisy(scene: Picture) -> Picture:
    return np.clip(scene + RNG.normal(0, 3, scene.shape), 0, 255).astype(np.uint8)


def _watch(
    scenes: Callable[[float], Picture], until_s: float, interval_s: float = 1.0, **params: float
) -> list[tuple[float, dict[str, Any]]]:
    quality = Quality("quality", params)
    quality.init()
    return [
        (float(t), quality.run(Frames([scenes(float(t))], times=[float(t)], pixel_format="gray8")))
        for t in np.arange(0, until_s, interval_s)
    ]


def _found(result: dict[str, Any]) -> set[str]:
    assert result["ok"] is not any(result[defect] for defect in DEFECTS)
    return {defect for defect in DEFECTS if result[defect]}


def test_a_good_picture_is_ok() -> None:
    for _, result in _watch(lambda _: _noisy(_view()), 30):
        assert _found(result) == set()


@pytest.mark.parametrize(
    ("defect", "spoil", "measure", "low", "high"),
    [
        ("black", lambda scene: np.full_like(scene, 16), "dark_share", 1, 1),
        ("blurred", lambda scene: cv2.GaussianBlur(scene, (0, 0), 5), "sharpness", 0, 0.02),
        (
            "over_exposed",
            lambda scene: cv2.convertScaleAbs(scene, alpha=1.5, beta=80),
            "bright_share",
            0.5,
            1,
        ),
        ("under_exposed", lambda scene: cv2.convertScaleAbs(scene, alpha=0.2), "dark_share", 0.7, 0.98),
    ],
)
def test_a_defect_is_told_at_once_and_only_while_it_lasts(
    defect: str, spoil: Callable[[Picture], Picture], measure: str, low: float, high: float
) -> None:
    def scenes(t: float) -> Picture:
        scene = _noisy(_view())
        return np.asarray(spoil(scene), np.uint8) if 5 <= t < 9 else scene

    for t, result in _watch(scenes, 15):
        assert _found(result) == ({defect} if 5 <= t < 9 else set())
        if 5 <= t < 9:
            assert low <= result[measure] <= high


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 10.0])
def test_frozen_from_the_time_given_until_the_picture_changes(interval_s: float) -> None:
    still = _noisy(_view())
    results = _watch(lambda t: still if 10 <= t < 30 else _noisy(_view()), 40, interval_s, frozen_s=4)
    first = next(t for t, _ in results if t >= 10)
    for t, result in results:
        frozen = 10 <= t < 30 and t - first >= 4 - 1e-9
        assert result["frozen"] is frozen, t
    assert max(result["still_s"] for _, result in results) == pytest.approx(results[-1][0] // 30 * 20, abs=10)


def test_a_codec_s_ripple_on_a_still_picture_is_still() -> None:
    still = _noisy(_view())

    def scenes(t: float) -> Picture:
        rippled = still.copy()
        rippled[::20, ::2] += np.uint8(int(t) % 2)
        return rippled

    assert _watch(scenes, 12)[-1][1]["frozen"] is True


def test_somebody_small_in_the_distance_is_not_still() -> None:
    def scenes(t: float) -> Picture:
        scene = _view().copy()
        scene[90:98, int(t) * 8 : int(t) * 8 + 4] = 255
        return scene

    assert not any(result["frozen"] for _, result in _watch(scenes, 30))


@pytest.mark.parametrize(("x", "y"), [(115, 100), (100, 85), (190, 130), (500, 300)])
def test_a_moved_camera_is_told_after_a_while_then_its_view_is_the_reference(x: int, y: int) -> None:
    results = _watch(lambda t: _noisy(_view() if t < 10 else _view(x, y)), 40, settle_s=12)
    moved = {t for t, result in results if result["moved"]}
    assert min(moved) == 14
    assert max(moved) == 27
    assert results[-1][1]["offset"] == pytest.approx([0, 0], abs=0.01)


def test_the_offset_is_the_view_s_shift() -> None:
    result = _watch(lambda t: _noisy(_view() if t < 5 else _view(120, 91)), 8)[-1][1]
    assert result["offset"] == pytest.approx([-20 / 320, 9 / 180], abs=0.005)


def test_a_shake_or_a_passing_lorry_is_no_move() -> None:
    def scenes(t: float) -> Picture:
        if 5 <= t < 8:
            return _noisy(_view(130, 100))
        if 12 <= t < 15:
            return _noisy(np.full((180, 320), 128, np.uint8))
        return _noisy(_view())

    assert not any(result["moved"] for _, result in _watch(scenes, 25))


def test_light_is_no_move() -> None:
    results = _watch(lambda t: _noisy((_view() * (1 if t < 5 else 0.5)).astype(np.uint8)), 20)
    assert not any(result["moved"] for _, result in results)


def test_a_view_with_nothing_in_it_cannot_be_said_to_move() -> None:
    results = _watch(lambda _: _noisy(np.full((180, 320), 128, np.uint8)), 90)
    assert not any(result["moved"] for _, result in results)
