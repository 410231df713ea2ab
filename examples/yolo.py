"""Objects of the 80 classes of COCO, by YOLOX through ONNX Runtime.

    pip install 'vedette[onnx]'
    vedette infer street.mp4 -a examples/yolo.py -p model=yolox_nano.onnx -p 'classes=["person", "car"]'

Other networks of the family differ in what goes in and comes out: `_letterbox` and `_decode`.
Source: Ge, Liu, Wang, Li and Sun, "YOLOX: Exceeding YOLO Series in 2021", 2021.
"""

from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos import BaseAlgo, Frames
from algos.base import Picture

_Floats = NDArray[np.float32]

_STRIDES = (8, 16, 32)
_PADDING = 114
_LABELS = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,"
    "tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,"
    "keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush"
)
COCO = tuple(_LABELS.split(","))


class Yolo(BaseAlgo):
    """Finds objects: a box in shares of the picture, a label and a score each."""

    kind: ClassVar[str] = "yolo"
    stateless: ClassVar[bool] = True

    class Params(BaseAlgo.Params):
        """What can be set."""

        model: Path = Field(description="YOLOX as an ONNX file, its outputs not decoded.")
        min_score: float = Field(0.4, ge=0, le=1, description="Least score of an object that is told.")
        max_overlap: float = Field(
            0.45, ge=0, le=1, description="Of two boxes that overlap more, one is told."
        )
        classes: tuple[str, ...] = Field((), description="Labels to look for; none: all.")
        threads: int = Field(1, ge=1, le=64, description="Threads of a run.")

    params: Params

    def init(self) -> None:
        """Load the model."""
        try:
            import onnxruntime  # noqa: PLC0415  an extra
        except ImportError as err:
            raise ImportError("onnxruntime is missing: pip install 'vedette[onnx]'") from err
        unknown = set(self.params.classes) - set(COCO)
        if unknown:
            raise ValueError(f"classes: {min(unknown)} is none of COCO's 80")
        if not self.params.model.is_file():
            raise FileNotFoundError(f"there is no model {self.params.model}: see the parameter `model`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.params.threads
        self._session = onnxruntime.InferenceSession(
            self.params.model, options, providers=["CPUExecutionProvider"]
        )
        taken = self._session.get_inputs()[0]
        self._input = taken.name
        self._side = int(taken.shape[2])
        self._wanted = [COCO.index(label) for label in self.params.classes] or list(range(len(COCO)))

    def run(self, frames: Frames) -> dict[str, Any]:
        """Look at the newest picture."""
        height, width = frames[-1].shape[:2]
        squared, scale = _letterbox(frames[-1], self._side)
        (raw,) = self._session.run(None, {self._input: squared})
        boxes, scores = _decode(raw[0], self._side)
        scores = scores[:, self._wanted]
        best = scores.argmax(axis=1)
        score = scores[np.arange(len(best)), best]
        sure = score >= self.params.min_score
        boxes, best, score = boxes[sure] / scale, best[sure], score[sure]
        sized = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        kept = cv2.dnn.NMSBoxesBatched(
            sized.tolist(), score.tolist(), best.tolist(), self.params.min_score, self.params.max_overlap
        )
        objects = []
        for place in np.asarray(kept, int).ravel():
            box = boxes[place] / (width, height, width, height)
            label = COCO[self._wanted[best[place]]]
            objects.append({"box": box.clip(0, 1).tolist(), "label": label, "score": float(score[place])})
        return {"count": len(objects), "objects": objects}


def _letterbox(picture: Picture, side: int) -> tuple[_Floats, float]:
    """`picture` in the upper left of a gray square, (1, 3, side, side) BGR 0..255, and its scale."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)))
    square = np.full((side, side, 3), _PADDING, np.float32)
    square[: small.shape[0], : small.shape[1]] = small
    return np.ascontiguousarray(square.transpose(2, 0, 1)[None]), scale


def _decode(raw: _Floats, side: int) -> tuple[_Floats, _Floats]:
    """Boxes (n, 4), xyxy in pixels of the square, and scores (n, classes), from (n, 5 + classes)."""
    cells, strides = [], []
    for stride in _STRIDES:
        count = side // stride
        rows, columns = np.mgrid[:count, :count]
        cells.append(np.stack([columns.ravel(), rows.ravel()], 1))
        strides.append(np.full((count * count, 1), stride))
    stride_of = np.concatenate(strides)
    centre = (raw[:, :2] + np.concatenate(cells)) * stride_of
    half = np.exp(raw[:, 2:4]) * stride_of / 2
    return np.hstack([centre - half, centre + half]).astype(np.float32), raw[:, 4:5] * raw[:, 5:]
