#!/usr/bin/env python
"""Measure how long it takes to a camera's first picture, by what FFmpeg is told (docs/decisions/004).

PYTHONPATH=. tools/opening.py
"""

import random
import statistics
import tempfile
import time
from pathlib import Path

import av

from tests.camera.rtsp import RtspCamera
from tests.video import encode

ROUNDS = 7
KEY_FRAME_EVERY = 50  # frames, at 25 a second
SHORT = {"analyzeduration": "500000"}
FEW = {"fpsprobesize": "5"}
NONE = {"fflags": "nobuffer"}
VARIANTS = {
    "FFmpeg's defaults": {},
    "analyzeduration=0.5 s": SHORT,
    "analyzeduration=0.5 s, fpsprobesize=5": SHORT | FEW,
    "fflags=nobuffer": NONE,
    "fflags=nobuffer, analyzeduration=0.5 s, fpsprobesize=5": NONE | SHORT | FEW,
}


def first_picture_s(url: str, options: dict[str, str]) -> float:
    """Seconds from the call to the first picture that is whole."""
    began_s = time.perf_counter()
    asked = {"rtsp_transport": "tcp", "allowed_media_types": "video", **options}
    with av.open(url, options=asked) as container:
        next(frame for frame in container.decode(video=0) if not frame.is_corrupt)
        return time.perf_counter() - began_s


def main() -> None:
    """Print a table."""
    print("| camera begins with | options | median, s | range, s |\n| --- | --- | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        file = encode(Path(folder) / "clip.mp4", frames=250, width=1280, height=720, gop=KEY_FRAME_EVERY)
        for group_first in (True, False):
            begins = "its last key frame" if group_first else "what comes next"
            with RtspCamera(file, group_first=group_first) as camera:
                for name, options in VARIANTS.items():
                    times_s = []
                    for _ in range(ROUNDS):
                        time.sleep(random.random() * 2)  # noqa: S311  anywhere between two key frames
                        times_s.append(first_picture_s(camera.url, options))
                    middle, low, high = statistics.median(times_s), min(times_s), max(times_s)
                    print(f"| {begins} | {name} | {middle:.2f} | {low:.2f} to {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
