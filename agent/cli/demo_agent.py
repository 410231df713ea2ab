"""The agent of the demonstration: a real `vedette run` in a process and a state folder of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.cli.words import clean
from agent.errors import VedetteError

DEVICE = "demo"
STREAM = "scene"

_STOP_LIMIT_S = 10.0
_LAST_LINES = 12
_KEPT_VARIABLES = ("VEDETTE_SECRET_", "VEDETTE_TEST_")  # others would be settings

_CONFIGURATION = """\
[device]
id = "{device}"

[broker]
url = {broker}
protocol = "3.1.1"

[paths]
state_dir = {state}

[health]
listen = ""

[log]
format = "json"

[[streams]]
id = "{stream}"
source = {source}
loop = {loop}

[[algorithms]]
id = "probe"
kind = "probe"
interval = 1.0

[[algorithms]]
id = "motion"
kind = "motion"
interval = 0.5

[[algorithms]]
id = "quality"
kind = "quality"
interval = 2.0
"""


class DemoAgent:
    """Runs inside its `with`, and leaves nothing; should it end by itself, only its log."""

    def __init__(self, broker_url: str, source: str, *, loop: bool) -> None:
        self._broker_url = broker_url
        self._source = source
        self._loop = loop
        self._lifetime = ExitStack()
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0

    def __enter__(self) -> Self:
        self._folder = folder = Path(
            self._lifetime.enter_context(
                tempfile.TemporaryDirectory(prefix="vedette-demo-", ignore_cleanup_errors=True)
            )
        )
        config = folder / "agent.toml"
        config.write_text(
            _CONFIGURATION.format(
                device=DEVICE,
                stream=STREAM,
                broker=json.dumps(self._broker_url),
                state=json.dumps(str(folder / "state")),
                source=json.dumps(self._source),
                loop=json.dumps(self._loop),
            ),
            encoding="utf-8",
        )
        config.chmod(0o600)  # the source may have a password
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  ourselves
                [sys.executable, "-m", "agent.cli.tether", str(os.getpid()), "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    k: v
                    for k, v in os.environ.items()
                    if not k.startswith("VEDETTE_") or k.startswith(_KEPT_VARIABLES)
                },
                start_new_session=True,  # the terminal's Ctrl-C is for us, who end it in good order
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._lifetime.close()

    def check(self) -> None:
        """Raises VedetteError, with the last of its log, when it has ended by itself."""
        if self._process is None or self._process.poll() is None:
            return
        with tempfile.NamedTemporaryFile(prefix="vedette-demo-", suffix=".log", delete=False) as kept:
            kept.write(self._log.read_bytes())
        last = [clean(line) for line in self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]]
        raise VedetteError(
            f"the agent ended with {self._process.returncode}; its log is {kept.name}, the last of it:\n  "
            + "\n  ".join(last)
        )

    def complaints(self) -> Iterator[str]:
        """What it has logged since the last call, of warnings and worse."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                text = _complaint(line)
                if text is not None:
                    yield text

    @property
    def _log(self) -> Path:
        return self._folder / "agent.log"


def _complaint(line: bytes) -> str | None:
    try:
        event = json.loads(line)
    except ValueError:
        return clean(line.decode("utf-8", "replace").rstrip())  # said past the log: nothing good
    if not isinstance(event, dict) or event.get("level") not in ("warning", "error"):
        return None
    facts = [
        f"{key} {value}" for key, value in event.items() if key not in ("time", "level", "component", "event")
    ]
    return clean(f"log: {event.get('event')}" + (f" ({', '.join(facts)})" if facts else ""))
