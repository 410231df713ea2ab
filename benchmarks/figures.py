"""How figures are written down: medians with their spread, tables in Markdown, goals that are met or not."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]
"""What a benchmark measured, as JSON keeps it; its `report` makes text of it, `pictures` draw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Something that was to be reached, what was, and whether that is enough."""

    text: str
    measured: str
    met: bool


def goals(rows: Sequence[Goal]) -> str:
    """A table in Markdown."""
    return table(
        ["goal", "measured", "met"],
        [[goal.text, goal.measured, "yes" if goal.met else "**no**"] for goal in rows],
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return float(statistics.median(values))


def spread(values: Sequence[float], digits: int = 3) -> str:
    """The median, and from where to where the values go."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(name: str, words: str) -> str:
    """The picture docs/<name>-light.svg, or the dark one on a dark page; `words` for who cannot see it."""
    return f"""<picture>
<source media="(prefers-color-scheme: dark)" srcset="../docs/{name}-dark.svg">
<img alt="{words}" src="../docs/{name}-light.svg">
</picture>"""
