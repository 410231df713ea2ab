"""Pictures into a video file.

Invariant: what was written can be played whatever happens next: to the process, the machine or the disk.
"""

from agent.record.encoder import Recording

__all__ = ["Recording"]
