"""Whether the sinks that the configuration names can be used; nothing is sent."""

import asyncio

from agent.cli.findings import Finding, doubtful, right, wrong
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.config.sinks import SinkConfig
from agent.errors import KindError, SecretError
from agent.supervise.sinks import check_sink

_SECTION = "sink"


async def sinks(settings: Settings, secrets: Secrets) -> list[Finding]:
    """Every sink: its kind, its parameters, and whose results it gets."""
    found: list[Finding] = []
    for findings in await asyncio.gather(*(_sink(settings, secrets, sink) for sink in settings.sinks)):
        found += findings
    return found


async def _sink(settings: Settings, secrets: Secrets, sink: SinkConfig) -> list[Finding]:
    found = []
    for key, asked, there in (
        ("streams", sink.streams, {stream.id for stream in settings.streams}),
        ("algorithms", sink.algorithms, {algorithm.id for algorithm in settings.algorithms}),
    ):
        unknown = [name for name in asked if name != "*" and name not in there]
        if unknown:
            text = f"{key}: {', '.join(unknown)} is not in the configuration"
            found.append(doubtful(_SECTION, text, "right if a command will add it, else correct it", sink.id))
    try:
        await check_sink(sink, secrets)
    except SecretError as err:
        advice = f"put it into one of these places; sink {sink.id} needs it"
        return [*found, wrong(_SECTION, str(err), advice, sink.id)]
    except KindError as err:
        advice = "docs/sinks.md lists kinds and parameters; others come with installed packages"
        return [*found, wrong(_SECTION, str(err), advice, sink.id)]
    return [*found, right(_SECTION, f"{sink.kind}, {sink.durability}", sink.id)]
