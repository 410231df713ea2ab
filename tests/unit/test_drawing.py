"""The default drawing: where it paints, and that it leaves the rest alone."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from algos import BaseAlgo, Frames
from algos.base import Picture
from algos.drawing import _colour, draw, drawn
from algos.geometry import Tag
from tests.unit.test_shapes import TREES

Where = NDArray[np.bool_]
SIZES = [(240, 320), (720, 1280), (1280, 720)]


def gray(shape: tuple[int, int]) -> Picture:
    return np.full((*shape, 3), 127, np.uint8)


def painted(
    result: object, shape: tuple[int, int] = (720, 1280), size: tuple[int, int] | None = None
) -> Where:
    """(H, W) bool: where the picture was changed."""
    image = gray(shape)
    draw(image, result, size)
    return np.asarray((image != 127).any(axis=2))


def extent(where: Where) -> tuple[float, float, float, float]:
    """The box around what was painted, in shares."""
    rows, columns = np.nonzero(where)
    height, width = where.shape
    return columns.min() / width, rows.min() / height, columns.max() / width, rows.max() / height


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(
    ("result", "around"),
    [
        ({"box": [0.25, 0.25, 0.5, 0.75]}, (0.25, 0.25, 0.5, 0.75)),
        ({"polygon": [[0.25, 0.25], [0.5, 0.25], [0.5, 0.75]]}, (0.25, 0.25, 0.5, 0.75)),
        ({"line": [0.25, 0.25, 0.5, 0.75]}, (0.25, 0.25, 0.5, 0.75)),
        ({"points": [[0.25, 0.25], [0.5, 0.75]]}, (0.25, 0.25, 0.5, 0.75)),
    ],
)
def test_shapes_are_where_they_belong(
    shape: tuple[int, int], result: object, around: tuple[float, ...]
) -> None:
    where = painted(result, shape)
    assert extent(where) == pytest.approx(around, abs=0.02)
    if "box" in str(result):
        assert not where[
            round(0.3 * shape[0]) : round(0.7 * shape[0]), round(0.3 * shape[1]) : round(0.45 * shape[1])
        ].any()


def test_pixels_are_scaled_to_the_picture_that_is_painted() -> None:
    as_shares = painted({"box": [0.25, 0.25, 0.5, 0.75]})
    assert (painted({"box": [160, 90, 320, 270]}, size=(640, 360)) == as_shares).all()
    assert (painted({"box": [160, 90, 320, 270], "size": [640, 360]}) == as_shares).all()
    assert (painted({"box": [320, 180, 640, 540]}) == as_shares).all()


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("corner", [(0, 0), (0.95, 0), (0, 0.95), (0.95, 0.95)])
def test_a_label_stays_in_the_picture(shape: tuple[int, int], corner: tuple[float, float]) -> None:
    x, y = corner
    plain = {"box": [x, y, x + 0.05, y + 0.05]}
    label = painted({**plain, "label": "a bicycle", "score": 0.5}, shape) & ~painted(plain, shape)
    # A chip of at least nine letters' height and width, whole.
    assert label.sum() > 9 * 4 * 11
    lonely = painted({"box": [0.4, 0.4, 0.45, 0.45], "label": "a bicycle", "score": 0.5}, shape)
    middle = lonely & ~painted({"box": [0.4, 0.4, 0.45, 0.45]}, shape)
    assert label.sum() == pytest.approx(middle.sum(), rel=0.15)
    left, top, right, bottom = extent(label)
    assert right < 0.5 if x == 0 else left > 0.4
    assert bottom < 0.2 if y == 0 else top > 0.8


def crowd(count: int) -> list[dict[str, Any]]:
    """So many at one place, of one colour, the surest first."""
    box = [0.4, 0.4, 0.6, 0.6]
    return [{"box": box, "id": 1, "label": f"person {n:02}", "score": 0.99 - n / 200} for n in range(count)]


def picture_of(result: object) -> Picture:
    image = gray((720, 1280))
    draw(image, result)
    return image


def test_labels_of_a_crowd_do_not_cover_each_other() -> None:
    border = painted({"box": crowd(1)[0]["box"]})
    chips = [int((painted(crowd(count)) & ~border).sum()) for count in (1, 4, 40)]
    assert chips[1] > 3 * chips[0]  # those inside cover some of the border
    # At one place there is room for eight; the others are left out rather than painted over them.
    assert chips[2] < 9 * chips[0]
    assert (picture_of(crowd(40)) == picture_of(crowd(100))).all()


def test_the_surest_have_their_labels_wherever_they_stand() -> None:
    assert (picture_of(crowd(40)) == picture_of(crowd(40)[::-1])).all()


def test_more_labels_than_can_be_read_are_left_out() -> None:
    where = [[x / 17 + 0.01, y / 17 + 0.01] for x in range(15) for y in range(15)]
    boxes = {"boxes": [[x, y, x + 0.03, y + 0.03] for x, y in where]}

    def chips(count: int) -> int:
        labelled = {**boxes, "labels": ["a"] * count}
        return int((painted(labelled) & ~painted(boxes)).sum())

    assert chips(100) > 90 * chips(1)
    assert chips(225) == chips(100)


def test_a_label_that_has_no_room_at_all_is_left_out() -> None:
    box = {"box": [0.2, 0.0, 0.8, 1.0]}
    assert (painted({**box, "label": "a"}, (12, 200)) == painted(box, (12, 200))).all()


def test_points_of_an_object_do_not_repeat_its_label() -> None:
    face = {"box": [0.4, 0.4, 0.6, 0.6], "label": "face"}
    alone = painted([face, {"point": [0.5, 0.5]}])
    assert (painted([face, {"point": [0.5, 0.5], "label": "face"}]) == alone).all()
    assert painted([face, {"point": [0.5, 0.5], "label": "nose"}]).sum() > alone.sum()


def test_what_reaches_far_beyond_the_picture_is_cut_there() -> None:
    where = painted({"units": "shares", "box": [0.5, 0.5, 1e6, 1e6]}, (80, 4000))
    assert extent(where) == pytest.approx((0.5, 0.5, 1, 1), abs=0.1)


def test_facts_are_written_in_the_upper_left_corner_and_bounded() -> None:
    few = extent(painted({"moving": True, "count": 3}))
    assert few[0] == few[1] == 0
    assert few[2] < 0.15
    assert few[3] < 0.1
    many = extent(
        painted({f"a long name of a value {n}": "a long value " * 9 for n in range(99)}, (240, 320))
    )
    assert many[3] < 0.6


def test_a_text_is_light_on_dark_even_on_a_white_picture() -> None:
    image = np.full((240, 320, 3), 255, np.uint8)
    draw(image, {"count": 3})
    panel = image[:20, :60]
    assert panel.min() < 120
    assert panel.max() > 200


def test_a_colour_stays_with_an_id_or_label() -> None:
    assert _colour(Tag("person", 0.5, "3")) == _colour(Tag("dog", 0.1, "3"))
    assert _colour(Tag("person", 0.5)) == _colour(Tag("person", 0.9))
    assert len({_colour(Tag(id=str(number))) for number in range(40)}) >= 8
    assert _colour(Tag("person")) == (200, 104, 186)  # as in any other process


def test_nothing_is_painted_for_what_is_outside_or_nothing() -> None:
    results: list[object] = [
        None,
        {"boxes": []},
        {"box": [1.2, 0.2, 1.5, 0.4]},
        {"point": [-0.5, 0.5]},
        {"polygon": [[-9, 0], [-8, 0], [-9, 1]], "units": "shares"},
        {"line": [1.5, 0, 1.5, 1]},
        {"box": [0, float("nan"), 1, 1]},
    ]
    for result in results:
        assert not painted(result).any(), result


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (17, 33), (0, 0)])
def test_any_size_can_be_painted_on(shape: tuple[int, int]) -> None:
    result = {"boxes": [[0, 0, 1, 1]] * 3, "labels": ["a", "b", "c"], "polygon": [[0, 0], [1, 1], [0, 1]],
              "point": [0.5, 0.5], "line": [0, 0, 1, 1], "count": 3}  # fmt: skip
    image = gray(shape)
    draw(image, result)
    assert image.shape == (*shape, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 8, 3), np.uint8)[:, ::2],
    ],
)
def test_what_cannot_be_painted_on_is_refused(image: Picture) -> None:
    with pytest.raises(ValueError, match=r"must be \(height, width, 3\) uint8"):
        draw(image, {"count": 1})


def test_a_picture_that_is_read_only_is_refused() -> None:
    image = gray((4, 4))
    image.flags.writeable = False
    with pytest.raises(ValueError, match="draw on a copy"):
        draw(image, {"count": 1})


def test_a_large_result_takes_its_time_within_bounds() -> None:
    many = [
        {"box": [x, y, x + 0.1, y + 0.1], "label": "person", "score": x}
        for x, y in np.random.default_rng(1).random((5000, 2))
    ]
    began = time.process_time()
    painted(many)
    assert time.process_time() - began < 5  # CPU; a tenth of it on the machine at hand


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(TREES, st.sampled_from([(12, 16), (120, 160)]))
def test_any_tree_is_painted(tree: object, shape: tuple[int, int]) -> None:
    image = gray(shape)
    draw(image, tree)
    assert image.shape == (*shape, 3)


class Silent(BaseAlgo):
    def run(self, frames: Frames) -> dict[str, list[float]]:
        return {"box": [0.2, 0.2, 0.8, len(frames) / 2]}


class Painting(Silent):
    def draw(self, image: Picture, result: Any) -> None:  # noqa: ANN401  as in `BaseAlgo`
        image[:, : int(image.shape[1] * result["box"][0])] = 7


def test_an_algorithm_paints_itself_or_is_painted() -> None:
    picture = gray((90, 160))
    result = Silent().run(Frames([picture]))
    by_default, by_itself = picture.copy(), picture.copy()
    drawn(Silent(), by_default, result)
    drawn(Painting(), by_itself, result)
    wanted = picture.copy()
    draw(wanted, result)
    assert (by_default == wanted).all()
    assert (by_itself[:, :32] == 7).all()
    assert (by_itself[:, 32:] == 127).all()


def test_what_an_algorithm_raises_in_drawing_comes_through() -> None:
    with pytest.raises(KeyError):
        drawn(Painting(), gray((9, 16)), {})


def test_facts_of_two_results_do_not_cover_each_other() -> None:
    image = np.full((360, 640, 3), 200, np.uint8)
    first = draw(image, {"brightness": 12.5, "sharpness": 3})
    one = image.copy()
    second = draw(image, {"people": 4}, top=first)
    assert 0 < first < second < 360
    assert np.array_equal(image[:first], one[:first]), "what was there is as it was"
    assert (image[first:second, :20] < 150).any(), "the second stands below it"
    assert draw(image, {"people": 4}, top=350) == 350, "where there is no room, nothing is painted"
    assert draw(image, {"boxes": [[0.1, 0.1, 0.2, 0.2]]}, top=first) == first
