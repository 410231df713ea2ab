"""The usual script: `cv2.VideoCapture`, read every frame, keep one an interval: `... URL INTERVAL_S`.

With one decoder thread, which costs less CPU than OpenCV's default of several.
"""

import os
import sys

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp|threads;1"

# It reads its options from the environment.
import cv2

ROUNDING_S = 0.001


def main() -> None:
    """Until the source ends, or somebody ends it."""
    url, interval_s = sys.argv[1], float(sys.argv[2])
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    due_s: float | None = None
    while True:
        read, frame = capture.read()
        if not read:
            return
        at_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if due_s is None:
            due_s = at_s
        if at_s >= due_s - ROUNDING_S:
            due_s += interval_s
            print(frame.shape, flush=True)


if __name__ == "__main__":
    main()
