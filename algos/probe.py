"""Facts about the frames themselves: the "hello world" of algorithms, the first to try on a camera."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from algos.base import BaseAlgo, Frames, Picture
from algos.picture import luma, paint_text, size


class Probe(BaseAlgo):
    """Tells what the frames are like: size, brightness, timing. Costs next to nothing.

    Result:
    - `width`, `height`: pixels; `channels`: 3 or 1; `pixel_format`: as the algorithm asked for;
    - `brightness`: mean luma of the newest frame, 0..255;
    - `frames`: how many the window has; `number`, `time_s`: the newest one's number and stream time,
      null if unknown;
    - `intervals_s`: seconds of stream time from each frame of the window to the next, oldest first.
    """

    kind: ClassVar[str] = "probe"

    class Params(BaseAlgo.Params):
        """What can be set."""

        step_px: int = Field(
            8, ge=1, le=64, description="Brightness is taken from every n-th row and column."
        )

    params: Params

    def run(self, frames: Frames) -> dict[str, Any]:
        """Look at the newest frame, and at the times of all."""
        width, height = size(frames)
        step = self.params.step_px
        return {
            "width": width,
            "height": height,
            "channels": 3 if frames[-1].ndim == 3 else 1,  # noqa: PLR2004  rows, columns, colours
            "pixel_format": frames.pixel_format,
            "brightness": round(float(luma(frames, every=step).mean()), 2),
            "frames": len(frames),
            "number": frames.numbers[-1] if frames.numbers else None,
            "time_s": frames.times[-1] if frames.times else None,
            "intervals_s": [round(float(gap), 6) for gap in np.diff(frames.times)],
        }

    def draw(self, image: Picture, result: dict[str, Any]) -> None:
        """Write the facts into the upper left corner."""
        line = f"#{result['number']} {result['width']}x{result['height']} brightness {result['brightness']}"
        paint_text(image, line, (0, 0))
