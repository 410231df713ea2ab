"""What authors of algorithms build on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from algos import BaseAlgo, Frames
from algos.base import Picture


class Bright(BaseAlgo):
    """Tells whether the picture is bright."""

    class Params(BaseAlgo.Params):
        level: int = Field(128, ge=0, le=255)

    params: Params

    def run(self, frames: Frames) -> dict[str, Any]:
        return {"bright": bool(frames[-1].mean() >= self.params.level)}


def _pictures(count: int) -> list[Picture]:
    return [np.full((4, 6, 3), number, np.uint8) for number in range(count)]


def test_frames_are_a_sequence_of_arrays_oldest_first() -> None:
    pictures = _pictures(3)
    frames = Frames(pictures, times=[0, 0.5, 1], numbers=[7, 8, 9], stream="door", pixel_format="rgb24")
    assert len(frames) == 3
    assert frames[-1] is pictures[2]
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 1, 2]
    assert [int(frame[0, 0, 0]) for frame in reversed(frames)] == [2, 1, 0]
    assert (frames.times, frames.numbers) == ((0, 0.5, 1), (7, 8, 9))
    assert (frames.stream, frames.pixel_format) == ("door", "rgb24")
    assert isinstance(frames, Sequence)
    assert "3 of door" in repr(frames)


def test_frames_pass_where_a_list_is_expected() -> None:
    assert not Frames([])
    frames = Frames(_pictures(4))
    assert frames
    first, *_, last = frames
    assert (int(first.max()), int(last.max())) == (0, 3)
    assert np.stack(list(frames)).shape == (4, 4, 6, 3)
    assert np.asarray(frames).shape == (4, 4, 6, 3)
    with pytest.raises(IndexError):
        frames[4]


def test_a_slice_keeps_times_and_numbers() -> None:
    frames = Frames(_pictures(4), times=[0, 1, 2, 3], numbers=[10, 11, 12, 13], stream="door")[1::2]
    assert isinstance(frames, Frames)
    assert (frames.times, frames.numbers, frames.stream) == ((1, 3), (11, 13), "door")
    assert [int(frame.max()) for frame in frames] == [1, 3]


def test_frames_cannot_be_changed() -> None:
    frames = Frames(_pictures(1))
    with pytest.raises(TypeError):
        frames[0] = frames[0]  # type: ignore[index]  # what is tested
    with pytest.raises(AttributeError):
        frames.more = 1  # type: ignore[attr-defined]  # what is tested


@pytest.mark.parametrize("given", [{"times": [0.0]}, {"numbers": [1, 2, 3]}])
def test_times_and_numbers_must_be_as_many_as_frames(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="2 frames, but"):
        Frames(_pictures(2), **given)


def test_a_name_is_the_class_unless_given() -> None:
    assert Bright().name == "Bright"
    assert Bright("gate").name == "gate"
    assert Bright("gate").log.name == "algos.gate"


def test_a_kind_is_the_class_unless_set() -> None:
    class Named(Bright):
        kind = "named"

    class Further(Named):
        pass

    assert (Bright.kind, Named.kind, Further.kind) == ("Bright", "named", "Further")
    assert (Bright.version, Bright.shared) == ("1", False)


@pytest.mark.parametrize("params", [{"level": 200}, Bright.Params(level=200)])
def test_params_are_validated(params: Any) -> None:  # noqa: ANN401 - two types
    assert Bright("x", params).params.level == 200
    assert Bright().params.level == 128


@pytest.mark.parametrize("params", [{"level": 300}, {"level": "much"}, {"levle": 3}])
def test_wrong_params_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(params))):
        Bright("x", params)


def test_params_stay_as_they_are() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Bright().params.level = 3


def test_run_must_be_written() -> None:
    class Empty(BaseAlgo):
        pass

    empty = Empty()
    empty.init()
    empty.draw(np.zeros((4, 4, 3), np.uint8), {})
    with pytest.raises(NotImplementedError, match="Empty has no run"):
        empty.run(Frames(_pictures(1)))


def test_a_batch_is_one_run_after_the_other() -> None:
    dark, light = Frames(_pictures(1)), Frames([np.full((4, 6, 3), 255, np.uint8)])
    assert Bright().run_batch([dark, light]) == [{"bright": False}, {"bright": True}]
