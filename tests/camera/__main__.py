"""The RTSP test camera as a command: `python -m tests.camera clip.mp4 --port 8554`.

Prints its URL (without the password) when it listens, and plays until SIGINT or SIGTERM.
"""

import argparse
import signal
import sys
from pathlib import Path

from tests.camera.rtsp import RtspCamera


def main() -> int:
    """Serve one file until told to end."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.camera", description="Play a video file as an RTSP camera."
    )
    parser.add_argument("file", type=Path, help="H.264, HEVC or MJPEG, in any container")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one (default)")
    parser.add_argument("--path", default="/stream")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--auth", choices=["basic", "digest"], default="digest")
    parser.add_argument("--once", action="store_true", help="hang up at the end of the file")
    parser.add_argument("--no-group-first", action="store_true", help="do not begin with the last key frame")
    options = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before the camera's thread, which inherits it
    with RtspCamera(
        options.file,
        host=options.host,
        port=options.port,
        path=options.path,
        user=options.user,
        password=options.password,
        auth=options.auth,
        loop=not options.once,
        group_first=not options.no_group_first,
    ) as camera:
        sys.stdout.write(f"{camera.bare_url}\n")
        sys.stdout.flush()
        signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
