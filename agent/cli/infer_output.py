"""Where `vedette infer` writes results: a file, standard output, or lines for people."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

import typer

from agent.cli.infer_file import OutFile
from agent.cli.words import brief, clean
from agent.contract.codec import UnpackableError, json_data
from agent.errors import StateError
from agent.offline.envelope import Format, ResultFile
from agent.offline.publish import Publisher
from agent.offline.run import Run

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".msgpack": "msgpack"}
_TRACES = 3  # different errors of which the traceback is shown


class Screen(Protocol):
    """Where people look."""

    def say(self, line: str) -> None:
        """Show a line above what moves."""


class Output:
    """Takes runs: results go where they belong, errors are told."""

    def __init__(
        self,
        file: BinaryIO | FileIO | None,
        form: Format,
        name: str,
        *,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """`file`: None for lines that people read; `begin`: called before anything is written."""
        self._results = None if file is None else ResultFile(file, form)
        self._begin = begin
        self._name = name
        self._screen: Screen | None = None
        self._told: set[str] = set()
        self.broken = False  # what was to be written cannot be
        self.runs = 0
        self.failed = 0

    @property
    def lines(self) -> bool:
        """Whether results are lines for people."""
        return self._results is None

    def show_on(self, screen: Screen) -> None:
        """Where lines and errors go."""
        self._screen = screen

    def take(self, run: Run) -> bool:
        """A run came to its end; returns whether it has a result, and that is written.

        Raises BrokenPipeError, and StateError when it cannot be written.
        """
        self.runs += 1
        if not run.ok:
            self._tell(run, run.error, run.trace)
            return False
        try:
            if self._results is None:
                words = brief(json.loads(json_data(run.result)))
                self._say(f"{run.time:10.3f}  {run.stream}/{run.algorithm}  {words}")
            else:
                self._write(self._results, run)
        except UnpackableError as err:
            self._tell(run, str(err), "")
            return False
        return True

    def publish(self, run: Run, publisher: Publisher) -> None:
        """Send a result, too; waits for a broker that is slow."""
        try:
            publisher.put(run)
        except UnpackableError as err:
            self._tell(run, str(err), "")

    def end(self, incomplete: str = "", *, failed: bool = False) -> None:
        """No more comes; `incomplete`: why.

        A file is left as it was if it `failed` before the first result, and as it is if it takes no more.
        """
        if self._results is None or self.broken:
            return
        if failed and self._begin is not None and not self._results.written:
            return
        try:
            self._start()
            self._results.end(incomplete)
        except BrokenPipeError:
            self.abandon()
        except OSError as err:
            raise self._cannot(err) from err

    def abandon(self) -> None:
        """Nobody reads it any more: what is still buffered is not written at the end."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, results: ResultFile, run: Run) -> None:
        try:
            self._start()
            results.write(run)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise self._cannot(err) from err

    def _start(self) -> None:
        if self._begin is not None:
            self._begin()

    def _cannot(self, err: OSError) -> StateError:
        self.broken = True
        written = 0 if self._results is None else self._results.written
        return StateError(f"{self._name} cannot be written after {written} results: {err.strerror}")

    def _tell(self, run: Run, error: str, trace: str) -> None:
        self.failed += 1
        if error in self._told:
            return
        if len(self._told) < _TRACES:
            self._told.add(error)
            self._say(f"{run.stream}/{run.algorithm} at {run.time:.3f} s: {clean(error)}")
            for line in trace.splitlines():
                self._say(f"  | {clean(line)}")

    def _say(self, line: str) -> None:
        if self._screen is not None:
            self._screen.say(line)


@contextmanager
def output(out: str | None, *, force: bool) -> Iterator[Output]:
    """Open what `--out` names. Raises BadParameter and StateError."""
    if out == "-" or (out is None and not sys.stdout.isatty()):
        yield Output(sys.stdout.buffer, "jsonl", "standard output")
        return
    if out is None:
        yield Output(None, "jsonl", "")
        return
    path = Path(out)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise typer.BadParameter(f"{clean(out)}: ends neither in .jsonl nor in .msgpack", param_hint="--out")
    try:
        file = OutFile(path, force=force)
    except FileExistsError:
        problem = f"{clean(out)} is there already; --force replaces it"
        raise typer.BadParameter(problem, param_hint="--out") from None
    except OSError as err:
        raise StateError(f"{clean(out)} cannot be written: {err.strerror}") from err
    with file:
        yield Output(file.file, form, out, begin=file.begin)
