"""Everything goes wrong, several things at a time, and every promise is kept: `make soak` in short.

The agent, once with each durability, runs in namespaces of its own: see tests/chaos.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import ground
from tests.chaos.faults import faults
from tests.left_out import leave_out

ROOT = Path(__file__).parents[2]
SEED = 4
COMMANDS = 60
RECONNECTS = 40
LIMIT_S = 400.0  # it takes half a minute on a machine that has nothing else to do


@pytest.mark.timeout(LIMIT_S + 20)
def test_nothing_is_lost_and_nothing_left_over_whatever_goes_wrong(tmp_path: Path) -> None:
    if (why_not := ground.missing()) is not None:
        leave_out(f"no chaos: {why_not}")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.chaos", "--minutes", "0", "--seed", str(SEED)),
            *("--commands", str(COMMANDS), "--reconnects", str(RECONNECTS), "--report", str(report)),
            # Four tests run at once on two cores, or one: a thread may have to wait for its turn.
            *("--slack-ms", "1000"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    runs: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))
    assert [run["durability"] for run in runs] == ["strict", "lazy"]
    for run in runs:
        assert set(run["faults"]) == {fault.name for fault in faults(commands=COMMANDS)}, run["in_vain"]
        assert run["starts"] > 1
        assert run["results"]["accepted"] > 100
        assert run["reconnections"]["to_broker"] >= RECONNECTS
    assert runs[0]["results"]["lost"] == 0
