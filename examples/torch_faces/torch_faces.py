"""Faces in every frame of a window at once, by YuNet in torch: on a GPU, where there is one.

    pip install 'vedette[torch]'
    python examples/torch_faces/_yunet.py yunet_n_dynamic.onnx yunet.pt
    vedette infer people.mp4 -a examples/torch_faces/torch_faces.py -p model=yunet.pt --frame-count 8

What it shows: torch is imported in `init()` only, as the agent imports this file to list kinds, too;
pixels go to the device once, as bytes, and all frames together; everything stays there until few numbers are
left, and these come back once; what is returned are plain values. One instance, and so one copy of the
network, serves all streams.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from algos import BaseAlgo, Frames

_ALIGNED = 32  # pixels; the network halves a picture five times
_MOST = 64  # faces of one picture
_BOX, _POINTS = slice(1, 5), slice(5, 15)  # of what the network gives; before them is the score


class TorchFaces(BaseAlgo):
    """Finds faces: `objects` of the newest frame, in shares of the picture, and a count for each frame."""

    kind: ClassVar[str] = "torch_faces"
    shared: ClassVar[bool] = True
    stateless: ClassVar[bool] = True

    class Params(BaseAlgo.Params):
        """What can be set."""

        model: Path = Field(description="Weights of YuNet, as _yunet.py writes them.")
        device: Literal["auto", "cuda", "mps", "cpu"] = Field(
            "auto", description="Where it is computed; auto: on a GPU, if there is one that torch can use."
        )
        threads: int = Field(1, ge=1, le=64, description="Threads of a run, on a CPU.")
        min_score: float = Field(0.7, ge=0, le=1, description="Least score of a face that is told.")
        max_overlap: float = Field(
            0.3, ge=0, le=1, description="Of two faces that overlap more, one is told."
        )

    params: Params

    def init(self) -> None:
        """Load the model onto its device, and warm it up."""
        try:
            import torch  # noqa: PLC0415  an extra, and large
        except ImportError as err:
            raise ImportError("torch is missing: pip install 'vedette[torch]'") from err
        from _yunet import YuNet  # noqa: PLC0415  it needs torch; this file's folder is searched for modules

        if not self.params.model.is_file():
            raise FileNotFoundError(f"there is no model {self.params.model}: see the parameter `model`")
        self._torch = torch
        self._device = torch.device(_device(torch, self.params.device))
        if self._device.type == "cpu":
            torch.set_num_threads(self.params.threads)
        network = YuNet()
        # weights_only: a file of weights may be of strangers, and is to run no code of theirs.
        network.load_state_dict(torch.load(self.params.model, map_location="cpu", weights_only=True))
        self._network = network.eval().to(self._device)
        with torch.inference_mode():  # the first run chooses kernels: it is not to count as a slow one
            self._candidates(np.zeros((1, 480, 640, 3), np.uint8))

    def run(self, frames: Frames) -> dict[str, Any]:
        """Look at all pictures of the window."""
        if frames.pixel_format != "bgr24":
            raise ValueError(f'torch_faces was trained on pixel_format "bgr24", not "{frames.pixel_format}"')
        height, width = frames[-1].shape[:2]
        with self._torch.inference_mode():
            candidates = self._candidates(np.stack(list(frames)))
        faces = [self._told(one, width, height) for one in candidates]
        return {
            "count": len(faces[-1]),
            "counts": [len(one) for one in faces],  # of each frame, the oldest first
            "objects": faces[-1],
        }

    def _candidates(self, pictures: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) into (N, _MOST, 15): what is likeliest a face. To the device and back once."""
        batch = self._torch.from_numpy(pictures).to(self._device)  # bytes: a quarter of what floats are
        batch = batch.permute(0, 3, 1, 2).float()
        height, width = batch.shape[2:]
        padded = (0, -width % _ALIGNED, 0, -height % _ALIGNED)  # at the right, and below
        found = self._network(self._torch.nn.functional.pad(batch, padded))
        # As many of each picture, sure or not: to ask the device how many are sure would be to wait for it.
        best = found[..., 0].topk(min(_MOST, found.shape[1]), dim=1).indices
        return found.gather(1, best.unsqueeze(-1).expand(-1, -1, found.shape[2])).cpu().numpy()

    def _told(self, found: np.ndarray, width: int, height: int) -> list[dict[str, Any]]:
        """The faces of one picture."""
        sure = found[found[:, 0] >= self.params.min_score]
        sides = np.concatenate((sure[:, 1:3], sure[:, 3:5] - sure[:, 1:3]), axis=1)
        kept = cv2.dnn.NMSBoxes(
            sides.tolist(), sure[:, 0].tolist(), self.params.min_score, self.params.max_overlap
        )
        size = np.array([width, height], np.float32)
        return [
            {
                "box": (sure[n, _BOX].reshape(2, 2) / size).ravel().tolist(),
                "score": float(sure[n, 0]),
                "points": (sure[n, _POINTS].reshape(5, 2) / size).tolist(),
            }
            for n in kept
        ]


def _device(torch: Any, wanted: str) -> str:  # noqa: ANN401  a module
    """The name of the device. Raises ValueError when it is not here."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, is_here in here.items() if is_here)
    if not here[wanted]:
        raise ValueError(f'device: torch finds no "{wanted}" here; "auto" takes what there is')
    return wanted
