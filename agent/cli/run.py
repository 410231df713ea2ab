"""`vedette run`: the daemon."""

from pathlib import Path
from typing import Annotated

import typer

from agent import app
from agent.config.settings import load_settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="agent.toml to use; else ./agent.toml, else /etc/vedette/agent.toml.",
    ),
]


def run(
    config: ConfigOption = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="Broker to use, e.g. mqtt://10.0.0.2:1883.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C; SIGHUP reads agent.toml again."""
    overrides: dict[str, object] = {}
    if broker is not None:
        overrides["broker"] = {"url": broker}
    if log_level is not None:
        overrides["log"] = {"level": log_level}
    settings = load_settings(config, overrides)
    app.run(settings, lambda: load_settings(config, overrides))
