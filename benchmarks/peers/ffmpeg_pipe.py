"""The command `ffmpeg`, piping raw BGR frames to a reader that throws them away: `... URL INTERVAL_S`.

`ffmpeg` is the one of the path, else the one that the package imageio-ffmpeg brings.
"""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.video import HEIGHT, WIDTH


def find() -> str | None:
    """The path of the command; None where there is none."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        path = str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # not installed; without a binary for this machine
        return None
    return path if Path(path).exists() else None


def version() -> str | None:
    """As the command says it; None where there is none."""
    path = find()
    if path is None:
        return None
    done = subprocess.run([path, "-version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def main() -> None:
    """Until the source ends, or somebody ends it."""
    url, interval_s = sys.argv[1], float(sys.argv[2])
    path = find()
    if path is None:
        sys.exit("there is no ffmpeg")
    rate = ["-vf", f"fps=1/{interval_s:g}"] if interval_s else ["-fps_mode", "passthrough"]
    threads = ["-threads", "1"]
    command = [path, "-nostdin", "-loglevel", "error", *threads, "-rtsp_transport", "tcp", "-i", url]
    command += [*rate, "-f", "rawvideo", "-pix_fmt", "bgr24", *threads, "pipe:1"]
    frame = bytearray(WIDTH * HEIGHT * 3)
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        view, filled = memoryview(frame), 0
        while count := process.stdout.readinto(view[filled:]):  # type: ignore[attr-defined]
            filled += count
            if filled == len(frame):
                filled = 0
                print(len(frame), flush=True)


if __name__ == "__main__":
    main()
