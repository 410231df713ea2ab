"""What is known of the agent itself, beside the report of what runs."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.health.latency import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """As it is now. Counts are since the start of the agent."""

    device: str
    uptime_s: float = 0.0
    not_ready: str | None = None  # why results do not get out
    connected: bool = False
    ticks: int = 0
    slow_ticks: int = 0
    lag_s: float = 0.0  # how late the last tick was
    hung: tuple[str, ...] = ()
    hangs: Mapping[str, int] = field(default_factory=dict)  # by part
    commands: Mapping[str, int] = field(default_factory=dict)  # by what became of them
    replies: Mapping[str, int] = field(default_factory=dict)  # by code
    children: Mapping[str, int] = field(default_factory=dict)  # that run, by role
    ended: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by role and cause
    lent_bytes: int = 0
    shared_memory_free_bytes: int = 0
    disk_free_bytes: int | None = None
    latencies: Mapping[tuple[str, str], Histogram] = field(default_factory=dict)  # by stream and algorithm


def disk_free_bytes(folder: Path) -> int | None:
    """What the agent may still write there; None: it cannot be told."""
    with suppress(OSError):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize
    return None
