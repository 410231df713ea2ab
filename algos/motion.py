"""What is in the picture that does not belong there: background subtraction."""

import math
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.base import BaseAlgo, Frames, Picture
from algos.picture import GREEN, RED, luma, paint_box, paint_text, seconds

_Levels = NDArray[np.float32]
_Mask = NDArray[np.uint8]
"""0 or 1."""

_WIDTH_PX = 320  # as good as 640 on the clips, at a fifth of the time
_MIN_GAIN, _MAX_GAIN = 0.6, 1.6  # what an exposure control does; beyond that somebody switched the light
_NOISES = 3.0  # a pixel differs when it is that many mean deviations, beyond `contrast`, from its background
_LEAVE = 0.5  # hysteresis: once moving, regions of half the size keep it so
_LIT, _LIT_SHARE = 16, 0.1  # darker pixels, or too few, say nothing of the exposure


class Motion(BaseAlgo):
    """Finds what was not there before: people, cars, anything that came in, be it moving or standing still.

    Each pixel has a background (its level and its usual deviation, learned over `learn_s`); regions that
    differ from it are reported until they leave, or have stood quite still for `absorb_s`: then they are
    background. All rates are in seconds of stream time, so any interval from every frame to some seconds
    will do. Exposure that follows the scene is divided out. When most of the picture changes at once (light
    switched, camera turned), that is reported as `scene_change` and learned anew, and is no motion.
    What was there from the beginning and goes away differs too, until it is absorbed.

    Result:
    - `moving`: whether there is any region, with hysteresis;
    - `share`: of the picture that the regions cover, 0..1;
    - `regions`: largest first, each `[x1, y1, x2, y2, area]`: the box in shares of width and height, 0..1,
      and the share of the picture that differs in it;
    - `scene_change`: whether most of the picture changed since the run before;
    - `learning`: whether the background is being learned still, and nothing can be said.

    Sources: running Gaussian average (Wren et al., "Pfinder", PAMI 1997); learning only where nothing is
    (selective update) and a second, candidate background that replaces the first once it has proved stable
    (Kim et al., "Real-time foreground-background segmentation using codebook model", 2005).
    """

    kind: ClassVar[str] = "motion"

    class Params(BaseAlgo.Params):
        """What can be set."""

        min_area: float = Field(
            0.002, ge=0.0001, le=1, description="Smallest region reported, as a share of the picture."
        )
        contrast: float = Field(
            14, ge=2, le=128, description="Least difference from the background, in gray levels (0..255)."
        )
        learn_s: float = Field(
            10, ge=0.5, le=3600, description="Time constant of the background's adaptation, seconds."
        )
        absorb_s: float = Field(
            60, ge=1, le=86400, description="What stands quite still for so long becomes background, seconds."
        )
        warmup_s: float = Field(
            2, ge=0, le=600, description="Only learn so long at the start and after a scene change, seconds."
        )
        scene_change: float = Field(
            0.6, ge=0.1, le=1, description="Share of the picture that must change at once to be a new scene."
        )
        max_regions: int = Field(32, ge=1, le=256, description="Report at most so many regions.")

    params: Params

    def init(self) -> None:
        """Forget everything."""
        self._background: _Background | None = None
        self._time: float | None = None
        self._moving = False

    def run(self, frames: Frames) -> dict[str, Any]:
        """Compare the newest picture with the background, then learn from it."""
        picture = luma(frames, width=_WIDTH_PX)
        levels = np.asarray(cv2.GaussianBlur(picture, (5, 5), 0), np.float32)
        self._time, passed_s = seconds(frames, self._time)
        background = self._background
        if background is None or background.level.shape != levels.shape:
            background = self._background = _Background(levels, self.params)
            return self._result(learning=True)
        differs = background.differs(levels)
        if float(differs.mean()) >= self.params.scene_change:
            self._background = _Background(levels, self.params)
            return self._result(scene_change=True, learning=True)
        if background.learned_s + passed_s <= self.params.warmup_s:
            background.learn(levels, np.zeros_like(differs), passed_s)
            return self._result(learning=True)
        mask, regions = self._regions(differs)
        background.learn(levels, mask, passed_s)
        return self._result(regions=regions, share=float(mask.mean()))

    def _regions(self, differs: _Mask) -> tuple[_Mask, list[list[float]]]:
        """The mask without its specks and holes, and the boxes of what is left."""
        height, width = differs.shape
        specks = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
        holes = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, width // 24) | 1,) * 2)
        joined = cv2.morphologyEx(differs, cv2.MORPH_OPEN, specks)
        joined = cv2.morphologyEx(joined, cv2.MORPH_CLOSE, holes)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
        areas = stats[:, cv2.CC_STAT_AREA] / differs.size
        areas[0] = 0  # the rest of the picture
        wanted = areas >= self.params.min_area * (_LEAVE if self._moving else 1)
        regions = [
            [
                round(float(share), 4)
                for share in (x / width, y / height, (x + w) / width, (y + h) / height, areas[label])
            ]
            for label in sorted(np.flatnonzero(wanted), key=lambda label: -areas[label])
            for x, y, w, h in [stats[label, :4]]
        ]
        return wanted[labels].astype(np.uint8), regions[: self.params.max_regions]

    def _result(
        self,
        *,
        regions: list[list[float]] | None = None,
        share: float = 0.0,
        scene_change: bool = False,
        learning: bool = False,
    ) -> dict[str, Any]:
        self._moving = bool(regions)
        return {
            "moving": self._moving,
            "share": round(share, 4),
            "regions": regions or [],
            "scene_change": scene_change,
            "learning": learning,
        }

    def draw(self, image: Picture, result: dict[str, Any]) -> None:
        """Box the regions."""
        for *box, area in result["regions"]:
            paint_box(image, box, f"{area:.1%}")
        if result["scene_change"]:
            paint_text(image, "scene change", (0, 0), RED)
        else:
            paint_text(image, "learning" if result["learning"] else f"{result['share']:.1%}", (0, 0), GREEN)


class _Background:
    """What each pixel usually looks like; all arrays are (H, W) float32 in gray levels or seconds."""

    def __init__(self, level: _Levels, params: Motion.Params) -> None:
        self.params = params
        self.level = level
        self.noise = np.zeros_like(self.level)
        self.candidate = self.level.copy()
        self.stable_s = np.zeros_like(self.level)
        self.learned_s = 0.0
        self.gain = 1.0

    def differs(self, levels: _Levels) -> _Mask:
        """Where `levels` are not the background; the exposure's part in that is divided out."""
        # Of what is near the background at all, so that a car that fills a third does not pull the gain.
        self.gain = min(max(_median_ratio(levels, self.level), _MIN_GAIN), _MAX_GAIN)
        limit = self.params.contrast + _NOISES * self.noise
        return (np.abs(levels - self.gain * self.level) > limit).astype(np.uint8)

    def learn(self, levels: _Levels, foreground: _Mask, passed_s: float) -> None:
        """Adapt where there is no foreground, and count how long the foreground has been still."""
        self.learned_s += passed_s
        if passed_s == 0.0:
            return
        # A plain mean at first, then an exponential one.
        rate = max(passed_s / self.learned_s, 1.0 - math.exp(-passed_s / self.params.learn_s))
        there = foreground.astype(bool)
        expected = self.gain * self.level
        deviation = np.abs(levels - expected)
        self.noise += np.where(there, np.float32(0), np.float32(rate) * (deviation - self.noise))
        # What is behind the foreground follows the exposure too.
        self.level += np.float32(rate) * (np.where(there, expected, levels) - self.level)
        still = np.abs(levels - self.candidate) <= self.params.contrast
        self.stable_s = np.where(still & there, self.stable_s + np.float32(passed_s), np.float32(0))
        self.candidate = np.where(
            still, self.candidate + np.float32(rate) * (levels - self.candidate), levels
        )
        absorbed = self.stable_s >= self.params.absorb_s
        self.level = np.where(absorbed, levels, self.level)


def _median_ratio(levels: _Levels, background: _Levels) -> float:
    """How much brighter the picture became as a whole; 1 when it is too dark to tell."""
    lit = background > _LIT
    return float(np.median(levels[lit] / background[lit])) if lit.mean() > _LIT_SHARE else 1.0
