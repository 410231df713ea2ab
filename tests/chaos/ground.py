"""The ground that a run stands on: namespaces of its own, so that faults meet nobody else.

A run has its own processes, mounts and network. The agent is in a further network, at the other end of a
cable on which packets can be lost; its state folder and /dev/shm are small file systems that can be filled.
When the first process of the run is gone, so is all the rest: nothing can be left on the machine.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the run's own, mounted below
STATE = Path("/mnt")  # likewise; a short path, for the agent has a socket in there
HERE = "10.77.0.1"  # where broker and cameras are; seen by nobody outside the run
THERE = "10.77.0.2"  # where the agent is
_SHARED_MEMORY_SIZE = "64m"
_STATE_SIZE = "64m"
_ATTEMPTS = 3
_UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
# The first process of a PID namespace inherits every orphan; a shell buries them while it waits.
_INIT = ("bash", "-c", '"$@"; exit $?', "init")
_FILLER = "filler"


def missing() -> str | None:
    """What keeps this machine from giving a run its own ground; None: nothing does."""
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")):
        if _path(program) is None:
            return f"{program} is not installed (Debian: apt-get install {package})"
    tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no namespaces here, which take root: {tried.stderr.strip()}"
    return None


def on_own_ground(command: Sequence[str]) -> list[str]:
    """The command that runs `command` on a ground of its own."""
    return [*_UNSHARE, *_INIT, *command]


class Ground:
    """The cable to the agent and the agent's file systems; only inside `on_own_ground`."""

    def __init__(self) -> None:
        self._agents_net: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        _run("mount", "-t", "tmpfs", "-o", f"size={_SHARED_MEMORY_SIZE}", "tmpfs", str(SHARED_MEMORY))
        _run("mount", "-t", "tmpfs", "-o", f"size={_STATE_SIZE}", "tmpfs", str(STATE))
        _run("ip", "link", "set", "lo", "up")
        self._lay_cable()
        _run("ip", "address", "add", f"{HERE}/24", "dev", "out0")
        _run("ip", "link", "set", "out0", "up")
        _run(*self.inside, "ip", "address", "add", f"{THERE}/24", "dev", "in0")
        _run(*self.inside, "ip", "link", "set", "in0", "up")
        _run(*self.inside, "ip", "link", "set", "lo", "up")
        return self

    def _lay_cable(self) -> None:
        for attempt in range(_ATTEMPTS):
            # A process that does nothing but hold the network of the agent while that is not running.
            self._agents_net = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE
            )
            assert self._agents_net.stdout is not None
            self._agents_net.stdout.readline()
            ends = ("out0", "type", "veth", "peer", "name", "in0", "netns", str(self.holder))
            try:
                _run("ip", "link", "add", *ends)
            except AssertionError:
                # Seen once, in networks that were new: "File exists".
                if attempt + 1 == _ATTEMPTS:
                    raise
                self._let_go()
            else:
                return

    def _let_go(self) -> None:
        assert self._agents_net is not None
        self._agents_net.send_signal(signal.SIGKILL)
        self._agents_net.wait()
        assert self._agents_net.stdout is not None
        self._agents_net.stdout.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()
        _run("umount", "--lazy", str(STATE))

    @property
    def holder(self) -> int:
        """The process that holds the agent's network."""
        assert self._agents_net is not None
        return self._agents_net.pid

    @property
    def inside(self) -> tuple[str, ...]:
        """What stands before a command that is to run in the agent's network."""
        return ("nsenter", f"--net=/proc/{self.holder}/ns/net", "--")

    def lose(self, percent: int) -> None:
        """Lose so many of a hundred packets, at random, both ways; 100: it is cut, and nobody is told."""
        verdict = "drop" if percent >= 100 else f"numgen random mod 100 < {percent} drop"
        rules = f"""
            table inet chaos {{
                chain in {{ type filter hook input priority 0; iifname "out0" {verdict}; }}
                chain out {{ type filter hook output priority 0; oifname "out0" {verdict}; }}
            }}
        """
        _run("nft", "-f", "-", given=rules)

    def lose_nothing(self) -> None:
        """Mend the cable."""
        _run("nft", "delete", "table", "inet", "chaos")


def fill(folder: Path, *, spare_bytes: int = 0) -> None:
    """Take all room of a file system but `spare_bytes`."""
    stats = os.statvfs(folder)
    size_bytes = stats.f_bavail * stats.f_frsize - spare_bytes
    descriptor = os.open(folder / _FILLER, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        # Somebody else may take some of it meanwhile, which makes it full, too.
        with contextlib.suppress(OSError):
            os.posix_fallocate(descriptor, 0, max(size_bytes, 1))
    finally:
        os.close(descriptor)


def free(folder: Path) -> None:
    """Give back what `fill` took."""
    (folder / _FILLER).unlink()


def used_bytes(folder: Path) -> int:
    """What lies on a file system, with a name or without."""
    stats = os.statvfs(folder)
    return (stats.f_blocks - stats.f_bfree) * stats.f_frsize


def strangers(known: set[int]) -> list[str]:
    """Processes of this run that are not `known`, by id and command; the dead ones do not count."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) not in known | {1, os.getpid()}:
            with contextlib.suppress(OSError):
                if (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] not in "ZX":
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    found.append(f"{entry.name} {command[:100]}")
    return found


def _path(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def _run(*command: str, given: str | None = None) -> None:
    path = _path(command[0])
    assert path is not None, command[0]
    done = subprocess.run([path, *command[1:]], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
