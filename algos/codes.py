"""Codes that are meant for machines: QR, barcodes, ArUco and AprilTag markers."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from algos.base import BaseAlgo, Frames, Picture
from algos.picture import GREEN, luma, paint_text, size

CodeType = Literal["qr", "barcode", "aruco", "apriltag"]
ArucoDictionary = Literal[
    "4x4_50", "4x4_100", "4x4_250", "4x4_1000", "5x5_50", "5x5_100", "5x5_250", "5x5_1000",
    "6x6_50", "6x6_100", "6x6_250", "6x6_1000", "7x7_50", "7x7_100", "7x7_250", "7x7_1000", "original",
]  # fmt: skip
AprilTagFamily = Literal["16h5", "25h9", "36h10", "36h11"]

_Quads = Iterable[cv2.typing.MatLike]
_MIN_HALVED_PX = 64  # half of less has no barcode in it
_MAX_ENLARGED_PX = 1280  # larger pictures show their codes large enough
_MAX_TEXT_CHARS = 4296  # the most that a QR code holds
_SAME = 0.02  # of the picture: codes with the same text nearer than that were found twice


class Codes(BaseAlgo):
    """Reads QR codes, barcodes (EAN-13, EAN-8, UPC-A, UPC-E), ArUco and AprilTag markers.

    Needs the picture as large as it comes: a module (the narrowest bar or square) should be 3 pixels wide or
    more. Only what could be decoded is reported; several of the same content are kept apart by their places.

    Result:
    - `codes`: at most `max_codes`, each
      - `type`: "qr", "barcode", "aruco" or "apriltag";
      - `format`: "qr"; of a barcode "ean_13" and the like; of a marker its dictionary, as "4x4_50", "36h11";
      - `text`: what a QR code or barcode says, else null; `id`: the number of a marker, else null;
      - `corners`: four `[x, y]` in shares of width and height, 0..1, of a marker clockwise from its own upper
        left corner, of a barcode roughly;
    - `count`: how many.

    Sources: OpenCV's QRCodeDetectorAruco and QRCodeDetector, barcode.BarcodeDetector and aruco.ArucoDetector
    (Garrido-Jurado et al., "Automatic generation and detection of highly reliable fiducial markers under
    occlusion", 2014; AprilTag: Wang and Olson, "AprilTag 2", 2016).
    """

    kind: ClassVar[str] = "codes"

    class Params(BaseAlgo.Params):
        """What can be set."""

        types: tuple[CodeType, ...] = Field(
            ("qr", "barcode", "aruco", "apriltag"), min_length=1, description="Look for these only."
        )
        aruco: ArucoDictionary = Field(
            "4x4_50", description="Dictionary of the ArUco markers: squares by squares, underscore, how many."
        )
        apriltag: AprilTagFamily = Field("36h11", description="Family of the AprilTags.")
        max_codes: int = Field(32, ge=1, le=256, description="Report at most so many.")

    params: Params

    def init(self) -> None:
        """Make the detectors."""
        # The first takes a fifth of the other's time where there is no code, and reads more of several.
        self._qr = cv2.QRCodeDetectorAruco()
        self._one_qr = cv2.QRCodeDetector()
        self._barcode = cv2.barcode.BarcodeDetector()
        known: dict[CodeType, tuple[str, str]] = {
            "aruco": (self.params.aruco, f"DICT_{self.params.aruco.upper()}"),
            "apriltag": (self.params.apriltag, f"DICT_APRILTAG_{self.params.apriltag}"),
        }
        if self.params.aruco == "original":
            known["aruco"] = ("original", "DICT_ARUCO_ORIGINAL")
        self._markers = [(kind, *known[kind]) for kind in known if kind in self.params.types]
        dictionaries = [
            cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, constant))
            for _, _, constant in self._markers
        ]
        # One detector for all dictionaries looks for squares but once.
        self._marker = cv2.aruco.ArucoDetector(dictionaries) if dictionaries else None

    def run(self, frames: Frames) -> dict[str, Any]:
        """Read the newest picture."""
        picture = np.ascontiguousarray(luma(frames))
        found: list[dict[str, Any]] = []
        if "qr" in self.params.types:
            found += self._read_qr(picture)
        if "barcode" in self.params.types:
            found += self._read_barcodes(picture)
        if self._marker is not None:
            found += self._read_markers(picture, self._marker)
        codes = _once(found, size(frames))[: self.params.max_codes]
        return {"codes": codes, "count": len(codes)}

    def _read_qr(self, picture: Picture) -> list[dict[str, Any]]:
        quads, found = self._read_qr_at(picture, 1.0)
        if (not found or len(found) < quads) and picture.shape[1] <= _MAX_ENLARGED_PX:
            # Of 150 made pictures 75 % were read as they were, 93 % with the enlarged ones.
            found += self._read_qr_at(_scaled(picture, 2.0), 0.5)[1]
        if not found:
            # Reads but one, and some that the other detector does not: 94 %.
            content, corners, _ = self._one_qr.detectAndDecodeBytes(picture)
            found = _texts("qr", ["qr"], [_text(content)], corners, 1.0)
        return found

    def _read_qr_at(self, picture: Picture, scale: float) -> tuple[int, list[dict[str, Any]]]:
        """How many were seen, and those that could be read."""
        # As bytes: as text, one code with other content than UTF-8 would be an exception for all of them.
        _, contents, quads, _ = self._qr.detectAndDecodeBytesMulti(picture)
        texts = [_text(content) for content in contents]
        return len(contents), _texts("qr", ["qr"] * len(texts), texts, quads, scale)

    def _read_barcodes(self, picture: Picture) -> list[dict[str, Any]]:
        found = self._read_barcodes_at(picture, 1.0)
        if not found and min(picture.shape) >= _MIN_HALVED_PX:
            # It is blind to wide modules: of 5 and 6 pixels 97 and 65 % were read, and all in half the size.
            found = self._read_barcodes_at(_scaled(picture, 0.5), 2.0)
        return found

    def _read_barcodes_at(self, picture: Picture, scale: float) -> list[dict[str, Any]]:
        _, texts, formats, quads = self._barcode.detectAndDecodeWithType(picture)
        return _texts("barcode", [name.lower() for name in formats], texts, quads, scale)

    def _read_markers(self, picture: Picture, detector: cv2.aruco.ArucoDetector) -> list[dict[str, Any]]:
        quads, ids, _, dictionaries = detector.detectMarkersMultiDict(picture)
        if ids is None:
            return []
        return [
            {
                "type": self._markers[which][0],
                "format": self._markers[which][1],
                "text": None,
                "id": number,
                "corners": quad,
            }
            for quad, number, which in zip(
                quads, map(int, np.ravel(ids)), map(int, np.ravel(dictionaries)), strict=True
            )
        ]

    def draw(self, image: Picture, result: dict[str, Any]) -> None:
        """Outline the codes, with what they say."""
        height, width = image.shape[:2]
        for code in result["codes"]:
            corners = np.asarray(np.multiply(code["corners"], (width, height)), np.int32)
            cv2.polylines(image, [corners], isClosed=True, color=GREEN, thickness=max(1, height // 270))
            says = code["text"] if code["id"] is None else f"{code['format']} {code['id']}"
            left, top = corners.min(axis=0)
            paint_text(image, says[:40], (int(left), int(top)))


def _scaled(picture: Picture, scale: float) -> Picture:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def _text(content: bytes) -> str:
    """QR codes are Latin-1 (ISO/IEC 18004), or UTF-8, as most are today."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _texts(
    kind: CodeType, formats: Sequence[str], texts: Sequence[str], quads: _Quads | None, scale: float
) -> list[dict[str, Any]]:
    """Codes with a text; those that could be found but not read have none, and are left out."""
    return [
        {
            "type": kind,
            "format": name,
            "text": text[:_MAX_TEXT_CHARS],
            "id": None,
            "corners": np.multiply(quad, scale),
        }
        for name, text, quad in zip(formats, texts, () if quads is None else quads, strict=False)
        if text
    ]


def _once(found: list[dict[str, Any]], picture_size: tuple[int, int]) -> list[dict[str, Any]]:
    """Each code once, its corners (pixels) as lists in shares of width and height."""
    seen: list[tuple[tuple[Any, ...], tuple[float, float]]] = []
    codes = []
    for code in found:
        corners = np.clip(np.reshape(code["corners"], (4, 2)) / np.asarray(picture_size), 0.0, 1.0)
        x, y = corners.mean(axis=0)
        content = (code["type"], code["text"], code["id"])
        if any(content == other and abs(x - x2) + abs(y - y2) < _SAME for other, (x2, y2) in seen):
            continue
        seen.append((content, (x, y)))
        codes.append({**code, "corners": np.round(corners, 4).tolist()})
    return codes
