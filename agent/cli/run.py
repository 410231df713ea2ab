"""`vedette run`: the daemon."""

from typing import Annotated, Literal

import typer

from agent.cli.options import BrokerOption, ConfigOption
from agent.config.settings import load_settings


def run(
    config: ConfigOption = None,
    broker: BrokerOption = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Log this and what is worse.")
    ] = None,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C; SIGHUP reads agent.toml again."""
    from agent import app  # noqa: PLC0415  no other command needs all of the agent

    overrides: dict[str, object] = {}
    if broker is not None:
        overrides["broker"] = {"url": broker}
    if log_level is not None:
        overrides["log"] = {"level": log_level}
    settings = load_settings(config, overrides)
    app.run(settings, lambda: load_settings(config, overrides))
