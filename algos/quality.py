"""Whether the camera still gives a picture worth looking at."""

import math
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.base import BaseAlgo, Frames, Picture
from algos.picture import GREEN, RED, luma, paint_text, seconds

_Edges = NDArray[np.float32]

_WIDTH_PX = 320  # sharp pictures stay sharp when reduced so far, and sensor noise does not count as sharpness
_DARK = 32  # gray levels; near the black (16) of cameras that do not use the whole range
_BRIGHT = 235  # gray level; the white of cameras that do not use the whole range
_BLACK_SHARE = 0.98  # of dark pixels; a clock burned into a black picture leaves it black
_STILL_BLOCK = 4.0  # gray levels that one of 64 x 36 blocks may change in a still picture
_FOUND = 0.1  # response of the phase correlation: the same view has 0.2 to 0.8, another one below 0.07
_MATCHES = 3  # by chance in 1 of 40 pairs of pictures that have nothing but noise
_REFRESH_S = 600.0  # the reference follows daylight and shadows
_DEFECTS = ("black", "frozen", "blurred", "over_exposed", "under_exposed", "moved")


class Quality(BaseAlgo):
    """Finds what is wrong with the picture: black, frozen, blurred, wrongly exposed, camera moved.

    A black picture is only black; of one that is blurred or wrongly exposed it cannot be said whether the
    camera moved. Low light, fog or a snowy yard are reported just as a fault of the camera would be.

    Result:
    - `ok`: whether nothing of the following is the case;
    - `black`: hardly a pixel is brighter than nearly black;
    - `frozen`: the picture has not changed for `frozen_s`; `still_s`: for how long it has not, seconds;
    - `blurred`: less sharp than `min_sharpness`; `sharpness`: variance of the Laplacian over the variance of
      the picture reduced to 320 pixels wide; 0.07 to 0.6 on sharp footage, below 0.02 with strong blur;
    - `over_exposed`, `under_exposed`: `bright_share`, `dark_share` of pixels reach their limits;
    - `brightness`: mean luma, 0..255; `bright_share`, `dark_share`: of pixels nearly white or black, 0..1;
    - `moved`: for `moved_s` the view has been shifted by more than `max_offset`, or not been recognised; the
      view becomes the reference after `settle_s` more; `offset`: the view's shift against the reference,
      `[x, y]` in shares of width and height, null if it is not recognised; `match`: how well it is, 0..1.

    Sources: variance of the Laplacian: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
    ICPR 2000; phase correlation: Kuglin and Hines, 1975, here of the logarithm of the gradient's magnitude,
    so that exposure does not matter.
    """

    kind: ClassVar[str] = "quality"

    class Params(BaseAlgo.Params):
        """What can be set."""

        frozen_s: float = Field(
            5, ge=0.2, le=3600, description="Frozen when nothing changes for so long, seconds."
        )
        still_levels: float = Field(
            0.2,
            ge=0,
            le=10,
            description="Mean change that a still picture may have, in gray levels (0..255).",
        )
        min_sharpness: float = Field(0.03, ge=0, le=1, description="Blurred below this `sharpness`.")
        max_bright: float = Field(
            0.4, gt=0, le=1, description="Over-exposed from this share of nearly white pixels on."
        )
        max_dark: float = Field(
            0.7, gt=0, le=1, description="Under-exposed from this share of nearly black pixels on."
        )
        max_offset: float = Field(
            0.03, ge=0.005, le=0.4, description="Shift allowed, as a share of the picture's width or height."
        )
        moved_s: float = Field(
            5, ge=0, le=3600, description="Moved when the view differs for so long, seconds."
        )
        settle_s: float = Field(
            60, ge=0, le=86400, description="Then, after so long, the new view is the reference, seconds."
        )

    params: Params

    def init(self) -> None:
        """Forget everything."""
        self._time: float | None = None
        self._still = _Still()
        self._view = _View(self.params)

    def run(self, frames: Frames) -> dict[str, Any]:
        """Judge the newest picture, by itself and against what was seen before."""
        picture = luma(frames, width=_WIDTH_PX)
        self._time, passed_s = seconds(frames, self._time)
        dark_share = float((picture <= _DARK).mean())
        bright_share = float((picture >= _BRIGHT).mean())
        sharpness = _sharpness(picture)
        still_s = self._still.see(picture, passed_s, self.params.still_levels)
        black = dark_share >= _BLACK_SHARE
        blurred = not black and sharpness < self.params.min_sharpness
        over_exposed = bright_share >= self.params.max_bright
        under_exposed = not black and dark_share >= self.params.max_dark
        if black or blurred or over_exposed or under_exposed:
            moved, offset, match = False, None, 0.0
        else:
            moved, offset, match = self._view.see(picture, passed_s)
        result = {
            "black": black,
            "frozen": not black and still_s >= self.params.frozen_s,
            "blurred": blurred,
            "over_exposed": over_exposed,
            "under_exposed": under_exposed,
            "moved": moved,
            "brightness": round(float(picture.mean()), 2),
            "bright_share": round(bright_share, 4),
            "dark_share": round(dark_share, 4),
            "sharpness": round(sharpness, 4),
            "still_s": round(still_s, 3),
            "offset": offset,
            "match": round(match, 3),
        }
        return {"ok": not any(result[defect] for defect in _DEFECTS), **result}

    def draw(self, image: Picture, result: dict[str, Any]) -> None:
        """Write what is wrong into the upper left corner."""
        wrong = ", ".join(defect.replace("_", "-") for defect in _DEFECTS if result[defect])
        paint_text(image, wrong or "ok", (0, 0), RED if wrong else GREEN)


def _sharpness(picture: Picture) -> float:
    """Variance of the Laplacian in shares of the picture's own; does not depend on contrast. 0 if even."""
    variance = float(picture.var())
    return float(cv2.Laplacian(picture, cv2.CV_32F).var()) / variance if variance >= 1.0 else 0.0


class _Still:
    """For how long the picture has not changed."""

    def __init__(self) -> None:
        self._last: Picture | None = None
        self._still_s = 0.0

    def see(self, picture: Picture, passed_s: float, still_levels: float) -> float:
        """Seconds since the picture last differed.

        It is compared with the first of the still ones, so that a slow change adds up. A mean alone would
        not see somebody small in the distance; hence the blocks.
        """
        self._still_s += passed_s
        if self._last is None or self._last.shape != picture.shape or self._differs(picture, still_levels):
            self._last = picture.copy()  # which may be a view into memory that is used again
            self._still_s = 0.0
        return self._still_s

    def _differs(self, picture: Picture, still_levels: float) -> bool:
        change = cv2.absdiff(picture, np.asarray(self._last))
        blocks = cv2.resize(change, (64, 36), interpolation=cv2.INTER_AREA)
        return float(change.mean()) > still_levels or float(blocks.max()) > _STILL_BLOCK


class _View:
    """Whether the camera looks where it looked."""

    def __init__(self, params: Quality.Params) -> None:
        self._params = params
        self._reference: _Edges | None = None
        self._matches = 0
        self._other_s = 0.0

    def see(self, picture: Picture, passed_s: float) -> tuple[bool, list[float] | None, float]:
        """Whether it moved; the offset in shares of width and height, or None; the response, 0..1."""
        edges = _edges(picture)
        if self._reference is None or self._reference.shape != edges.shape:
            self._look_from(edges)
            return False, None, 0.0
        height, width = edges.shape
        # phaseCorrelate multiplies its arguments with the window in place when their size is one that the
        # Fourier transform likes (OpenCV 5.0.0).
        (x, y), response = cv2.phaseCorrelate(self._reference.copy(), edges.copy(), self._window)
        found = response >= _FOUND
        offset = [round(x / width, 4), round(y / height, 4)] if found else None
        if offset is not None and max(map(abs, offset)) <= self._params.max_offset:
            self._matches += 1
            self._other_s = 0.0
            rate = np.float32(1.0 - math.exp(-passed_s / _REFRESH_S))
            self._reference += rate * (edges - self._reference)
        else:
            if not self._known:
                self._matches = 0
            self._other_s += passed_s
        moved = self._known and self._other_s > 0 and self._other_s >= self._params.moved_s
        # A view that was never recognised has nothing in it to recognise, or something was in front of it.
        patience_s = self._params.moved_s + (self._params.settle_s if self._known else 0.0)
        if self._other_s > patience_s:
            self._look_from(edges)
        return moved, offset, min(max(response, 0.0), 1.0)

    def _look_from(self, edges: _Edges) -> None:
        self._reference = edges
        self._window = cv2.createHanningWindow((edges.shape[1], edges.shape[0]), cv2.CV_32F)
        self._matches = 0
        self._other_s = 0.0

    @property
    def _known(self) -> bool:
        """Whether the reference has been recognised: one match alone can be chance on an empty view."""
        return self._matches >= _MATCHES


def _edges(picture: Picture) -> _Edges:
    smooth = cv2.GaussianBlur(picture, (5, 5), 0)
    along_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    along_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.log1p(np.asarray(cv2.magnitude(along_x, along_y), np.float32))
