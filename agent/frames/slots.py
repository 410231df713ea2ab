"""Slots: the frames of one format in one segment, as numpy views."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.frames.format import FrameFormat
from agent.frames.segment import map_segment

Pixels = NDArray[np.uint8]


class Slots:
    """One segment seen as `count` frames of one format.

    Views of a reader are read-only. A view keeps the mapping alive, so dropping `Slots` while an
    algorithm still holds a frame is safe; what that frame shows may change once its slot is given back.
    """

    def __init__(self, frame_format: FrameFormat, count: int, fd: int, *, writable: bool) -> None:
        self.format = frame_format
        self.count = count
        memory = map_segment(fd, frame_format.slot_bytes * count, writable=writable)
        self._pixels: NDArray[Any] = np.frombuffer(memory, dtype=np.uint8)
        os.close(fd)

    def view(self, slot: int) -> Pixels:
        """The frame in `slot` (0 .. count - 1), of shape `format.shape`."""
        if not 0 <= slot < self.count:
            raise IndexError(f"slot {slot} of {self.count}")
        begin = slot * self.format.slot_bytes
        return self._pixels[begin : begin + self.format.frame_bytes].reshape(self.format.shape)
