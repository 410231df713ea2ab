"""Which frames, when: the rules of `fps`, `frame_count`, `frame_step` and `interval`, as pure values.

Invariant: no clock, no I/O, no pixel; times are the presentation times that are passed in, in seconds.
"""

from agent.sampling.key_times import KeyTimes
from agent.sampling.rules import TOLERANCE_S, Due, Sampling, Thinner
from agent.sampling.sampler import Sampler, Take

__all__ = ["TOLERANCE_S", "Due", "KeyTimes", "Sampler", "Sampling", "Take", "Thinner"]
