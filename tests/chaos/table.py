"""The report for the eye."""

from collections.abc import Sequence
from typing import Any


def table(reports: Sequence[dict[str, Any]]) -> str:
    """A few lines a run."""
    return "".join(line + "\n" for report in reports for line in _lines(report))


def _lines(report: dict[str, Any]) -> list[str]:
    results = report["results"]
    faults = report["faults"]
    rows = {
        "faults": f"{sum(faults.values())} of {len(faults)} kinds, {len(report['in_vain'])} in vain",
        "starts of the agent": report["starts"],
        "results accepted": results["accepted"],
        "heard": results["delivered"],
        "duplicates, all recognised": results["duplicates"],
        "dropped and announced": results["dropped"] or 0,
        "lost": f"{results['lost']}, accepted at most {results['lost_oldest_ms']} ms before a kill",
    }
    if report["durability"] == "strict":
        rows["not yet on disk at a kill"] = (
            f"{results['in_hand']}, handed over at most {results['in_hand_oldest_ms']} ms before"
        )
    again = report.get("reconnections")
    if again is not None:
        rows["reconnections"] = f"{again['to_broker']} to the broker, {again['to_cameras']} to cameras"
        for name in ("agent", "capture"):
            slope, error = again[name]["slope_bytes"] / 1e6, again[name]["slope_error_bytes"] / 1e6
            rows[f"memory of {name}"] = f"{slope:+.2f} ± {error:.2f} MB a thousand reconnections"
    rows["seconds"] = report["took_s"]
    lines = [f"{report['durability']}, seed {report['seed']}"]
    lines += [f"  {name:28}{value}" for name, value in rows.items()]
    lines += [f"  BROKEN: {problem}" for problem in report["broken"]] or ["  every promise was kept"]
    return lines
