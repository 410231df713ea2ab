"""What every benchmark needs around the agent: a camera as a process of its own, a broker, a subscriber."""

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values: Sequence[float], digits: int = 3) -> str:
    """The median, and from where to where the values go."""
    low, middle, high = (
        f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
