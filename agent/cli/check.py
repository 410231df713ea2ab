"""`vedette check`: what is wrong with this set-up, and what to do about it."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from agent import log
from agent.cli import (
    check_broker,
    check_here,
    check_keys,
    check_kinds,
    check_load,
    check_sinks,
    check_sources,
    findings,
)
from agent.cli.findings import Finding
from agent.cli.options import BrokerOption, ConfigOption, JsonOption, settings_with
from agent.cli.terminal import terminal
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.errors import ConfigError
from agent.supervise.forkserver import prepare_children


def check(
    config: ConfigOption = None,
    load: Annotated[  # noqa: FBT002  typer's way
        bool,
        typer.Option("--load", help="Run it all for a while, and say whether the processor can carry it."),
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long, with --load.")] = 10.0,
    as_json: JsonOption = False,  # noqa: FBT002
    broker: BrokerOption = None,
) -> None:
    """Check the configuration, broker, sources, algorithms, shared memory and hardware decoders.

    Opens every source for a moment, and says what is wrong and what to do. Ends with 0 when all is right,
    with 78 when the configuration cannot be used, else with 1. Changes nothing.
    """
    log.configure(level="error")
    try:
        settings = settings_with(config, broker)
    except ConfigError as err:
        found = check_here.refused(err)
    else:
        with Console(stderr=True).status("Looking at the broker, the sources and the algorithms …"):
            found = asyncio.run(_look(settings, seconds if load else None))
    if as_json:
        typer.echo(json.dumps(findings.document(found), indent=2, ensure_ascii=False))
    else:
        findings.show(found, terminal())
    raise typer.Exit(findings.exit_code(found))


async def _look(settings: Settings, load_s: float | None) -> list[Finding]:
    """Everything, at the same time where it can be; the load, if it is asked for, alone."""
    secrets = Secrets(settings.paths.secrets)
    secrets.learn(settings.model_dump(mode="json"), "ours")
    found = check_here.configuration(settings, secrets)
    found += check_keys.keys(settings)
    found += check_here.state_folder(settings)
    prepare_children()
    broker = asyncio.create_task(asyncio.to_thread(check_broker.broker, settings, secrets))
    decoders = asyncio.create_task(asyncio.to_thread(check_here.decoders))
    kinds = asyncio.create_task(check_kinds.kinds(settings))
    sinks = asyncio.create_task(check_sinks.sinks(settings, secrets))
    looked = await check_sources.look_at_all(settings, secrets)
    found += await broker
    found += check_sources.sources(settings, looked)
    found += await kinds
    found += await sinks
    found += check_here.shared_memory(settings, looked)
    found += await decoders
    if load_s is not None:
        found += await check_load.load(settings, secrets, load_s)
    return found
