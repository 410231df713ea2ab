"""What `vedette check` finds, and how it is shown."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.cli.words import clean


class Verdict(StrEnum):
    """How it stands."""

    RIGHT = "right"
    DOUBTFUL = "doubtful"  # it runs, but perhaps not as meant
    WRONG = "wrong"


_MARKS = {Verdict.RIGHT: ("✓", "green"), Verdict.DOUBTFUL: ("!", "yellow"), Verdict.WRONG: ("✗", "bold red")}

CONFIGURATION = "configuration"  # what is wrong here alone gives exit code 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the list; `advice` says what to do."""

    section: str
    verdict: Verdict
    text: str
    subject: str = ""
    advice: str = ""


def right(section: str, text: str, subject: str = "") -> Finding:
    """All is well."""
    return Finding(section=section, verdict=Verdict.RIGHT, text=text, subject=subject)


def doubtful(section: str, text: str, advice: str, subject: str = "") -> Finding:
    """It runs, but perhaps not as meant."""
    return Finding(section=section, verdict=Verdict.DOUBTFUL, text=text, subject=subject, advice=advice)


def wrong(section: str, text: str, advice: str, subject: str = "") -> Finding:
    """Somebody has to act."""
    return Finding(section=section, verdict=Verdict.WRONG, text=text, subject=subject, advice=advice)


def exit_code(findings: Iterable[Finding]) -> int:
    """0 when nothing is wrong, 78 when the configuration is, else 1."""
    sections = {finding.section for finding in findings if finding.verdict is Verdict.WRONG}
    return 78 if CONFIGURATION in sections else int(bool(sections))


def document(findings: Iterable[Finding]) -> dict[str, Any]:
    """For scripts."""
    rows = [asdict(finding) for finding in findings]
    return {"ok": all(row["verdict"] != Verdict.WRONG for row in rows), "findings": rows}


def show(findings: Iterable[Finding], console: Console) -> None:
    """A checklist: the mark, what was looked at, how it stands; below it what to do."""
    rows = list(findings)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(max_width=32, overflow="fold")  # a long path must leave room for what is said of it
    table.add_column(overflow="fold")
    for finding in rows:
        mark, style = _MARKS[finding.verdict]
        name = Text(finding.section + (f" {clean(finding.subject)}" if finding.subject else ""))
        table.add_row(Text(mark, style), name, Text(clean(finding.text)))
        if finding.advice:
            table.add_row("", "", Text(f"→ {clean(finding.advice)}", "cyan"))
    console.print(table)
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    summary = (
        f"{counts[Verdict.WRONG]} wrong, {counts[Verdict.DOUBTFUL]} doubtful, {counts[Verdict.RIGHT]} right"
    )
    console.print(Text(f"\n{summary}", "bold red" if counts[Verdict.WRONG] else "bold green"))
