"""Faces, by YuNet through OpenCV.

    vedette infer people.mp4 -a examples/faces.py -p model=yunet_n_dynamic.onnx --record faces.mp4

The model is a file of its own: OpenCV's model zoo and libfacedetection.train have it.
Source: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023.
"""

from pathlib import Path
from typing import Any, ClassVar

import cv2
from pydantic import Field

from algos import BaseAlgo, Frames

_POINTS = 5  # eyes, nose, corners of the mouth


class Faces(BaseAlgo):
    """Finds faces: a box, a score and five points each, in shares of the picture."""

    kind: ClassVar[str] = "faces"
    stateless: ClassVar[bool] = True

    class Params(BaseAlgo.Params):
        """What can be set."""

        model: Path = Field(description="YuNet as an ONNX file.")
        min_score: float = Field(0.7, ge=0, le=1, description="Least score of a face that is told.")
        max_overlap: float = Field(
            0.3, ge=0, le=1, description="Of two faces that overlap more, one is told."
        )

    params: Params

    def init(self) -> None:
        """Load the model."""
        if not self.params.model.is_file():
            raise FileNotFoundError(f"there is no model {self.params.model}: see the parameter `model`")
        self._detector = cv2.FaceDetectorYN.create(
            str(self.params.model), "", (320, 320), self.params.min_score, self.params.max_overlap
        )

    def run(self, frames: Frames) -> dict[str, Any]:
        """Look at the newest picture."""
        height, width = frames[-1].shape[:2]
        self._detector.setInputSize((width, height))
        _, found = self._detector.detect(frames[-1])
        faces = []
        for x, y, w, h, *rest in [] if found is None else found.tolist():
            points = [[rest[2 * n] / width, rest[2 * n + 1] / height] for n in range(_POINTS)]
            faces.append(
                {
                    "box": [x / width, y / height, (x + w) / width, (y + h) / height],
                    "score": rest[2 * _POINTS],
                    "points": points,
                }
            )
        return {"count": len(faces), "objects": faces}
