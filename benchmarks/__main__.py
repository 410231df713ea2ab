"""All benchmarks in one go: `make bench`, or `make bench ARGS="demand --quick"` for some of them in short."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import (
    add_remove,
    authors,
    dashboard,
    delivery,
    demand,
    density,
    footprint,
    handover,
    latency,
    offline,
    pictures,
    scheduling,
)
from benchmarks.figures import Data
from benchmarks.machine import machine, when

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
HEAD = """# What Vedette costs

Written by `make bench`, as [results.json](results.json) is, on a machine that should have nothing else to
do; an hour, or `make bench ARGS="demand latency"` for some of it. The camera is the tests' own
(`python -m tests.camera`), a process whose CPU is not counted: H.264 1080p25, 4 Mb/s, no B-frames, a key
frame every 2 s unless it says otherwise, a moving scene with sensor noise. CPU is read from the CPU clocks
of all processes of a program. Each figure is the median of the repetitions, with the lowest and the highest;
ratios are taken within a repetition. Whether a goal is met is computed from the figures."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Measures, and tells in Markdown what was measured."""

    title: str
    measure: Callable[..., Data]
    report: Callable[[Data], str]


BENCHMARKS = {
    module.__name__.rpartition(".")[2]: Benchmark(module.TITLE, module.measure, module.report)
    for module in (
        demand,
        density,
        latency,
        handover,
        scheduling,
        add_remove,
        delivery,
        offline,
        dashboard,
        footprint,
        authors,
    )
}


def main() -> int:
    """Measure what is asked for; write it down, unless it was only a quick look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all of them")
    parser.add_argument("--quick", action="store_true", help="once and short, to see that it works")
    parser.add_argument("--draw", action="store_true", help="write report and pictures of what was measured")
    parser.add_argument("--to", type=Path, help="a folder for results and pictures; also of a quick look")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    folder: Path = options.to or HERE
    measured = _earlier(folder / "results.json")
    if options.draw and not measured:
        parser.error("nothing was measured yet")
    for name in () if options.draw else options.names or BENCHMARKS:
        begun = {"begun": when(), "machine": machine()}
        measured[name] = begun | BENCHMARKS[name].measure(quick=options.quick)
        print(_section(name, measured[name]))
        if options.to or not options.quick:
            _write(folder, measured)
    if options.to or not options.quick:
        _write(folder, measured)
        pictures.draw(measured, options.to or DOCS)
    return 0


def _earlier(path: Path) -> dict[str, Data]:
    """What was measured before: what is not measured now stays."""
    found: dict[str, Data] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _write(folder: Path, measured: dict[str, Data]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    there = [name for name in BENCHMARKS if name in measured]
    machines = {measured[name]["machine"] for name in there}
    head = [HEAD, *machines] if len(machines) == 1 else [HEAD]
    sections = [_section(name, measured[name], alone=len(machines) > 1) for name in there]
    (folder / "RESULTS.md").write_text("\n\n".join([*head, *sections]) + "\n", encoding="utf-8")


def _section(name: str, data: Data, *, alone: bool = False) -> str:
    parts = [f"## {BENCHMARKS[name].title}", BENCHMARKS[name].report(data)]
    return "\n\n".join([*parts, *([data["machine"]] if alone else []), data["begun"]])


if __name__ == "__main__":
    sys.exit(main())
