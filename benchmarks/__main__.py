"""All benchmarks in one go: `make bench`, or `make bench ARGS="cpu --quick"` for some of them in short."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import cpu, every_frame, footprint
from benchmarks.machine import machine, when

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = """# What Vedette costs

Written by `make bench`; about fifteen minutes on a machine that should have nothing else to do. The camera
is the tests' own (`python -m tests.camera`), a process whose CPU is not counted: H.264 1080p25, 4 Mb/s, no
B-frames, a key frame every 2 s, a moving scene with sensor noise. CPU is read from `/proc/<pid>/stat` of
every process of a program. *Rest of the machine* is what everything else used meanwhile, camera and broker
included (about 0.1 cores): where it is much more, the machine was not idle, and the figures are worse than
they could be."""


def main() -> int:
    """Measure what is asked for, and write it to RESULTS.md unless it was only a quick look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    benchmarks: dict[str, Callable[[bool], str]] = {
        "cpu": lambda quick: cpu.measure(window_s=10 if quick else 30, repetitions=1 if quick else 3),
        "frames": lambda quick: every_frame.measure(
            window_s=10 if quick else 60, repetitions=1 if quick else 3
        ),
        "footprint": lambda quick: footprint.measure(repetitions=1 if quick else 5),
    }
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks)}; all of them")
    parser.add_argument("--quick", action="store_true", help="once and short, to see that it works")
    options = parser.parse_args()
    unknown = set(options.names) - set(benchmarks)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    head = f"{HEAD}\n\n{machine()}"
    sections = {}
    for name in options.names or benchmarks:
        begun = when()
        section = f"{benchmarks[name](options.quick)}\n\n{begun}"
        sections[section.partition("\n")[0]] = section
    report = _report(head, sections)
    print(report)
    if not options.quick:
        RESULTS.write_text(_report(head, _earlier() | sections), encoding="utf-8")
    return 0


def _report(head: str, sections: dict[str, str]) -> str:
    return "\n\n".join([head, *sections.values()]) + "\n"


def _earlier() -> dict[str, str]:
    """The sections of RESULTS.md by their titles: what is not measured now stays."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else ""
    parts = [f"## {part.rstrip()}" for part in text.split("\n## ")[1:]]
    return {part.partition("\n")[0]: part for part in parts}


if __name__ == "__main__":
    sys.exit(main())
