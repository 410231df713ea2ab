"""How far `vedette infer` has come, on standard error; nothing moves where that is no terminal."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bars

from agent.cli.infer_output import Output
from agent.offline import Progress

_MINUTE_S, _HOUR_S = 60, 3600


class Bar:
    """One line that moves, and lines above it. A lifetime is a `with` block."""

    def __init__(self, sources: int, *, quiet: bool, lines: bool) -> None:
        """`lines`: results are shown here, which is no less than they would be on standard output."""
        self._console = Console(stderr=not lines, highlight=False, soft_wrap=True)
        self._moves = self._console.is_terminal and not quiet
        self._sources = sources
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[facts]}", style="dim", markup=False),
            console=self._console,
            transient=True,
        )
        self._began_s = time.monotonic()
        self._source = (-1, 0.0)  # which one, and since when
        self._bar = self._bars.add_task("opening", total=None, facts="")

    def __enter__(self) -> Self:
        if self._moves:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moves:
            self._bars.stop()

    @property
    def took_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began_s

    def say(self, line: str) -> None:
        """Show a line above what moves."""
        self._console.print(line, markup=False, emoji=False)

    def show(self, progress: Progress) -> None:
        """Move on."""
        if not self._moves:
            return
        now_s = time.monotonic()
        if self._source[0] != progress.source_index:
            self._source = (progress.source_index, now_s)
        passed_s = max(1e-3, now_s - self._source[1])
        speed = progress.position_s / passed_s
        facts = [f"{speed:.1f} x real time", f"{progress.frames / max(1e-3, self.took_s):,.0f} frames/s"]
        if progress.duration_s and speed > 0:
            facts.append(f"{_span(max(0.0, progress.duration_s - progress.position_s) / speed)} left")
        place = f" ({progress.source_index + 1} of {self._sources})" if self._sources > 1 else ""
        self._bars.update(
            self._bar,
            description=f"{progress.stream}{place}",
            total=progress.duration_s,
            completed=progress.position_s,
            facts=", ".join(facts),
        )

    def show_left(self, left: int) -> None:
        """What the broker has not acknowledged."""
        if self._moves:
            self._bars.update(self._bar, description="publishing", total=None, facts=f"{left:,} left")


def summary(
    progress: Progress, output: Output, took_s: float, *, incomplete: str, left: int, lost: int
) -> None:
    """Say on standard error what was done."""
    parts = [
        _count(progress.runs, "run"),
        f"{_count(progress.frames, 'frame')} played, {progress.decoded:,} decoded",
        f"in {took_s:.1f} s",
    ]
    if output.failed:
        parts.append(f"{_count(output.failed, 'run')} without a result")
    if progress.damaged:
        parts.append(f"{_count(progress.damaged, 'frame')} left out: damaged, and not to be decoded")
    if left:
        parts.append(f"{_count(left, 'message')} not acknowledged: the next --publish sends them")
    if lost:
        parts.append(
            f"{_count(lost, 'message')} lost: the broker refused them, or delivery.spool_max_* is too little"
        )
    if incomplete:
        parts.append(f"incomplete: {incomplete}")
    Console(stderr=True, highlight=False, soft_wrap=True).print(", ".join(parts), markup=False, emoji=False)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02} min"
