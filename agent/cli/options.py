"""What several commands take, and how they find their broker."""

from pathlib import Path
from typing import Annotated

import typer

from agent.client.synchronous import visitor_id
from agent.config.secret import Secrets
from agent.config.settings import Settings, load_settings
from agent.config.tables import EMBEDDED
from agent.delivery.client import Client
from agent.delivery.endpoint import Endpoint
from agent.errors import ConfigError

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="agent.toml to use; else ./agent.toml, else /etc/vedette/agent.toml.",
    ),
]
BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker", "-b", metavar="URL", help="Broker to use, e.g. mqtt://10.0.0.2:1883; else agent.toml's."
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--algorithms",
        metavar="FOLDER",
        help="Folder of algorithms; else paths.algorithms of agent.toml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for scripts.")]


def settings_with(config: Path | None, broker: str | None) -> Settings:
    """The settings, with another broker if one is given. Raises ConfigError."""
    return load_settings(config, None if broker is None else {"broker": {"url": broker}})


def visit(settings: Settings, known: Secrets, client_id: str | None = None) -> Client:
    """A client for the broker of the settings. Raises ConfigError."""
    return Client(endpoint_of(settings, known, client_id))


def endpoint_of(settings: Settings, known: Secrets, client_id: str | None = None) -> Endpoint:
    """Where a visitor finds the broker of the settings. Raises ConfigError."""
    broker = settings.broker
    if broker.url == EMBEDDED:
        raise ConfigError(
            'broker.url is "embedded", whose address only its agent knows; name a broker with --broker URL'
        )
    return Endpoint.of(broker, known, url=broker.url, client_id=client_id or visitor_id())
