"""How many cores there are for the agent, and how many of them are busy."""

import os
import time
from pathlib import Path

import psutil

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of the own group, as a container sees it


def given() -> float:
    """Cores that this process may use: its affinity, and what a cgroup (v2) allows."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        allowed, _, period = _QUOTA.read_text("utf-8").partition(" ")
        return min(cores, int(allowed) / int(period))
    except (OSError, ValueError):  # there is no limit, or no such file
        return cores


class BusyCores:
    """Cores that are busy, measured between two looks: of the machine, and by this process alone."""

    def __init__(self) -> None:
        self._last = psutil.cpu_times()
        self._own_last = (time.monotonic(), time.process_time())
        self.cores: float | None = None
        self.own_cores: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all of the machine is ours to use."""
        return given() >= (psutil.cpu_count() or 1)

    def look(self) -> None:
        """Measure since the last look; call it some seconds apart."""
        now = psutil.cpu_times()
        idle = now.idle - self._last.idle + now.iowait - self._last.iowait
        total = sum(now[:8]) - sum(self._last[:8])  # user to steal; guests are counted in user
        if total > 0:
            self.cores = max(0.0, 1.0 - idle / total) * (psutil.cpu_count() or 1)
        self._last = now
        wall_s, cpu_s = time.monotonic(), time.process_time()
        if wall_s > self._own_last[0]:
            self.own_cores = (cpu_s - self._own_last[1]) / (wall_s - self._own_last[0])
        self._own_last = (wall_s, cpu_s)
