"""The long run: `python -m tests.fuzz [TARGET …] [--runs N] [--keep]`.

Coverage-guided with atheris (the extra `fuzz`); where there is none for this machine, by chance alone, with
hypothesis. Each target is a process of its own with a limit on memory, and on the time of one
input. What broke a promise is written down, and ends the run with exit code 1.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.door import FOLDER_VARIABLE
from tests.fuzz.inputs import keep, kept
from tests.fuzz.targets import TARGETS, Row

MEMORY = Path("/dev/shm")  # noqa: S108 - where memory is a folder
MAX_MEMORY_MB = 512  # of a target's process
MAX_INPUT_S = 5  # for one input
KEPT = 60  # inputs of a target, at most, by `--keep`
MAX_KEPT_BYTES = 400
_STAT = re.compile(r"stat::(\w+):\s+(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a target's process counted."""

    name: str
    inputs: int
    seconds: float
    peak_mb: int
    slowest_s: int
    broken: bool


def main(arguments: list[str]) -> int:
    """Fuzz the targets one after the other; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--runs", type=float, default=1.0, metavar="FACTOR", help="so many times as long")
    parser.add_argument("--keep", action="store_true", help="keep what went far in tests/fuzz/corpus")
    options = parser.parse_args(arguments)
    engine = importlib.util.find_spec("atheris") is not None
    if not engine:
        sys.stdout.write("no atheris here: by chance alone, with hypothesis\n")
    found = []
    for row in (TARGETS[name] for name in options.targets or TARGETS):
        runs = max(1, int(row.runs * options.runs))
        found.append(_guided(row, runs, keeping=options.keep) if engine else _by_chance(row, runs))
        _show(found[-1])
    _show(
        Figures(
            name="all",
            inputs=sum(one.inputs for one in found),
            seconds=sum(one.seconds for one in found),
            peak_mb=max(one.peak_mb for one in found),
            slowest_s=max(one.slowest_s for one in found),
            broken=any(one.broken for one in found),
        )
    )
    return 1 if any(one.broken for one in found) else 0


def _guided(row: Row, runs: int, *, keeping: bool) -> Figures:
    with tempfile.TemporaryDirectory(prefix="vedette-fuzz-") as folder:
        corpus = Path(folder)
        for number, data in enumerate([*row.seeds(), *kept(row.name)]):
            (corpus / f"seed{number:04d}").write_bytes(data)
        began = time.monotonic()
        done = _engine(row, f"-runs={runs}", f"-max_len={row.max_len}", "-print_final_stats=1", str(corpus))
        seconds = time.monotonic() - began
        if keeping and done.returncode == 0:
            _keep(row, corpus)
    counted = {name: int(value) for name, value in _STAT.findall(done.stderr)}
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-6000:])
    return Figures(
        name=row.name,
        inputs=counted.get("number_of_executed_units", 0),
        seconds=seconds,
        peak_mb=counted.get("peak_rss_mb", 0),
        slowest_s=counted.get("slowest_unit_time_sec", 0),
        broken=done.returncode != 0,
    )


def _engine(row: Row, *options: str) -> "subprocess.CompletedProcess[str]":
    bounds = (f"-rss_limit_mb={MAX_MEMORY_MB}", f"-timeout={MAX_INPUT_S}", "-artifact_prefix=fuzz-")
    return _process("tests.fuzz.engine", row.name, *bounds, *options)


def _process(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """In a folder in memory, which goes with it: libFuzzer ends its process without tidying up."""
    with tempfile.TemporaryDirectory(
        prefix="vedette-fuzz-", dir=MEMORY if MEMORY.is_dir() else None
    ) as folder:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | {FOLDER_VARIABLE: folder},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


def _keep(row: Row, corpus: Path) -> None:
    """Of what went further than all before, some, from the shortest to the longest."""
    news = [path.read_bytes() for path in corpus.iterdir() if not path.name.startswith("seed")]
    found = sorted((data for data in news if len(data) <= MAX_KEPT_BYTES), key=len)
    step = max(1, len(found) // KEPT)
    keep(row.name, [*kept(row.name), *found[::step]][:KEPT])


def _by_chance(row: Row, runs: int) -> Figures:
    done = _process("tests.fuzz.chance", row.name, str(runs))
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-6000:])
        return Figures(name=row.name, inputs=0, seconds=0.0, peak_mb=0, slowest_s=0, broken=True)
    inputs, seconds, peak, slowest = done.stdout.split()
    return Figures(
        name=row.name,
        inputs=int(inputs),
        seconds=float(seconds),
        peak_mb=int(peak),
        slowest_s=int(float(slowest)),
        broken=False,
    )


def _show(figures: Figures) -> None:
    sys.stdout.write(
        f"{figures.name:10} {figures.inputs:>9,} inputs {figures.seconds:>7.1f} s  "
        f"peak {figures.peak_mb} MB  slowest {figures.slowest_s} s  {'BROKEN' if figures.broken else 'ok'}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
