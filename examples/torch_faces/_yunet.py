"""YuNet in torch, and its weights out of the ONNX file in which it is given away.

    python examples/torch_faces/_yunet.py yunet_n_dynamic.onnx yunet.pt

That needs onnx, which comes with the extra, once; after it there is nothing but torch. An agent takes no
algorithm from a file whose name begins with `_`.
Source: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
_CHANNELS = ((16, 64), (64, 64), (64, 64), (64, 64), (64, 64))  # of the five steps after the first
_WIDE = 64
_OUTPUTS = (1, 4, 1, 10)  # whether it is a face, its box, whether it is a thing at all, five points


def _separable(taken: int, given: int, *, last: bool = False) -> nn.Sequential:
    """Every channel by itself after all of them together: a ninth of the work of one convolution."""
    parts = [nn.Conv2d(taken, given, 1), nn.Conv2d(given, given, 3, padding=1, groups=given)]
    return nn.Sequential(*parts) if last else nn.Sequential(*parts, nn.ReLU())


class YuNet(nn.Module):
    """Parts are made in the order of the ONNX file: so its weights find their places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), _separable(16, 16))
        self.steps = nn.ModuleList(
            nn.Sequential(_separable(taken, taken), _separable(taken, given)) for taken, given in _CHANNELS
        )
        self.laterals = nn.ModuleList(_separable(_WIDE, _WIDE) for _ in STRIDES)  # the coarsest first
        self.shared = nn.ModuleList(_separable(_WIDE, _WIDE) for _ in STRIDES)
        self.heads = nn.ModuleList(
            nn.ModuleList(_separable(_WIDE, size, last=True) for _ in STRIDES) for size in _OUTPUTS
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) BGR 0..255 into (N, all places, 15): score, box (x1, y1, x2, y2), points; in pixels.

        H and W are multiples of 32.
        """
        x = functional.max_pool2d(self.first(pictures), 2)
        x = self.steps[1](self.steps[0](x))
        levels = []
        for step in self.steps[2:]:
            x = step(functional.max_pool2d(x, 2))
            levels.append(x)
        fine, middle, coarse = levels
        coarse = self.laterals[0](coarse)
        middle = self.laterals[1](middle + functional.interpolate(coarse, scale_factor=2.0))
        fine = self.laterals[2](fine + functional.interpolate(middle, scale_factor=2.0))
        found = []
        for level, x in enumerate((fine, middle, coarse)):
            shared = self.shared[level](x)
            found.append(_decoded([head[level](shared) for head in self.heads], STRIDES[level]))
        return torch.cat(found, dim=1)


def _decoded(outputs: list[Tensor], stride: int) -> Tensor:
    """What one level says of each of its places."""
    face, box, thing, points = (output.permute(0, 2, 3, 1) for output in outputs)  # (N, rows, columns, …)
    rows, columns = face.shape[1:3]
    y, x = torch.meshgrid(
        torch.arange(rows, device=face.device), torch.arange(columns, device=face.device), indexing="ij"
    )
    place = torch.stack((x, y), dim=-1)  # (rows, columns, 2)
    score = (face.sigmoid() * thing.sigmoid()).sqrt()
    centre, half = box[..., :2] + place, box[..., 2:].exp() / 2
    corners = torch.cat((centre - half, centre + half), dim=-1)
    points = points + place.repeat(1, 1, 5)
    return torch.cat((score, corners * stride, points * stride), dim=-1).flatten(1, 2)


def convert(model: Path) -> dict[str, Tensor]:
    """The weights of an ONNX file, by the names that they have here. Raises ValueError for another model."""
    import onnx  # noqa: PLC0415  only who converts has it

    graph = onnx.load(model).graph
    values = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    given = [values[name] for node in graph.node if node.op_type == "Conv" for name in node.input[1:]]
    state = YuNet().state_dict()
    if [value.shape for value in given] != [tuple(value.shape) for value in state.values()]:
        raise ValueError(f"{model} is not the YuNet that is built here")
    return {name: torch.tensor(value) for name, value in zip(state, given, strict=True)}


if __name__ == "__main__":
    torch.save(convert(Path(sys.argv[1])), sys.argv[2])
