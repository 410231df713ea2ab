"""Stream Infer in real-time mode with an algorithm that does nothing: `... URL INTERVAL_S`.

Set up as its README shows; the decoder is PyAV, as the agent's.
"""

import importlib
import sys
from typing import Any

FPS = 25


def main() -> None:
    """Until the source ends, or somebody ends it."""
    url, interval_s = sys.argv[1], float(sys.argv[2])
    # Only the benchmarks' environment has it, the type checker's has not.
    stream_infer: Any = importlib.import_module("stream_infer")
    algo: Any = importlib.import_module("stream_infer.algo")
    dispatcher_module: Any = importlib.import_module("stream_infer.dispatcher")
    producer_module: Any = importlib.import_module("stream_infer.producer")

    class Empty(algo.BaseAlgo):  # type: ignore[misc]
        """Does nothing, and says so."""

        def init(self) -> None:
            """Nothing to load."""

        def run(self, frames: list[Any]) -> None:
            """A window came."""
            print(frames[-1].shape, flush=True)

    dispatcher = dispatcher_module.Dispatcher.create(mode="realtime", buffer=5)
    player = stream_infer.Player(dispatcher, producer_module.PyAVProducer(), source=url, show_progress=False)
    inference = stream_infer.Inference(dispatcher, player)
    inference.load_algo(Empty(), frame_count=1, frame_step=0, interval=interval_s)
    inference.start(fps=FPS)


if __name__ == "__main__":
    main()
