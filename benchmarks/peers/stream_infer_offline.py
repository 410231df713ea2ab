"""Stream Infer in offline mode with an algorithm that does nothing: `... FILE INTERVAL_S`.

Set up as its README shows; the decoder is PyAV, as Vedette's.
"""

import importlib
import sys
from typing import Any

FPS = 25


def main() -> None:
    """From the file's start to its end; says how many windows there were."""
    path, interval_s = sys.argv[1], float(sys.argv[2])
    # Only the benchmarks' environment has it, the type checker's has not.
    stream_infer: Any = importlib.import_module("stream_infer")
    algo: Any = importlib.import_module("stream_infer.algo")
    dispatcher_module: Any = importlib.import_module("stream_infer.dispatcher")
    producer_module: Any = importlib.import_module("stream_infer.producer")
    runs = 0

    class Empty(algo.BaseAlgo):  # type: ignore[misc]
        """Does nothing, and counts."""

        def init(self) -> None:
            """Nothing to load."""

        def run(self, frames: list[Any]) -> int:
            """A window came."""
            nonlocal runs
            runs += 1
            return int(frames[-1][0, 0, 0])

    dispatcher = dispatcher_module.Dispatcher.create(mode="offline", buffer=5)
    player = stream_infer.Player(dispatcher, producer_module.PyAVProducer(), source=path, show_progress=False)
    inference = stream_infer.Inference(dispatcher, player)
    inference.load_algo(Empty(), frame_count=1, frame_step=0, interval=interval_s)
    inference.start(fps=FPS)
    print(runs)


if __name__ == "__main__":
    main()
