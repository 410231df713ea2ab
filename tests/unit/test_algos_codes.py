"""Codes drawn here, and read back."""

from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from algos import Frames
from algos.base import Picture
from algos.codes import Codes

# ISO/IEC 15420: the modules of each digit (1 is dark); R is L inverted, G is R backwards; the first digit
# is in the choice of L and G on the left side.
_L = [f"{bits:07b}" for bits in (13, 25, 19, 61, 35, 49, 47, 59, 55, 11)]
_SIDES = ["LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL"]


def _ean_13(digits: str, module_px: int = 3) -> Picture:
    right = [code.translate(str.maketrans("01", "10")) for code in _L]
    left = {"L": _L, "G": [code[::-1] for code in right]}
    sides = _SIDES[int(digits[0])]
    modules = (
        "101"
        + "".join(left[side][int(digit)] for side, digit in zip(sides, digits[1:7], strict=True))
        + "01010"
        + "".join(right[int(digit)] for digit in digits[7:])
        + "101"
    )
    row = np.array([255 * (module == "0") for module in modules], np.uint8).repeat(module_px)
    return np.tile(row, (120, 1))


def _qr(text: str, module_px: int = 4, mode: int = cv2.QRCodeEncoder_MODE_AUTO) -> Picture:
    params = cv2.QRCodeEncoder.Params()
    params.mode = mode
    code = np.asarray(cv2.QRCodeEncoder.create(params).encode(text), np.uint8)
    return code.repeat(module_px, axis=0).repeat(module_px, axis=1)


def _marker(dictionary: str, number: int, size_px: int = 90) -> Picture:
    known = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{dictionary}"))
    return np.asarray(cv2.aruco.generateImageMarker(known, number, size_px), np.uint8)


def _wall(*codes: tuple[Picture, int, int]) -> Picture:
    """A light wall of 640 x 360 with codes, their upper left corners at x, y."""
    wall = np.full((360, 640), 230, np.uint8)
    for code, x, y in codes:
        wall[y : y + code.shape[0], x : x + code.shape[1]] = code
    return np.asarray(cv2.GaussianBlur(wall, (3, 3), 0), np.uint8)


def _read(picture: Picture, **params: object) -> list[dict[str, Any]]:
    codes = Codes("codes", params)
    codes.init()
    result = codes.run(Frames([picture], pixel_format="gray8"))
    assert result["count"] == len(result["codes"])
    found: list[dict[str, Any]] = result["codes"]
    return found


def _said(codes: list[dict[str, Any]]) -> list[tuple[str, str, str | None, int | None]]:
    return sorted((code["type"], code["format"], code["text"], code["id"]) for code in codes)


EVERYTHING = _wall(
    (_qr("gate 7"), 30, 30),
    (_ean_13("4006381333931"), 250, 40),
    (_marker("4X4_50", 17), 60, 230),
    (_marker("APRILTAG_36h11", 123), 400, 220),
)


def test_all_types_are_read_from_one_picture() -> None:
    assert _said(_read(EVERYTHING)) == [
        ("apriltag", "36h11", None, 123),
        ("aruco", "4x4_50", None, 17),
        ("barcode", "ean_13", "4006381333931", None),
        ("qr", "qr", "gate 7", None),
    ]


@pytest.mark.parametrize("kind", ["qr", "barcode", "aruco", "apriltag"])
def test_only_the_wanted_types_are_read(kind: str) -> None:
    assert [code["type"] for code in _read(EVERYTHING, types=[kind])] == [kind]


@pytest.mark.parametrize("text", ["https://example.org/a?b=1", "Grüße ☂", "7" * 200])
def test_a_qr_code_says_its_text(text: str) -> None:
    assert [code["text"] for code in _read(_wall((_qr(text), 40, 40)))] == [text]


def test_a_qr_code_in_another_encoding_hides_none_beside_it() -> None:
    kanji = _qr("日本", 6, mode=cv2.QRCodeEncoder_MODE_KANJI)
    found = _read(_wall((kanji, 40, 40), (_qr("gate 7", 6), 400, 40)), types=["qr"])
    assert len(found) == 2
    assert "gate 7" in [code["text"] for code in found]


@pytest.mark.parametrize(
    ("params", "dictionary", "number"),
    [
        ({"aruco": "5x5_100"}, "5X5_100", 99),
        ({"aruco": "original"}, "ARUCO_ORIGINAL", 1000),
        ({"apriltag": "16h5"}, "APRILTAG_16h5", 3),
        ({"apriltag": "25h9"}, "APRILTAG_25h9", 30),
    ],
)
def test_markers_of_the_chosen_dictionary(params: dict[str, str], dictionary: str, number: int) -> None:
    picture = _wall((_marker(dictionary, number), 200, 100))
    name, value = next(iter(params.items()))
    assert _said(_read(picture, types=[name], **params)) == [(name, value, None, number)]


def test_corners_are_shares_of_the_picture() -> None:
    (code,) = _read(_wall((_marker("4X4_50", 5, 72), 320, 180)))
    left, top, right, bottom = 0.5, 0.5, 0.5 + 72 / 640, 0.5 + 72 / 360
    expected = [[left, top], [right, top], [right, bottom], [left, bottom]]
    assert code["corners"] == [pytest.approx(corner, abs=0.01) for corner in expected]


def test_a_turned_marker_begins_at_its_own_corner() -> None:
    turned = np.rot90(_marker("4X4_50", 5, 72), -1)  # clockwise: its first corner is on the right
    (code,) = _read(_wall((turned, 320, 180)))
    assert code["corners"][0] == pytest.approx([0.5 + 72 / 640, 0.5], abs=0.01)


def test_the_same_twice_at_two_places_is_two_codes() -> None:
    marker = _marker("4X4_50", 5)
    assert len(_read(_wall((marker, 60, 60), (marker, 400, 60)))) == 2


def test_reports_are_bounded() -> None:
    marker = _marker("4X4_50", 5, 60)
    picture = _wall(*((marker, x, y) for x in range(20, 560, 120) for y in (40, 200)))
    assert len(_read(picture)) == 10
    assert len(_read(picture, max_codes=3)) == 3


@pytest.mark.parametrize("module_px", [2, 3, 4, 5])
def test_barcodes_of_any_width_are_read_where_they_are(module_px: int) -> None:
    (code,) = _read(_wall((_ean_13("5901234123457", module_px), 32, 90)), types=["barcode"])
    assert code["text"] == "5901234123457"
    middle = np.mean(code["corners"], axis=0)
    assert middle == pytest.approx([0.05 + 95 * module_px / 640 / 2, 0.25 + 120 / 360 / 2], abs=0.03)


def test_nothing_is_read_from_noise() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        assert _read(rng.integers(0, 255, (180, 320), np.uint8)) == []


@pytest.mark.parametrize(
    "params", [{"types": []}, {"types": ["pdf417"]}, {"aruco": "9x9_1"}, {"max_codes": 0}]
)
def test_parameters_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Codes("codes", params)


def test_codes_are_drawn_where_they_are() -> None:
    codes = Codes()
    codes.init()
    result = codes.run(Frames([EVERYTHING], pixel_format="gray8"))
    image = np.zeros((180, 320, 3), np.uint8)
    codes.draw(image, result)
    for code in result["codes"]:
        x, y = (round(share * extent) for share, extent in zip(code["corners"][2], (320, 180), strict=True))
        assert image[y - 3 : y + 4, x - 3 : x + 4].any()
