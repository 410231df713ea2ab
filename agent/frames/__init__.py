"""The frame contract: what a frame looks like in shared memory, and who may touch it when.

Invariant: pixels live in segments that the agent allocates; a capture process writes a slot, workers
read it in place, and only messages about slots ever pass through a pipe.
"""

from agent.frames.format import FrameFormat
from agent.frames.segment import Segment, allocate, free_bytes
from agent.frames.slots import Slots

__all__ = ["FrameFormat", "Segment", "Slots", "allocate", "free_bytes"]
