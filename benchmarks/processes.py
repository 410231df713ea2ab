"""CPU time and private memory of a program with all its children, and what the rest of the machine did.

CPU time is read from the processes' own CPU clocks, in nanoseconds: /proc/<pid>/stat has ticks of 10 ms, and
a program that does something once a minute uses few of those.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.waiting import eventually

TICKS_HZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuWindow:
    """Cores used over a while: CPU seconds a second of wall time."""

    wall_s: float
    cores: dict[str, float]  # by the role of the process
    others_cores: float  # what everything else on the machine used, cameras and brokers included

    @property
    def total(self) -> float:
        """Cores used by all processes of the program."""
        return sum(self.cores.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of one process, in bytes: `private` belongs to it alone, `share` has its part of shared pages, too."""

    private: int
    share: int


def family(pid: int) -> dict[int, str]:
    """The process and all its descendants, by pid, with their roles."""
    root = psutil.Process(pid)
    found = {pid: "main"}
    for child in root.children(recursive=True):
        command = " ".join(child.cmdline())
        if child.name().startswith("vd:"):
            role = child.name()
        elif "forkserver" in command:
            role = "fork server"
        elif "resource_tracker" in command:
            role = "resource tracker"
        else:
            role = "child"
        found[child.pid] = role
    return found


def watch_cpu(pid: int, window_s: float) -> CpuWindow:
    """Measure for `window_s`. Raises RuntimeError when a process of the program came or went meanwhile."""
    members = family(pid)
    before = {member: cpu_ns(member) for member in members}
    busy, began_s = machine_cpu_s(), time.monotonic()
    time.sleep(window_s)
    after = {member: cpu_ns(member) for member in members}
    busy, wall_s = machine_cpu_s() - busy, time.monotonic() - began_s
    if family(pid).keys() != members.keys():
        raise RuntimeError("the program started or ended processes while it was measured")
    cores: dict[str, float] = {}
    for member, role in members.items():
        used = (after[member] - before[member]) / 1e9 / wall_s
        cores[role] = cores.get(role, 0.0) + used
    return CpuWindow(wall_s=wall_s, cores=cores, others_cores=busy / wall_s - sum(cores.values()))


def memory(pid: int) -> dict[str, Memory]:
    """Of each process of a program, by its role; each has to have another one."""
    found = {}
    for member, role in family(pid).items():
        full = psutil.Process(member).memory_full_info()
        found[role] = Memory(private=full.uss, share=full.pss)
    return found


def cpu_ns(pid: int) -> int:
    """User and system time of a process so far: all its threads, ended ones too, and none of its children.

    Raises ProcessLookupError when there is no such process.
    """
    try:
        # The id of another process' CPU clock, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError as err:
        raise ProcessLookupError(f"no process {pid}") from err


def machine_cpu_s() -> float:
    """Busy time of all cores since boot, in seconds."""
    fields = [int(field) for field in Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = fields
    return (user + nice + system + irq + softirq) / TICKS_HZ


class Program:
    """A program that prints a line for each of its runs; `with` ends it and its children."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._count, daemon=True)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the program
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        left = [psutil.Process(pid) for pid in family(self.pid)] if self._process.poll() is None else []
        self._process.terminate()
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()
        self._reader.join()
        if kind is not None:
            self._errors.seek(0)
            sys.stderr.write(self._errors.read().decode("utf-8", "replace")[-4000:])
        self._errors.close()

    @property
    def pid(self) -> int:
        """Of the program itself."""
        assert self._process is not None
        return self._process.pid

    def wait_for_lines(self, count: int, timeout_s: float = 30.0) -> None:
        """Until it has printed so many lines."""
        eventually(lambda: len(self.lines) >= count, timeout_s, f"{count} lines of {' '.join(self._command)}")

    def _count(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.decode("utf-8", "replace").strip())
