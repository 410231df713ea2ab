"""`vedette studio`: an algorithm on a source, in a browser."""

import os
from pathlib import Path
from typing import Annotated

import typer

from agent import log
from agent.cli.options import ConfigOption, FolderOption
from agent.config.settings import load_settings


def studio(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]", help="File, folder of images or URL to begin with.", show_default=False
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--algorithm", "-a", metavar="KIND", help="Kind to begin with, or a file my_algo.py."),
    ] = None,
    folder: FolderOption = None,
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open a browser; by default where there is a display."),
    ] = None,
) -> None:
    """Try an algorithm on a video in the browser, change its parameters, and see what changes.

    It listens on this machine alone. From another one: `ssh -L 8501:127.0.0.1:8501 MACHINE`, and open
    http://127.0.0.1:8501 there. Needs the extra `studio`.
    """
    from agent.studio import serve  # noqa: PLC0415  what runs algorithms is loaded for those who do

    serve.check_installed()
    log.configure(level="error")  # what cannot be loaded or drawn is shown on the page
    paths = load_settings(config).paths
    setup = serve.Setup(
        source="" if source is None else _absolute(source),
        kind="" if kind is None else _absolute(kind) if kind.endswith(".py") else kind,
        folder=str(folder or paths.algorithms or ""),
        secrets=str(paths.secrets or ""),
    )
    url = serve.address(host, port)
    if not serve.is_loopback(host):
        typer.echo(
            f"Warning: whoever reaches {host} port {port} may open sources and files of this machine: "
            "there is no password. Better listen on 127.0.0.1, and come by ssh -L.",
            err=True,
        )
    opens = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    serve.serve(
        setup,
        host=host,
        port=port,
        browser=opens if browser is None else browser,
        ready=lambda: typer.echo(f"Vedette studio: {url}  (Ctrl-C ends)"),
    )


def _absolute(name: str) -> str:
    """A path as it is from everywhere; what is none stays."""
    return str(Path(name).absolute()) if Path(name.partition("?")[0]).exists() else name
