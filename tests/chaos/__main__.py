"""Soak the agent: `make soak ARGS="--minutes 30 --seed 7 --durability strict"`.

Faults at random, for so long and until each has had its effect; then rest, and the books. Then so many
reconnections to broker and cameras, over which memory has to stay flat. The seed is printed: the same one
gives the same faults in the same order. The exit code is 1 when a promise was broken.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any, cast

from tests.chaos import books, ground
from tests.chaos.faults import faults
from tests.chaos.judge import Durability
from tests.chaos.reconnects import reconnect
from tests.chaos.run import play
from tests.chaos.schedule import turns
from tests.chaos.site import Site
from tests.chaos.table import table

KILLS = 3  # of the agent, in each round of all faults: only then can results be lost
EACH_LIMIT_S = 120.0  # for every fault to take effect once
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for."""

    minutes: float
    seed: int
    durability: str
    commands: int
    reconnects: int
    slack_ms: float
    report: Path | None
    inside: bool


def main() -> int:
    """Run it, print a table, write the report."""
    options = _options()
    if options.inside:
        return _inside(options)
    why_not = ground.missing()
    if why_not is not None:
        sys.stderr.write(f"chaos: {why_not}\n")
        return 2
    kinds = ["strict", "lazy"] if options.durability == "both" else [options.durability]
    with tempfile.TemporaryDirectory(prefix="vedette-chaos-") as folder:
        runs = [_launch(options, kind, Path(folder) / f"{kind}.json") for kind in kinds]
        codes = [run.wait() for run in runs]
        reports = [
            json.loads(path.read_text("utf-8"))
            for kind in kinds
            if (path := Path(folder) / f"{kind}.json").exists()
        ]
    if options.report is not None:
        options.report.write_text(json.dumps(reports, indent=2) + "\n", "utf-8")
    sys.stdout.write(table(reports))
    return max(codes)


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of faults; 0: each once")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    parser.add_argument("--durability", choices=["strict", "lazy", "both"], default="both")
    parser.add_argument("--commands", type=int, default=1000, help="in one burst")
    parser.add_argument("--reconnects", type=int, default=1000, help="0: none")
    parser.add_argument(
        "--slack-ms", type=float, default=0.0, help="of a machine that is too busy to run a thread in time"
    )
    parser.add_argument("--report", type=Path, help="a file for all figures, as JSON")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return Options(**vars(parser.parse_args()))


def _launch(options: Options, durability: str, report: Path) -> "subprocess.Popen[bytes]":
    """The run, on a ground of its own."""
    arguments = [
        *("--minutes", str(options.minutes), "--seed", str(options.seed), "--durability", durability),
        *("--commands", str(options.commands), "--reconnects", str(options.reconnects)),
        *("--slack-ms", str(options.slack_ms), "--report", str(report), "--inside"),
    ]
    command = ground.on_own_ground([sys.executable, "-m", "tests.chaos", *arguments])
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


def _inside(options: Options) -> int:
    durability = cast("Durability", options.durability)
    report: dict[str, Any] = {"durability": durability, "seed": options.seed}
    assert options.report is not None
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vedette-chaos-") as folder:
        report |= _chaos(Path(folder), durability, options)
        broken = list(report["broken"])
        if options.reconnects:
            (Path(folder) / "again").mkdir()
            report["reconnections"] = _reconnections(Path(folder) / "again", durability, options.reconnects)
            broken += report["reconnections"]["broken"]
    report |= {"broken": broken, "took_s": round(time.monotonic() - begun_s)}
    options.report.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 1 if broken else 0


def _chaos(folder: Path, durability: Durability, options: Options) -> dict[str, Any]:
    possible = faults(commands=options.commands, kills=1 if options.minutes == 0 else KILLS)
    sys.stderr.write(f"chaos: seed {options.seed}, {durability}\n")
    with Site(folder, durability) as site:
        site.rest()
        lasts_s = options.minutes * 60
        toll = play(
            site,
            turns(possible, options.seed),
            {fault.name for fault in possible},
            lasts_s=lasts_s,
            limit_s=max(lasts_s * 1.2, EACH_LIMIT_S),
        )
        closed = books.close(site, slack_ms=options.slack_ms)
    return {
        "faults": dict(sorted(toll.done.items())),
        "in_vain": toll.in_vain,
        "log": toll.log,
        "starts": site.starts,
        **closed.document(),
    }


def _reconnections(folder: Path, durability: Durability, count: int) -> dict[str, Any]:
    with Site(folder, durability, restless=True) as site:
        return reconnect(site, count).document()


if __name__ == "__main__":
    sys.exit(main())
