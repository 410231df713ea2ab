"""Whether the processor can carry what is configured: all of it runs for a while, and is measured."""

import asyncio
import math

from agent.cli.findings import Finding, doubtful, right, wrong
from agent.config.secret import Secret, Secrets
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.contract.status import AlgorithmState, AlgorithmStatus, StreamState, StreamStatus
from agent.control.rules import Rules
from agent.supervise.catalog import Catalog
from agent.supervise.outside import Outcome
from agent.supervise.site import Site

_SECTION = "load"
_START_LIMIT_S = 30.0  # for sources to open and algorithms to load, before the time of measuring begins
_FULL = 0.8  # of the cores: beyond it a busy moment leaves runs out
_ADVICE = 'raise interval, lower size, set keyframes = "only", or give it a faster machine'


class _Rehearsal:
    """The site's outside, where nobody hears of results."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def expand(self, source: str) -> Secret:
        """A source with its secrets filled in. Raises SecretError."""
        return self._secrets.expand(source, url="://" in source)

    def rules(self, stream: StreamConfig) -> Rules | None:  # noqa: ARG002  agent.toml names them all
        """Each source is trusted."""
        return None

    def redact(self, text: str) -> str:
        """A text without secrets."""
        return self._secrets.redact(text)

    def on_result(self, outcome: Outcome) -> None:
        """Nobody hears of it."""

    def on_change(self) -> None:
        """Nobody looks."""


async def load(settings: Settings, secrets: Secrets, seconds: float) -> list[Finding]:
    """Run all streams and algorithms for `seconds`, counted from when they have begun."""
    catalog = Catalog(settings.paths.algorithms)
    await catalog.refresh()
    async with Site(
        _Rehearsal(secrets),
        catalog,
        codec="msgpack",
        limits=settings.limits,
        recordings=settings.recordings,
        state_dir=None,
        log_settings=lambda: ("error", "auto"),
    ) as site:
        site.want(
            {stream.id: (stream, "file") for stream in settings.streams},
            {algorithm.id: (algorithm, "file") for algorithm in settings.algorithms},
        )
        await _until_begun(site)
        for _ in range(math.ceil(seconds)):
            await asyncio.sleep(1.0)
            site.tick()
        streams = [run.status() for run in site.streams.values()]
        algorithms = [run.status() for run in site.algorithms.values()]
        estimate = site.admission.load(
            {stream.id: stream for stream in settings.streams},
            {algorithm.id: algorithm for algorithm in settings.algorithms},
        )
        cores = site.admission.cores
    found = [_of_stream(status) for status in streams]
    found += [_of_algorithm(status) for status in algorithms]
    unknown = f", without {', '.join(estimate.unknown)}, which gave no run" if estimate.unknown else ""
    text = f"needs about {estimate.cores:.2g} of {cores:.2g} cores{unknown}"
    if estimate.cores > cores:
        return [*found, wrong(_SECTION, text, _ADVICE)]
    if estimate.cores > _FULL * cores:
        return [*found, doubtful(_SECTION, text, f"there is little room for busy moments: {_ADVICE}")]
    return [*found, right(_SECTION, text)]


async def _until_begun(site: Site) -> None:
    for _ in range(math.ceil(_START_LIMIT_S)):
        site.tick()
        opening = any(run.state is StreamState.OPENING for run in site.streams.values())
        loading = any(run.state is AlgorithmState.STARTING for run in site.algorithms.values())
        if not opening and not loading:
            return
        await asyncio.sleep(1.0)


def _of_stream(status: StreamStatus) -> Finding:
    if status.cpu is None or status.fps is None:
        return doubtful(_SECTION, f"not measured: it is {status.state.value}", "see above", status.id)
    each = f" at {status.decode_ms:.1f} ms each" if status.decode_ms is not None else ""
    rates = f"{status.fps:.1f} frames a second, {status.fps_decoded or 0:.1f} decoded{each}"
    text = f"{status.cpu:.3f} cores: {rates}"
    if status.note:
        return doubtful(_SECTION, text, status.note, status.id)
    return right(_SECTION, text, status.id)


def _of_algorithm(status: AlgorithmStatus) -> Finding:
    if not status.runs:
        return doubtful(_SECTION, f"not measured: it is {status.state.value}", "see above", status.id)
    text = f"{status.cpu or 0:.3f} cores: {status.runs} runs, {status.run_cpu_ms:.1f} ms CPU each"
    if status.skipped:
        text += f", {status.skipped} skipped"
        return doubtful(_SECTION, text, f"runs are left out when it is not free: {_ADVICE}", status.id)
    return right(_SECTION, text, status.id)
