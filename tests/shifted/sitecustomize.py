"""Imported by every Python process that has this folder on its path: its wall clock is wrong.

The clock of the machine is everybody's, so it is left alone. What time is told is shifted by what a shared
file says (a double, seconds); the monotonic clock stays what it is. With SHIFTED_PATIENCE_S, back-offs are
never longer than that, so that a thousand reconnections take minutes, not hours.
"""

import mmap
import os
import struct
import time

with open(os.environ["SHIFTED_CLOCK"], "rb") as _file:  # noqa: PTH123  early in each process: import little
    _shared = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)
_time, _time_ns = time.time, time.time_ns


def _shift_s() -> float:
    shift_s: float = struct.unpack("d", _shared[:8])[0]
    return shift_s


time.time = lambda: _time() + _shift_s()
time.time_ns = lambda: _time_ns() + int(_shift_s() * 1e9)

_patience = os.environ.get("SHIFTED_PATIENCE_S")
if _patience is not None:
    from agent.backoff import Backoff

    _most_s = float(_patience)
    _delay_s = Backoff.delay_s
    Backoff.delay_s = lambda self, jitter: min(_delay_s(self, jitter), _most_s)  # type: ignore[method-assign]
