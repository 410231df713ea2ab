"""A tutorial, carried out block by block as a reader would."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.environment import Environment
from tests.waiting import eventually

STAYS = "vedette run"  # the command that goes on in a terminal of its own
READY = "agent.ready"
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences."""

    language: str
    text: str
    line: int


def blocks(document: Path) -> Iterator[Block]:
    """All blocks, in order."""
    text = document.read_text("utf-8")
    for found in re.finditer(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)


class Reader:
    """Does what a tutorial says, in a folder; `with` ends what goes on in another terminal.

    Blocks of `console` are run line by line; those of `python` and `toml` are written to the file that their
    first line names; each line of a block of `text` has to be in what the commands before it said, but for
    what `…` stands for.
    """

    def __init__(self, environment: Environment, folder: Path, variables: dict[str, str]) -> None:
        self._environment = environment
        self._folder = folder
        self._variables = variables
        self._said = ""
        self._running: subprocess.Popen[bytes] | None = None
        self._log = folder / "run.log"
        self.commands = 0
        self.compared = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.terminate()
            try:
                self._running.wait(15)
            finally:
                self._running.kill()
                self._running.wait()

    def follow(self, block: Block) -> None:
        """Do what one block says."""
        match block.language:
            case "console":
                self._said = ""
                for line in block.text.splitlines():
                    self._type(line, block)
            case "python" | "toml":
                name = re.match(r"# ([\w/]+\.\w+)\n", block.text)
                assert name is not None, (
                    f"line {block.line}: the block does not begin with the name of its file"
                )
                (self._folder / name[1]).write_text(block.text, encoding="utf-8")
            case "text":
                for line in filter(None, block.text.splitlines()):
                    pattern = ".*".join(re.escape(part) for part in line.split("…"))
                    assert re.search(pattern, self._said), f"line {block.line}: no {line!r} in:\n{self._said}"
                    self.compared += line != "…"
            case _:
                raise AssertionError(f"line {block.line}: a block of {block.language}")

    def _type(self, line: str, block: Block) -> None:
        command = line.partition("  #")[0].rstrip()
        self.commands += 1
        if command.startswith("cd "):
            self._folder /= shlex.split(command)[1]
            assert self._folder.is_dir(), f"line {block.line}: {command}"
        elif command == STAYS:
            self._start(command)
        else:
            done = self._environment.run(command, self._folder, timeout_s=LIMIT_S, more=self._variables)
            self._said += done.stdout + done.stderr
            assert done.returncode == 0, f"line {block.line}: {command}\n{self._said}\n{self._told()}"

    def _start(self, command: str) -> None:
        with self._log.open("wb") as log:
            self._running = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._folder,
                env=self._environment.variables(**self._variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: re.search(READY, self._told()), LIMIT_S, what="the agent is ready")

    def _told(self) -> str:
        return self._log.read_text("utf-8", "replace")[-4000:] if self._log.exists() else ""
