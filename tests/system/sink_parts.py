"""An agent with sinks: its packages, and what its tests look at."""

import json
import re
from pathlib import Path
from typing import Any

from tests.foreign_sinks import ORDERED, install
from tests.watcher import Watcher

ROOT = Path(__file__).parents[2]
SCENE: dict[str, Any] = {"id": "scene", "source": "test://scene?size=320x240"}
FACTS: dict[str, Any] = {"id": "facts", "kind": "probe", "streams": ["*"], "interval": 0.1}


def packages(folder: Path) -> Path:
    """A folder on the agent's path with the package of a foreign sink, and that of the guide."""
    site = install(folder / "site", "ordered", ORDERED, {"ordered": "ordered:Ordered"})
    guide = (ROOT / "docs" / "sinks.md").read_text("utf-8")
    (source,) = re.findall(r"^```python\n(# tally\.py\n.*?)^```", guide, re.MULTILINE | re.DOTALL)
    (point,) = re.findall(r'^\[project.entry-points."vedette.sinks"\]\ntally = "(.*)"$', guide, re.MULTILINE)
    return install(site, "tally", source, {"tally": point})


def sinks_of(watcher: Watcher) -> dict[str, dict[str, Any]]:
    report = watcher.latest("d/+/reported") or {}
    sinks: dict[str, dict[str, Any]] = report.get("sinks", {})
    return sinks


def results_in(path: Path) -> list[tuple[int, int]]:
    """Epoch and seq of each result in a file of JSON Lines."""
    if not path.exists():
        return []
    whole = path.read_text("utf-8").rpartition("\n")[0]
    return [(line["epoch"], line["seq"]) for line in map(json.loads, whole.splitlines())]
