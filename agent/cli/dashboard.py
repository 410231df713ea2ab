"""`vedette dashboard`: the page that shows and steers devices, for browsers."""

import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.leaving import deaf_when_leaving, interrupted_by_signals
from agent.cli.options import ConfigOption
from agent.config.settings import load_settings
from agent.dashboard.export import export as export_page
from agent.dashboard.files import STATIC, load
from agent.dashboard.opening import Opening
from agent.dashboard.server import DashboardServer, is_loopback

PORT = 8780

_NAP_S = 1.0


def dashboard(
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            "-b",
            metavar="URL",
            help="WebSocket address of the broker, like wss://broker.example:8885/mqtt; else the page asks.",
        ),
    ] = None,
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: one that is free.")
    ] = PORT,
    browser: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,  # noqa: FBT002  typer's flag
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the page into a folder for another web server, and end.",
            show_default=False,
        ),
    ] = None,
    files: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="The built page; else the one that came along.", show_default=False
        ),
    ] = STATIC,
) -> None:
    """See and steer devices in the browser: a page that speaks to their broker over WebSocket.

    It is served to this machine alone. The page itself connects to the broker, from wherever the browser is,
    with the user and password that are typed there: it may do what that user may.
    """
    settings = load_settings(config)
    at = broker if broker is not None else _own_address(settings.broker.url)
    opening = Opening.at(at, prefix=settings.broker.topic_prefix, connect=broker is not None)
    page = load(files)
    if export is not None:
        export_page(page, opening, export)
        typer.echo(f"The page is in {export}. docs/dashboard.md shows what the web server is to add.")
        return
    interrupted_by_signals()
    with (
        suppress(KeyboardInterrupt),
        DashboardServer(page, opening, host=host, port=port) as server,
        deaf_when_leaving(),
    ):
        if not is_loopback(host):
            typer.echo(
                f"Warning: the page goes to whoever reaches {host} port {server.port}, without TLS, and can "
                "sign no commands there. For others put it on a web server with TLS: --export.",
                err=True,
            )
        typer.echo(f"Dashboard: {server.url}  (Ctrl-C ends)")
        if browser:
            webbrowser.open(server.url)
        while True:
            time.sleep(_NAP_S)


def _own_address(url: str) -> str | None:
    """The broker of agent.toml, if browsers can use it; without its user, which is the agent."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if scheme not in ("ws", "wss") or "{secret:" in authority.rpartition("@")[2] + path:
        return None
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path.partition('?')[0].partition('#')[0]}"
