"""What an author of algorithms sees, and the algorithms that ship: one file each.

Invariant: nothing here knows of the agent, of MQTT or of configuration; it can be used without them.
"""

from algos.base import BaseAlgo, Frames

__all__ = ["BaseAlgo", "Frames"]
