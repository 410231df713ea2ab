"""`vedette demo`: the whole agent on a test scene or a source, with a broker inside, shown live."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from agent.cli.demo_agent import DEVICE, DemoAgent
from agent.cli.leaving import deaf_when_leaving, interrupted_by_signals
from agent.cli.screen import LineScreen
from agent.cli.watch import follow, screen_for
from agent.client.observed import Notice, Observed
from agent.client.synchronous import visitor_id
from agent.client.watching import Watch
from agent.config.secret import redact_url
from agent.contract.topics import DEFAULT_PREFIX
from agent.dashboard.errors import DashboardError
from agent.dashboard.files import load
from agent.dashboard.opening import Opening
from agent.dashboard.server import DashboardServer
from agent.delivery.embedded import EmbeddedBroker
from agent.delivery.endpoint import Endpoint
from agent.errors import VedetteError

SCENE = "test://scene?size=640x360&fps=25&seed=1&shapes=3"

_PATIENCE_S = 20.0  # for the first result, when --seconds sets an end


def demo(
    source: Annotated[
        str | None,
        typer.Option(
            "--source", "-s", help="Camera URL, video file or folder of pictures; else a moving test scene."
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="End so long after the first result; else at Ctrl-C.")
    ] = None,
    dashboard: Annotated[bool, typer.Option(help="Serve the dashboard, too, on this machine only.")] = True,  # noqa: FBT002  typer's flag
) -> None:
    """Try Vedette out: a test scene or your own source, three algorithms, results live.

    Starts a real agent with a broker inside, on this machine only, in a temporary folder; nothing is left.
    """
    interrupted_by_signals()
    url, loop = _resolved(source)
    observed = Observed(DEFAULT_PREFIX, DEVICE)
    with suppress(KeyboardInterrupt), EmbeddedBroker() as broker, _served(broker, wanted=dashboard) as told:
        head = Text.assemble(
            ("Vedette demo", "bold"),
            ("  on ", "dim"),
            redact_url(url),
            ("\nThe broker inside is for trying out only", "bold yellow"),
            (": no password, no TLS, nothing kept, this machine alone.", "yellow"),
            (f"\nListen along: vedette watch --broker {broker.old_url}", "dim"),
            told,
        )
        screen = screen_for(observed, head, "Ctrl-C ends")
        if isinstance(screen, LineScreen):
            typer.echo(head.plain)
        # All with MQTT 3.1.1: what comes to this broker over MQTT 5 ends its listener for browsers.
        with DemoAgent(broker.old_url, url, loop=loop) as agent:
            endpoint = Endpoint.from_url(broker.old_url, client_id=visitor_id(), protocol="3.1.1")
            ending = _Ending(observed, seconds)

            def over() -> bool:
                agent.check()
                for complaint in agent.complaints():
                    screen.show(Notice(DEVICE, complaint, bad=True))
                return ending.reached()

            with Watch(endpoint, observed) as watch, screen, deaf_when_leaving():
                follow(watch, screen, over)
    if seconds is not None and not observed.results:
        raise VedetteError(f"no result within {_PATIENCE_S:g} s; see what the stream says above")
    typer.echo(f"{observed.results} results. Next: `vedette --help`, and agent.toml for your own cameras.")


@contextmanager
def _served(broker: EmbeddedBroker, *, wanted: bool) -> Iterator[str]:
    """What there is to say of the dashboard, which is served meanwhile; empty: nothing."""
    if not wanted:
        yield ""
        return
    opening = Opening.at(broker.websocket_url, prefix=DEFAULT_PREFIX, connect=True)
    with ExitStack() as lifetime:
        try:
            server = lifetime.enter_context(DashboardServer(load(), opening, host="127.0.0.1", port=0))
        except DashboardError as err:
            told = f"none, for {err}"
        else:
            told = server.url
        yield f"\nDashboard: {told}"


class _Ending:
    """When --seconds are over."""

    def __init__(self, observed: Observed, seconds: float | None) -> None:
        self._observed = observed
        self._seconds = seconds
        self._began_s = time.monotonic()
        self._first_s: float | None = None

    def reached(self) -> bool:
        """Whether it is time."""
        now_s = time.monotonic()
        if self._first_s is None and self._observed.results:
            self._first_s = now_s
        if self._seconds is None:
            return False
        if self._first_s is None:
            return now_s - self._began_s > self._seconds + _PATIENCE_S
        return now_s - self._first_s >= self._seconds


def _resolved(source: str | None) -> tuple[str, bool]:
    """The source for agent.toml, and whether it begins again at its end. Raises VedetteError."""
    if source is None:
        return SCENE, False
    scheme, colon, _ = source.partition(":")
    if colon and "/" not in scheme and not Path(source).exists():
        return source, scheme.lower() == "file"
    path = Path(source).expanduser().absolute()
    if not Path(str(path).partition("?")[0]).exists():
        raise VedetteError(f"there is no file {path}; give a video file, a folder of pictures or a URL")
    return str(path), True
