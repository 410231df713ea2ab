"""`vedette watch`: live results of devices."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from agent.cli.board import board
from agent.cli.cost import CostJson, CostLines, cost_board
from agent.cli.options import BrokerOption, ConfigOption, JsonOption, endpoint_of, settings_with
from agent.cli.screen import Draw, JsonScreen, LineScreen, Screen, TableScreen
from agent.client.observed import Measured, Observed
from agent.client.watching import Watch
from agent.config.secret import Secrets, redact_url
from agent.contract.result import Result
from agent.contract.topic import is_id

_WAIT_S = 0.2


def watch(
    device: Annotated[
        str | None, typer.Argument(metavar="[DEVICE]", help="Device to watch; else all.", show_default=False)
    ] = None,
    stream: Annotated[str | None, typer.Option(help="Only results of this stream.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="Only results of this algorithm.")] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, help="End after so many results; with --cost, reports."),
    ] = None,
    cost: Annotated[  # noqa: FBT002  typer's way
        bool, typer.Option("--cost", help="Show what streams and algorithms cost, not results.")
    ] = False,
    as_json: JsonOption = False,  # noqa: FBT002
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show live what devices find: a table on a terminal, lines otherwise, until Ctrl-C.

    Says when a device, stream or algorithm changes its state, and when a result is missing. With --json,
    stdout has one result a line, and nothing else. With --cost, it is where the CPU goes: devices tell their
    counters every 10 seconds.
    """
    for name, value in (("DEVICE", device), ("--stream", stream), ("--algorithm", algorithm)):
        if value is not None and not is_id(value):
            raise typer.BadParameter("an id is 1 to 64 letters, digits, `_`, `.` or `-`", param_hint=name)
    settings = settings_with(config, broker)
    observed = Observed(settings.broker.topic_prefix, device, stream, algorithm)
    head = Text.assemble(("watching ", "dim"), (device or "all devices", "bold"))
    head.append(f" at {redact_url(settings.broker.url)}", "dim")
    screen = _screen(observed, head, cost=cost, as_json=as_json)
    counted = Measured if cost else Result
    try:
        endpoint = endpoint_of(settings, Secrets(settings.paths.secrets))
        with Watch(endpoint, observed) as watching, screen:
            follow(watching, screen, lambda: False, count, counted)
    except KeyboardInterrupt:
        return


def _screen(observed: Observed, head: Text, *, cost: bool, as_json: bool) -> Screen:
    if as_json:
        return CostJson() if cost else JsonScreen()
    if cost:
        return screen_for(observed, head, "Ctrl-C ends", CostLines(), cost_board)
    return screen_for(observed, head, "Ctrl-C ends")


def screen_for(
    observed: Observed, head: Text, foot: str, lines: Screen | None = None, draw: Draw = board
) -> Screen:
    """A live table where there is a terminal that can show one, else lines."""
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal:
        return TableScreen(observed, console, head, foot, draw)
    return lines or LineScreen()


def follow(
    watch: Watch,
    screen: Screen,
    over: Callable[[], bool],
    count: int | None = None,
    counted: type[Result | Measured] = Result,
) -> None:
    """Show what comes, until `over`, asked several times a second, or `count` of `counted`."""
    seen = 0
    while not over():
        for happening in watch.receive(_WAIT_S):
            screen.show(happening)
            seen += isinstance(happening, counted)
            if seen == count:
                return
        screen.refresh()
