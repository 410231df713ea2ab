"""What the algorithms that ship cost, and how motion compares with OpenCV's MOG2 on the clips.

Run from the repository: `python -m benchmarks.algorithms [FOLDER]`; the clips' folder is VEDETTE_TEST_DATA,
else ../shared/data. Costs are CPU milliseconds of one thread: other work on the machine hardly counts.
"""

import json
import math
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from algos import BaseAlgo, Frames
from algos.codes import Codes
from algos.motion import Motion
from algos.probe import Probe
from algos.quality import Quality

PEOPLE, CARS = "one-by-one-person-detection.mp4", "car-detection.mp4"
SIZES = ((640, 360), (1920, 1080))
FORMATS = {"bgr24": "bgr24", "gray8": "gray"}
TOLERANCE_S = 0.5
_MEAN_OF = 4  # the first pictures, as a start
_NO_SHADOW = 255


class Mog2(BaseAlgo):
    """The usual alternative: a mixture of Gaussians, its learning rate from a time constant too."""

    class Params(BaseAlgo.Params):
        """What can be set."""

        learn_s: float = 300.0
        min_area: float = 0.002

    params: Params

    def init(self) -> None:
        """Begin anew."""
        self._model = cv2.createBackgroundSubtractorMOG2(500, 16, detectShadows=True)
        self._runs = 0
        self._time = 0.0

    def run(self, frames: Frames) -> dict[str, Any]:
        """Whether there is a region of `min_area`."""
        rate = 1 - math.exp((self._time - frames.times[-1]) / self.params.learn_s)
        if self._runs < _MEAN_OF:
            rate = max(rate, 1 / (1 + self._runs))
        self._runs, self._time = self._runs + 1, frames.times[-1]
        mask = np.asarray(self._model.apply(frames[-1], learningRate=rate))
        opened = cv2.morphologyEx(
            (mask == _NO_SHADOW).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
        )
        _, _, stats, _ = cv2.connectedComponentsWithStats(opened)
        return {"moving": bool((stats[1:, cv2.CC_STAT_AREA] >= self.params.min_area * mask.size).any())}


def play(path: Path, size: tuple[int, int], pixel_format: str, last_s: float) -> list[Frames]:
    """The frames up to `last_s`, each a window."""
    windows = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if frame.time > last_s:
                break
            picture = frame.to_ndarray(width=size[0], height=size[1], format=FORMATS[pixel_format])
            windows.append(
                Frames(
                    [np.asarray(picture, np.uint8)],
                    times=[frame.time],
                    numbers=[number],
                    pixel_format=pixel_format,
                )
            )
    return windows


def cost_ms(algorithm: BaseAlgo, windows: list[Frames]) -> float:
    """Median CPU time of a run."""
    algorithm.init()
    costs = []
    for window in windows:
        began = time.thread_time()
        algorithm.run(window)
        costs.append(time.thread_time() - began)
    return statistics.median(costs) * 1000


def agreement(
    algorithm: BaseAlgo, windows: list[Frames], present: list[list[float]], interval_s: float
) -> float:
    """Share of the samples that agree with the ground truth."""
    algorithm.init()
    due_s, right = 0.0, []
    for window in windows:
        now = window.times[-1]
        if now < due_s - 1e-6:
            continue
        due_s += interval_s
        there = any(first <= now <= last for first, last in present)
        near = any(abs(now - end) <= TOLERANCE_S for ends in present for end in ends)
        moving = algorithm.run(window)["moving"]
        right.append(near or moving == there)
    return statistics.mean(right)


def main() -> None:
    """Print both tables."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("VEDETTE_TEST_DATA", "../shared/data"))
    cv2.setNumThreads(1)
    for size in SIZES:
        for pixel_format in FORMATS:
            windows = play(folder / PEOPLE, size, pixel_format, 9)[40:]
            for member in (Motion, Codes, Quality, Probe):
                print(
                    f"{size[0]}x{size[1]} {pixel_format} {member.kind}: {cost_ms(member(), windows):.2f} ms"
                )
    truth = json.loads((folder / "ground_truth.json").read_text("utf-8"))
    for clip in (PEOPLE, CARS):
        known = truth[clip]
        present = known.get("present") or [car["seen"] for car in known["cars"]]
        windows = play(folder / clip, (320, 180), "bgr24", math.inf)
        algorithms = [Motion("motion"), *(Mog2(f"MOG2, {s} s", {"learn_s": s}) for s in (60, 300, 1000))]
        for algorithm in algorithms:
            shares = [
                agreement(algorithm, windows, present, interval_s) for interval_s in (0.0, 0.2, 1.0, 2.0)
            ]
            print(f"{clip} {algorithm.name}: " + ", ".join(f"{share:.1%}" for share in shares))


if __name__ == "__main__":
    main()
