"""What goes on over the last second or two, from all frames of a window: standing, moving, hurrying.

    vedette infer walk.mp4 -a examples/activity.py --frame-count 30 --pixel-format gray8 --size 160x120

A motion history image: each pixel remembers how long ago it changed. Its age tells how much of the picture
moved at all, and its slope which way.
Source: Bobick and Davis, "The Recognition of Human Movement Using Temporal Templates", PAMI 2001.
"""

import math
from typing import Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from algos import BaseAlgo, Frames

_GRAY = 2  # dimensions
_DIRECTIONS = ("right", "down", "left", "up")
_FEW = 2  # frames, of which nothing can be told


class Activity(BaseAlgo):
    """Tells still, moving and busy apart, and the direction of what moves."""

    kind: ClassVar[str] = "activity"
    stateless: ClassVar[bool] = True

    class Params(BaseAlgo.Params):
        """What can be set."""

        contrast: int = Field(20, ge=1, le=255, description="Least change of a pixel, gray levels.")
        moving: float = Field(0.005, gt=0, lt=1, description="Share of the picture from which on it moves.")
        busy: float = Field(0.15, gt=0, lt=1, description="Share of the picture from which on it is busy.")

    params: Params

    def run(self, frames: Frames) -> dict[str, Any]:
        """Look at how each pixel changed from frame to frame."""
        if len(frames) < _FEW:
            raise ValueError("activity needs several frames: set frame_count to 30 or so")
        grays = [
            frame if frame.ndim == _GRAY else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames
        ]
        history = np.zeros(grays[0].shape, np.float32)  # 0: never changed; 1: with the newest frame
        for place in range(1, len(grays)):
            changed = cv2.absdiff(grays[place], grays[place - 1]) >= self.params.contrast
            history[changed] = place / (len(grays) - 1)
        share = float((history > 0).mean())
        state = "still" if share < self.params.moving else "busy" if share >= self.params.busy else "moving"
        result: dict[str, Any] = {"label": state, "share": round(share, 4), "direction": None}
        if state != "still":
            result["direction"] = _direction(history)
        return result


def _direction(history: Any) -> str | None:  # noqa: ANN401  (H, W) float32
    """Where the newest changes lie, seen from the older ones."""
    rows, columns = np.nonzero(history)
    age = history[rows, columns]
    if age.max() - age.min() < 1e-6:  # noqa: PLR2004  all at once
        return None
    newness = age - age.mean()
    x = float((columns - columns.mean()) @ newness) / history.shape[1]
    y = float((rows - rows.mean()) @ newness) / history.shape[0]
    return _DIRECTIONS[round(math.atan2(y, x) / (math.pi / 2)) % 4]
