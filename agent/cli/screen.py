"""Where a watcher shows what it hears: a live table on a terminal, else lines, else JSON."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from agent.cli.board import board
from agent.cli.words import brief, clean, clock
from agent.client.observed import Happening, Notice, Observed
from agent.contract.codec import json_data
from agent.contract.result import Result

Draw = Callable[[Observed, Sequence[Notice], RenderableType, str], RenderableType]

_REDRAW_S = 0.25
_NOTICES = 5  # of the newest, on the table


class Screen(Protocol):
    """A way to show; a lifetime is a `with` block."""

    def show(self, happening: Happening) -> None:
        """Show one result or notice."""

    def refresh(self) -> None:
        """Called often, also when nothing happens."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class TableScreen:
    """Redraws the table at most four times a second."""

    def __init__(
        self, observed: Observed, console: Console, head: RenderableType, foot: str, draw: Draw = board
    ) -> None:
        self._observed = observed
        self._picture = draw
        self._head = head
        self._foot = foot
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._drawn_s = 0.0

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()
        self._live.__exit__(kind, error, trace)

    def show(self, happening: Happening) -> None:
        """Results are in the table; notices scroll below it."""
        if isinstance(happening, Notice):
            self._notices.append(happening)

    def refresh(self) -> None:
        """Redraw when it is time."""
        if time.monotonic() - self._drawn_s >= _REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        picture = self._picture(self._observed, self._notices, self._head, self._foot)
        self._live.update(picture, refresh=True)


class LineScreen:
    """One line a result or notice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, happening: Happening) -> None:
        """Write the line."""
        if isinstance(happening, Result):
            result = happening
            where = f"{result.device} {result.stream}/{result.algorithm}"
            facts = f"#{result.seq} {result.latency_ms:.1f} ms"
            facts += f", {result.skipped} skipped" if result.skipped else ""
            typer.echo(f"{clock(result.time)} {clean(where)} {facts}: {brief(result.data)}")
        elif isinstance(happening, Notice):
            mark = "! " if happening.bad else ""
            typer.echo(f"{clock(happening.time_us)} {mark}{clean(f'{happening.device} {happening.text}')}")

    def refresh(self) -> None:
        """Lines stay as they are."""


class JsonScreen(LineScreen):
    """Results as JSON lines on stdout, and nothing else there; notices go to stderr."""

    def show(self, happening: Happening) -> None:
        """Write the line."""
        if isinstance(happening, Result):
            typer.echo(json_data(happening.model_dump()))
        elif isinstance(happening, Notice):
            typer.echo(clean(f"{happening.device} {happening.text}"), err=True)
