"""CPU of the whole agent with one camera at 1 Hz, beside a bare loop of PyAV and Stream Infer."""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.processes import CpuWindow, Program, watch_cpu
from benchmarks.stage import camera, spread, stage, table
from benchmarks.video import clip

WARM_UP_S = 5.0
GOAL = 1.5  # times the bare loop

Runs = Callable[[], int]  # how many there were so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One program over one window."""

    cpu: CpuWindow
    runs_hz: float


@contextlib.contextmanager
def _agent(url: str) -> Iterator[tuple[int, Runs]]:
    with stage() as here:
        here.agent.configure(
            streams=[{"id": "camera", "source": url}],
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["camera"], "interval": 1.0}],
        )
        here.agent.start()
        here.wait_for_first_result()
        yield here.agent.process.pid, lambda: len(here.watcher.results())


@contextlib.contextmanager
def _peer(module: str, url: str) -> Iterator[tuple[int, Runs]]:
    with Program([sys.executable, "-m", f"benchmarks.peers.{module}", url]) as program:
        program.wait_for_lines(1)
        yield program.pid, lambda: len(program.lines)


def _measure(program: contextlib.AbstractContextManager[tuple[int, Runs]], window_s: float) -> Measured:
    with program as (pid, runs):
        time.sleep(WARM_UP_S)
        before = runs()
        cpu = watch_cpu(pid, window_s)
        return Measured(cpu=cpu, runs_hz=(runs() - before) / cpu.wall_s)


def measure(*, window_s: float, repetitions: int) -> str:
    """The section of the report."""
    programs: dict[str, Callable[[str], contextlib.AbstractContextManager[tuple[int, Runs]]]] = {
        "agent": _agent,
        "bare": lambda url: _peer("bare", url),
        "stream_infer": lambda url: _peer("stream_infer_loop", url),
    }
    rounds: list[dict[str, Measured]] = []
    with camera(clip(key_frame_every_s=2)) as url:
        for repetition in range(repetitions):
            measured = {name: _measure(program(url), window_s) for name, program in programs.items()}
            rounds.append(measured)
            print(f"cpu {repetition + 1}:", {name: round(one.cpu.total, 4) for name, one in measured.items()})
    return _report(rounds, window_s)


def _report(rounds: list[dict[str, Measured]], window_s: float) -> str:
    def row(title: str, name: str) -> list[str]:
        ratios = [one[name].cpu.total / one["bare"].cpu.total for one in rounds]
        return [
            title,
            spread([one[name].cpu.total for one in rounds]),
            spread(ratios, 2),
            spread([one[name].runs_hz for one in rounds], 2),
            spread([one[name].cpu.others_cores for one in rounds], 2),
        ]

    roles = {
        role: statistics.median([one["agent"].cpu.cores[role] for one in rounds]) for role in _roles(rounds)
    }
    ratio = statistics.median([one["agent"].cpu.total / one["bare"].cpu.total for one in rounds])
    against = statistics.median([one["stream_infer"].cpu.total / one["agent"].cpu.total for one in rounds])
    comparison = table(
        ["", "cores", "of the bare loop", "runs a second", "rest of the machine, cores"],
        [
            row("Vedette, all processes", "agent"),
            row("bare PyAV loop", "bare"),
            row("Stream Infer 0.6.7, all processes", "stream_infer"),
        ],
    )
    processes = table(["process of Vedette", "cores"], [[role, f"{roles[role]:.4f}"] for role in roles])
    return f"""## CPU: one RTSP camera, `probe` at 1 Hz

Each program for {window_s:g} s after {WARM_UP_S:g} s of warm-up, one after the other, {len(rounds)} rounds;
median (lowest to highest). Ratios are taken within a round. All decode every frame and convert one a second
to BGR of full size.

{comparison}

{processes}

Vedette needs **{ratio:.2f} times** the bare loop (goal: at most {GOAL}), Stream Infer **{against:.1f}
times** as much as Vedette."""


def _roles(rounds: list[dict[str, Measured]]) -> list[str]:
    return list(rounds[0]["agent"].cpu.cores)
