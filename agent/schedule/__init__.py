"""Who runs next: pure decisions, no process, no clock of its own.

Invariant: at most one window is outstanding for each (stream, algorithm), and it is asked for only when a
worker will be free for it; so overload costs nothing but the runs that are left out.
"""

from agent.schedule.scheduler import Pair, Scheduler

__all__ = ["Pair", "Scheduler"]
