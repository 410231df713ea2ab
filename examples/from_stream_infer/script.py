"""A script of Stream Infer's offline mode, moved over line by line: what stood there stands beside each line.

python examples/from_stream_infer/script.py people.mp4 yunet_n_dynamic.onnx out.mp4
"""

import sys
from pathlib import Path

import cv2

from agent import Shown, infer
from agent.config.algorithms import AlgorithmConfig
from agent.offline.installed import installed

ALGORITHM = str(Path(__file__).with_name("heads.py"))


def set_frame_process(shown: Shown) -> None:  # def set_frame_process(*args, **kwargs), @inference.process
    """Draw what was found last on every frame."""
    run = shown.results.get("heads")  # dispatcher.get_result("HeadDetectionAlgo")
    for x, y, width, height in [] if run is None else run.result:
        corner, other = (round(x), round(y)), (round(x + width), round(y + height))
        cv2.rectangle(shown.picture, corner, other, (0, 255, 0), 2)


def main(video: str, model: str, recording: str) -> int:
    """How many heads were seen at most."""
    heads = AlgorithmConfig(  # inference.load_algo(HeadDetectionAlgo(),
        id="heads",
        kind=ALGORITHM,
        frame_count=1,  # frame_count=1,
        frame_step=0,  # frame_step=0,
        interval=0.1,  # interval=0.1,
        keyframes="never",
        params={"model_path": model},  # model_path=model)
    )
    most = 0
    runs = infer(  # player = Player(dispatcher, PyAVProducer(1920, 1080), source=video)
        video,
        installed([heads], folder=None),
        fps=30,  # inference.start(player, fps=30,
        position=0,  # position=0,
        on_frame=set_frame_process,
        record=recording,  # recording_path=recording, mode="offline")
    )
    for run in runs:  # dispatcher.collect(position, algo_name, result)
        most = max(most, len(run.result))
    return most


if __name__ == "__main__":
    sys.stdout.write(f"at most {main(*sys.argv[1:4])} heads at once\n")
