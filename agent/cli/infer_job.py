"""What `vedette infer` does, once it is clear what is asked for."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent import log
from agent.cli.infer_end import Interrupt
from agent.cli.infer_output import Output, output
from agent.cli.infer_screen import Bar, summary
from agent.config.algorithms import AlgorithmConfig
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.errors import KindError, VedetteError
from agent.ipc.foreign import Raised, call_foreign
from agent.offline import Inference, infer
from agent.offline.installed import installed
from agent.offline.publish import Publisher
from agent.offline.run import Run

_FAILED = 1  # a run raised, or something was not delivered
_INTERRUPTED = 130  # as a shell calls what Ctrl-C ended
_PIPE_CLOSED = 141  # as a shell calls what wrote to a pipe that nobody reads any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that is asked for; the names are those of the options."""

    settings: Settings
    sources: Sequence[str]
    folder: Path | None
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
    uses = installed(job.algorithms, job.folder, workers=job.workers)
    urls = [secrets.expand(url, url=True).reveal() for url in job.sources]
    with ExitStack() as stack:
        interrupt = Interrupt()
        stack.enter_context(interrupt.taken())
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
        failure: VedetteError | None = None
        try:
            incomplete = _collect(inference, target, publisher, interrupt)
        except VedetteError as err:
            err.args = (secrets.redact(str(err)),)  # a source may be called by a secret
            failure, incomplete = err, str(err).partition("\n")[0]
        except BrokenPipeError:
            target.abandon()
            return _PIPE_CLOSED
        left = lost = 0
        is_done = False
        try:
            with interrupt.held():
                target.end(incomplete, failed=failure is not None)
                if publisher is not None:
                    incomplete = _drain(publisher, bar, interrupt, job.drain_s) or incomplete
                    left, lost = publisher.left, publisher.lost
                is_done = True
        except KeyboardInterrupt:
            if not is_done:
                incomplete = incomplete or "interrupted"
    if not (job.quiet or target.broken):
        summary(inference.progress, target, bar.took_s, incomplete=incomplete, left=left, lost=lost)
    if failure is not None:
        raise failure
    if incomplete:
        return _INTERRUPTED
    return _FAILED if target.failed or left or lost else 0


def _collect(inference: Inference, target: Output, publisher: Publisher | None, interrupt: Interrupt) -> str:
    """Take what comes; returns why that is not all. Raises VedetteError, and BrokenPipeError."""
    try:
        with inference:
            while (run := _next(inference)) is not None:
                with interrupt.held():
                    is_told = target.take(run)
                if publisher is not None and is_told:
                    target.publish(run, publisher)
    except KeyboardInterrupt:
        return "interrupted"
    return ""


def _next(inference: Inference) -> Run | None:
    """The next run; what `init()` of an algorithm raises is its author's, and told as such."""

    def next_or_why() -> Run | VedetteError | None:
        try:
            return next(inference, None)
        except VedetteError as err:
            return err

    found = call_foreign(next_or_why)
    if isinstance(found, Raised):
        raise KindError(f"an algorithm cannot begin: {found.error}\n{found.trace}")
    if isinstance(found, VedetteError):
        raise found
    return found


def _drain(publisher: Publisher, bar: Bar, interrupt: Interrupt, timeout_s: float) -> str:
    """Wait for the broker; returns why it did not wait for all."""

    def show(left: int) -> None:
        if interrupt.has_come:
            raise KeyboardInterrupt
        bar.show_left(left)

    try:
        publisher.drain(timeout_s, show)
    except KeyboardInterrupt:
        return "interrupted while publishing"
    return ""
