"""The algorithms that ship on real footage, against what is known to be in it."""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from algos import BaseAlgo, Frames
from algos.base import Picture
from algos.codes import Codes
from algos.motion import Motion
from algos.quality import Quality

PEOPLE = "one-by-one-person-detection.mp4"
CARS = "car-detection.mp4"
SIGNS = "asl-walk.mkv"
TOLERANCE_S = 0.5  # of the intervals' ends, as ground_truth.json says

Sample = tuple[float, Picture]


@dataclass(frozen=True)
class Agreement:
    """How many samples agree with the ground truth, and when the others are."""

    share: float
    wrong_s: list[float]


@functools.cache
def _play(path: Path, width: int, height: int, interval_s: float) -> list[Sample]:
    """Times and pictures in gray, each decoded once a test run."""
    samples: list[Sample] = []
    due_s = 0.0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            assert frame.time is not None
            if frame.time < due_s - 1e-6:
                continue
            due_s += interval_s
            picture = frame.to_ndarray(width=width, height=height, format="gray")
            samples.append((frame.time, np.asarray(picture, np.uint8)))
    return samples


def _thin(samples: list[Sample], interval_s: float, offset_s: float = 0.0) -> Iterator[Sample]:
    due_s = offset_s
    for time_s, picture in samples:
        if time_s >= due_s - 1e-6:
            due_s += interval_s
            yield time_s, picture


def _run(algorithm: BaseAlgo, samples: Iterator[Sample] | list[Sample]) -> list[tuple[float, dict[str, Any]]]:
    algorithm.init()
    return [
        (time_s, algorithm.run(Frames([picture], times=[time_s], pixel_format="gray8")))
        for time_s, picture in samples
    ]


def _presence(data_dir: Path, clip: str) -> list[tuple[float, float]]:
    truth = json.loads((data_dir / "ground_truth.json").read_text())[clip]
    found = truth["present"] if "present" in truth else [car["seen"] for car in truth["cars"]]
    return [(float(first), float(last)) for first, last in found]


def _agreement(results: list[tuple[float, dict[str, Any]]], presence: list[tuple[float, float]]) -> Agreement:
    def agrees(time_s: float, *, moving: bool) -> bool:
        if any(abs(time_s - end) <= TOLERANCE_S for ends in presence for end in ends):
            return True
        return moving is any(first <= time_s <= last for first, last in presence)

    wrong = [time_s for time_s, result in results if not agrees(time_s, moving=result["moving"])]
    return Agreement(1 - len(wrong) / len(results), wrong)


@pytest.mark.parametrize("interval_s", [0.0, 0.2, 1.0, 2.0])
@pytest.mark.parametrize(("clip", "least"), [(PEOPLE, 0.95), (CARS, 0.90)])
def test_motion_agrees_with_who_is_there(data_dir: Path, clip: str, least: float, interval_s: float) -> None:
    samples = _thin(_play(data_dir / clip, 320, 180, 0.0), interval_s)
    results = _run(Motion(), samples)
    agreement = _agreement(results, _presence(data_dir, clip))
    assert agreement.share >= least, agreement
    assert not any(result["scene_change"] for _, result in results)


@pytest.mark.parametrize("offset_s", [0.3, 0.5, 0.7])
@pytest.mark.parametrize(("clip", "least"), [(PEOPLE, 0.95), (CARS, 0.90)])
def test_motion_agrees_wherever_the_samples_lie(
    data_dir: Path, clip: str, least: float, offset_s: float
) -> None:
    samples = _thin(_play(data_dir / clip, 320, 180, 0.0), 1.0, offset_s)
    agreement = _agreement(_run(Motion(), samples), _presence(data_dir, clip))
    assert agreement.share >= least, agreement


def test_motion_agrees_on_the_picture_as_it_comes(data_dir: Path) -> None:
    samples = _play(data_dir / CARS, 768, 432, 0.2)
    agreement = _agreement(_run(Motion(), _thin(samples, 1.0)), _presence(data_dir, CARS))
    assert agreement.share >= 0.90, agreement


def test_motion_boxes_one_person_at_the_table(data_dir: Path) -> None:
    samples = _thin(_play(data_dir / PEOPLE, 320, 180, 0.0), 1.0)
    for time_s, result in _run(Motion(), samples):
        if time_s in {12, 35, 60, 82, 105, 130}:
            x1, y1, x2, y2, area = result["regions"][0]
            assert 0 <= x1 < x2 <= 1
            assert 0 <= y1 < y2 <= 1
            assert 0.02 < area <= result["share"] < 0.5
            assert len(result["regions"]) <= 3


def test_a_cut_to_another_place_is_a_new_scene(data_dir: Path) -> None:
    road = _play(data_dir / CARS, 320, 180, 0.0)[:40:4]
    room = [(time_s + 10, picture) for time_s, picture in _play(data_dir / PEOPLE, 320, 180, 0.0)[:40:4]]
    results = _run(Motion(), [*road, *room])
    assert [time_s for time_s, result in results if result["scene_change"]] == [10.0]
    assert not any(result["moving"] for _, result in results)


@pytest.mark.parametrize("interval_s", [0.2, 1.0])
@pytest.mark.parametrize(("clip", "size"), [(PEOPLE, (640, 360)), (CARS, (768, 432)), (SIGNS, (640, 480))])
def test_quality_finds_nothing_wrong(
    data_dir: Path, clip: str, size: tuple[int, int], interval_s: float
) -> None:
    for time_s, result in _run(Quality(), _thin(_play(data_dir / clip, *size, 0.2), interval_s)):
        assert result["ok"], (time_s, result)


@pytest.mark.parametrize(
    ("defect", "spoil", "after_s"),
    [
        ("black", lambda picture, _: np.full_like(picture, 18), 0),
        ("frozen", lambda _, first: first, 5),
        ("blurred", lambda picture, _: cv2.GaussianBlur(picture, (0, 0), 5), 0),
        ("over_exposed", lambda picture, _: cv2.convertScaleAbs(picture, alpha=2.5, beta=60), 1),
        ("under_exposed", lambda picture, _: cv2.convertScaleAbs(picture, alpha=0.3, beta=-35), 0),
        ("moved", lambda picture, _: np.roll(picture, (20, 60), (0, 1)), 5),
    ],
)
@pytest.mark.parametrize(("clip", "size"), [(PEOPLE, (640, 360)), (CARS, (768, 432))])
def test_quality_finds_what_is_spoilt(
    data_dir: Path,
    clip: str,
    size: tuple[int, int],
    defect: str,
    spoil: Callable[[Picture, Picture], Picture],
    after_s: float,
) -> None:
    samples = [sample for sample in _play(data_dir / clip, *size, 0.2) if sample[0] < 30]
    spoilt_s, first = next(sample for sample in samples if sample[0] >= 10)
    spoilt = [
        (time_s, np.asarray(spoil(picture, first), np.uint8)) if time_s >= spoilt_s else (time_s, picture)
        for time_s, picture in samples
    ]
    results = _run(Quality(), spoilt)
    assert all(result["ok"] for time_s, result in results if time_s < spoilt_s)
    later = [
        # Asphalt is dark as it is: without light it is black.
        result[defect] or (defect == "under_exposed" and result["black"])
        for time_s, result in results
        if time_s >= spoilt_s + after_s + 0.4
    ]
    # A car that fills the view may hide for a moment how the picture is.
    assert sum(later) / len(later) > 0.9


@pytest.mark.parametrize(("clip", "size"), [(PEOPLE, (640, 360)), (CARS, (768, 432))])
def test_no_code_is_seen_where_there_is_none(data_dir: Path, clip: str, size: tuple[int, int]) -> None:
    samples = _thin(_play(data_dir / clip, *size, 0.2), 6.0)
    assert all(result["codes"] == [] for _, result in _run(Codes(), samples))


def test_codes_are_read_in_a_real_scene(data_dir: Path) -> None:
    code = np.asarray(cv2.QRCodeEncoder.create().encode("table 3"), np.uint8)
    sign = code.repeat(5, axis=0).repeat(5, axis=1)
    height, width = sign.shape
    # Hung up at an angle.
    corners = np.array([[470, 60], [580, 72], [576, 180], [466, 170]], np.float32)
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    how = cv2.getPerspectiveTransform(own, corners)
    read = []
    for time_s, picture in _thin(_play(data_dir / PEOPLE, 640, 360, 0.2), 10.0):
        hung = cv2.warpPerspective(sign, how, (640, 360))
        where = cv2.warpPerspective(np.full_like(sign, 255), how, (640, 360)) > 127
        scene = np.where(where, hung, picture).astype(np.uint8)
        ((_, result),) = _run(Codes(), [(time_s, scene)])
        read.append([found["text"] for found in result["codes"]])
    assert read == [["table 3"]] * 14
