"""The least that decoding everything can cost: `python -m benchmarks.peers.bare URL [INTERVAL_S]`.

One thread reads and decodes each frame of the URL, as the agent does, and converts to BGR only what is due.
"""

import sys

import av
from av.codec.context import ThreadType


def main() -> None:
    """Until the source ends, or somebody ends it."""
    url = sys.argv[1]
    interval_s = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0  # noqa: PLR2004  the name of the program, the URL
    due_s: float | None = None
    with av.open(url, options={"rtsp_transport": "tcp"}) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = ThreadType.SLICE
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            if frame.pts is None or (due_s is not None and frame.time < due_s):
                continue
            due_s = (frame.time if due_s is None else due_s) + interval_s
            print(frame.to_ndarray(format="bgr24").shape, flush=True)


if __name__ == "__main__":
    main()
