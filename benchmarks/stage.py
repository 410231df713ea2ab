"""What every benchmark needs around the agent: a camera as a process of its own, a broker, a subscriber."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.processes import Program
from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.watcher import Watcher

# The broker of the tests saves its sessions after each change, and stands still until they are on the disk.
_SAVE_SELDOM = "autosave_on_changes false\nautosave_interval 1800"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An agent that is configured and started by the benchmark, and one who hears what it says."""

    agent: AgentProcess
    watcher: Watcher

    def wait_for_first_result(self) -> None:
        """Until frames come, are worked on, and heard of."""
        self.watcher.wait_for_results(1, timeout_s=30.0)

    def place(self, file: Path) -> str:
        """The path of `file` in the only folder from which the agent may read files."""
        copy = self.agent.media / file.name
        if not copy.exists():
            shutil.copyfile(file, copy)
        return str(copy)

    def call(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        """Give a command and return its reply. Raises RuntimeError when it was refused."""
        reply = self.watcher.call(verb, args, timeout_s=30.0)
        if reply["code"] != HTTPStatus.OK:
            raise RuntimeError(f"{verb}: {reply}")
        return reply


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """A fresh state folder, a mosquitto of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vedette-bench-")))
        broker = stack.enter_context(Mosquitto(folder / "broker", settings=_SAVE_SELDOM))
        agent = AgentProcess(folder, broker.url)
        stack.callback(lambda: agent.kill() if agent.started else None)
        watcher = stack.enter_context(Watcher(broker.url, agent.device))
        yield Stage(agent=agent, watcher=watcher)


@contextlib.contextmanager
def camera(clip: Path, *, group_first: bool = True) -> Iterator[str]:
    """The URL of an RTSP camera that plays `clip` over and over.

    With `group_first` it begins with the last key frame, as few real cameras do; else with what comes next.
    """
    command = [sys.executable, "-m", "tests.camera", str(clip)]
    with Program(command if group_first else [*command, "--no-group-first"]) as program:
        program.wait_for_lines(1)
        yield program.lines[0]
