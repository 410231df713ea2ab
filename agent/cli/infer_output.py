"""Where `vedette infer` writes results: a file, standard output, or lines for people."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

import typer

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

    def __init__(self, file: BinaryIO | FileIO | None, form: Format, name: str) -> None:
        """`file`: None for lines that people read."""
        self._results = None if file is None else ResultFile(file, form)
        self._name = name
        self._screen: Screen | None = None
        self._told: set[str] = set()
        self.runs = 0
        self.failed = 0

    @property
    def lines(self) -> bool:
        """Whether results are lines for people."""
        return self._results is None

    def show_on(self, screen: Screen) -> None:
        """Where lines and errors go."""
        self._screen = screen

    def take(self, run: Run, publisher: Publisher | None) -> None:
        """A run came to its end. Raises BrokenPipeError, and StateError when it cannot be written."""
        self.runs += 1
        if not run.ok:
            self._tell(run, run.error, run.trace)
            return
        try:
            if self._results is None:
                words = brief(json.loads(json_data(run.result)))
                self._say(f"{run.time:10.3f}  {run.stream}/{run.algorithm}  {words}")
            else:
                self._write(self._results, run)
            if publisher is not None:
                publisher.put(run)
        except UnpackableError as err:
            self._tell(run, str(err), "")

    def end(self, incomplete: str) -> None:
        """No more comes; `incomplete`: why."""
        if self._results is None:
            return
        try:
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
            results.write(run)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise self._cannot(err) from err

    def _cannot(self, err: OSError) -> StateError:
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
    if path.exists() and not force:
        raise typer.BadParameter(f"{clean(out)} is there already; --force replaces it", param_hint="--out")
    try:
        file = path.open("wb", buffering=0)
    except OSError as err:
        raise StateError(f"{clean(out)} cannot be written: {err.strerror}") from err
    with closing(file):
        yield Output(file, form, out)
