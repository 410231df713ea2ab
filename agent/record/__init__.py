"""Pictures into video files.

Invariant: what was written can be played whatever happens next: to the process, the machine or the disk.
"""

from agent.record.encoder import Recording
from agent.record.room import Room
from agent.record.segments import SegmentPlan, Segments

__all__ = ["Recording", "Room", "SegmentPlan", "Segments"]
