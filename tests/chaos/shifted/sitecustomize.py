"""Imported by every Python process of the agent under test: its wall clock, and how patient it is.

The clock of the machine is everybody's, so the agent and its children see one that is shifted by what a
shared file says (a double, seconds). Their monotonic clock stays what it is. With CHAOS_PATIENCE_S, back-offs
are never longer than that, so that a thousand reconnections take minutes, not hours.
"""

import mmap
import os
import struct
import time

_clock = os.environ.get("CHAOS_CLOCK")
if _clock is not None:
    with open(_clock, "rb") as _file:  # noqa: PTH123 - in each process at its start: import little
        _shared = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)
    _time, _time_ns = time.time, time.time_ns

    def _shift_s() -> float:
        shift_s: float = struct.unpack("d", _shared[:8])[0]
        return shift_s

    time.time = lambda: _time() + _shift_s()
    time.time_ns = lambda: _time_ns() + int(_shift_s() * 1e9)

_patience = os.environ.get("CHAOS_PATIENCE_S")
if _patience is not None:
    from agent.backoff import Backoff

    _most_s = float(_patience)
    _delay_s = Backoff.delay_s
    Backoff.delay_s = lambda self, jitter: min(_delay_s(self, jitter), _most_s)  # type: ignore[method-assign]
