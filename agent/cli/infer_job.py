"""What `vedette infer` does, once it is clear what is asked for."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent import log
from agent.cli.infer_output import Output, output
from agent.cli.infer_screen import Bar, summary
from agent.config.algorithms import AlgorithmConfig
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.errors import SourceError
from agent.offline import Inference, infer
from agent.offline.installed import installed
from agent.offline.publish import Publisher

_FAILED = 1  # a run raised, or something was not delivered
_INTERRUPTED = 130  # as a shell calls what Ctrl-C ended
_PIPE_CLOSED = 141  # as a shell calls what wrote to a pipe that nobody reads any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that is asked for; the names are those of the options."""

    settings: Settings
    sources: Sequence[str]
    algorithms: Sequence[AlgorithmConfig]
    fps: float | None
    position: float
    until: float | None
    record: Path | None
    record_fps: float | None
    out: str | None
    force: bool
    publish: bool
    device: str | None
    drain_s: float
    quiet: bool
    workers: int | None


def work(job: Job) -> int:
    """Do it; returns the exit code. Raises VedetteError."""
    secrets = Secrets(job.settings.paths.secrets)
    log.configure(level="error", redact=secrets.redact)
    uses = installed(job.algorithms, job.settings.paths.algorithms, workers=job.workers)
    urls = [secrets.expand(url, url=True).reveal() for url in job.sources]
    with ExitStack() as stack:
        target = stack.enter_context(output(job.out, force=job.force))
        publisher = None
        if job.publish:
            publisher = stack.enter_context(Publisher(job.settings, device=job.device))
        bar = stack.enter_context(Bar(len(urls), quiet=job.quiet, lines=target.lines))
        target.show_on(bar)
        inference = infer(
            urls,
            uses,
            fps=job.fps,
            position=job.position,
            until=job.until,
            record=job.record,
            record_fps=job.record_fps,
            on_error="keep",
            on_progress=bar.show,
        )
        failure: SourceError | None = None
        try:
            incomplete = _collect(inference, target, publisher)
        except SourceError as err:
            failure, incomplete = err, str(err)
        except BrokenPipeError:
            target.abandon()
            return _PIPE_CLOSED
        target.end(incomplete)
        left = 0 if publisher is None else _drain(publisher, bar, job.drain_s)
    if not job.quiet:
        summary(inference.progress, target, bar.took_s, incomplete=incomplete, left=left)
    if failure is not None:
        raise failure
    if incomplete:
        return _INTERRUPTED
    return _FAILED if target.failed or left else 0


def _collect(inference: Inference, target: Output, publisher: Publisher | None) -> str:
    """Take what comes; returns why that is not all."""
    try:
        with _interruptible(), inference:
            for run in inference:
                target.take(run, publisher)
    except KeyboardInterrupt:
        return "interrupted"
    return ""


def _drain(publisher: Publisher, bar: Bar, timeout_s: float) -> int:
    try:
        return publisher.drain(timeout_s, bar.show_left)
    except KeyboardInterrupt:
        return publisher.left


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
