"""The real `vedette run` as a process, with a configuration of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.video import READ_NUMBER_SOURCE
from tests.waiting import eventually

STOP_LIMIT_S = 10.0

NUMBERS_KIND = f'''
"""Reads the numbers that the tests burn into their video."""
import numpy as np
from typing import Any
from algos import BaseAlgo

{READ_NUMBER_SOURCE}

class Numbers(BaseAlgo):
    """The numbers of the frames in the window."""

    def run(self, frames):
        return {{"numbers": [read_number(frame) for frame in frames], "frames": list(frames.numbers)}}
'''


class AgentProcess:
    """`vedette run` on a state folder that lasts as long as the test; `with` ends it, however it stands."""

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        *,
        environment: dict[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "agent"),  # what Python runs
        inside: Sequence[str] = (),  # a command that runs commands: nsenter
        python: Path = Path(sys.executable),
    ) -> None:
        self.device = f"t-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.config = folder / "agent.toml"
        self.algorithms = folder / "algos"
        self.algorithms.mkdir(exist_ok=True)
        self.state = folder / "state"
        self.media = folder / "media"
        self.media.mkdir(exist_ok=True)
        self.broker_url = broker_url
        self._environment = environment or {}
        self._program = program
        self._inside = tuple(inside)
        self._python = python
        self._log = folder / "agent.log"
        self._process: subprocess.Popen[bytes] | None = None

    def add_kind(self, name: str, source: str) -> None:
        """Drop an algorithm file into the folder."""
        (self.algorithms / f"{name}.py").write_text(source, encoding="utf-8")

    def configure(
        self,
        streams: Sequence[dict[str, Any]] = (),
        algorithms: Sequence[dict[str, Any]] = (),
        sinks: Sequence[dict[str, Any]] = (),
        **tables: dict[str, Any],
    ) -> None:
        """Write agent.toml."""
        content: dict[str, dict[str, Any]] = {
            "device": {"id": self.device},
            "broker": {"url": self.broker_url},
            "paths": {
                "state_dir": str(self.state),
                "algorithms": str(self.algorithms),
                "media_roots": [str(self.media)],
            },
            "security": {"source_hosts": ["127.0.0.0/8"]},
            "health": {"listen": ""},
        }
        for name, table in tables.items():
            content.setdefault(name, {}).update(table)
        lines = [f"[{name}]\n{_keys(table)}" for name, table in content.items()]
        lines += [f"[[streams]]\n{_keys(item)}" for item in streams]
        lines += [f"[[algorithms]]\n{_keys(item)}" for item in algorithms]
        lines += [f"[[sinks]]\n{_keys(item)}" for item in sinks]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if kind is not None:
            sys.stderr.write(f"--- log of the agent ---\n{self.log()[-8000:]}\n")

    def start(self) -> None:
        """Start, or start again."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, str(self._python), *self._program, "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
                env=os.environ | self._environment,
            )

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The daemon."""
        assert self._process is not None
        return self._process

    def children(self, name: str = "") -> list[psutil.Process]:
        """Child processes whose kernel name has `name` in it; workers and captures are called vd:<id>."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if name in child.name():
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        self.process.send_signal(number)

    def terminate(self) -> int:
        """SIGTERM, and the exit code; it has ten seconds."""
        family = self.children()
        self.process.terminate()
        code = self.process.wait(STOP_LIMIT_S)
        eventually(lambda: not any(child.is_running() for child in family), what="children are gone")
        return code

    def kill(self) -> None:
        """SIGKILL as a power cut would; returns when all its children are gone, too."""
        if self.process.poll() is not None:
            return
        family = self.children()
        self.process.kill()
        self.process.wait()
        eventually(lambda: not any(_lives(child) for child in family), what="children are gone")

    def log(self) -> str:
        """Everything it has logged, over all its starts."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def wait_for_log(self, pattern: str, timeout_s: float = 10.0) -> None:
        """Until a line of the log matches."""
        eventually(lambda: re.search(pattern, self.log()), timeout_s, what=f"log has {pattern!r}")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _keys(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: Any) -> str:  # noqa: ANN401  any value of TOML
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)
