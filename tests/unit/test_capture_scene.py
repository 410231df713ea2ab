"""The test scene is a pure function of its number and parameters."""

import numpy as np
import pytest

from agent.capture.scene import SceneParams, scene


@pytest.mark.parametrize("number", [0, 1, 250, 10**7])
def test_the_same_number_gives_the_same_picture(number: int) -> None:
    params = SceneParams(width=160, height=90)
    first = scene(number, params)
    assert first.shape == (90, 160, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, scene(number, SceneParams(width=160, height=90)))


def test_it_moves_and_the_seed_matters() -> None:
    params = SceneParams(width=160, height=90)
    assert not np.array_equal(scene(3, params), scene(4, params))
    assert not np.array_equal(scene(3, params), scene(3, SceneParams(width=160, height=90, seed=2)))


def test_no_shapes_leaves_a_still_scene_but_for_the_number() -> None:
    params = SceneParams(width=160, height=90, shapes=0)
    difference = np.abs(scene(3, params).astype(int) - scene(4, params))
    assert difference[30:].max() == 0


def test_drawing_does_not_change_what_comes_later() -> None:
    params = SceneParams(width=160, height=90)
    expected = scene(5, params)
    scene(6, params)[:] = 0
    assert np.array_equal(scene(5, params), expected)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (1920, 1080)])
def test_shapes_stay_inside(size: tuple[int, int]) -> None:
    params = SceneParams(width=size[0], height=size[1], shapes=20)
    for number in (0, 99, 12345):
        assert scene(number, params).shape == (size[1], size[0], 3)
