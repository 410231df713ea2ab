"""A finite source, from its start to its end: lossless, repeatable, as fast as the machine can.

Invariant: windows are those that a live agent with workers that are always free would take; what takes
long makes reading wait, and nothing is left out.
"""

from agent.offline.inference import Inference, infer
from agent.offline.run import Progress, Run, Shown
from agent.offline.use import Use

__all__ = ["Inference", "Progress", "Run", "Shown", "Use", "infer"]
