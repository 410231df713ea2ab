"""The real Home Assistant as a process: see `tools/homeassistant-check`."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.broker import free_port
from tests.waiting import eventually

INSIDE = Path(__file__).parents[2] / "tools" / "homeassistant_inside.py"


class RealHomeAssistant:
    """With nothing but its MQTT integration, at a broker; `with` ends it."""

    def __init__(self, python: str, broker_port: int, folder: Path) -> None:
        self._command = [python, str(INSIDE), str(broker_port), str(free_port()), str(folder)]
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
        )
        assert self._answer() == {"ready": True}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def ask(self, do: str, **arguments: object) -> Any:  # noqa: ANN401  JSON
        """Its answer to a question of homeassistant_inside.py."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def entities(self) -> dict[str, dict[str, Any]]:
        """By unique id."""
        found: dict[str, dict[str, Any]] = self.ask("entities")
        return found

    def wait_for_state(self, unique_id: str, *states: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """The entity, once it has one of these states."""

        def there() -> dict[str, Any] | None:
            entity = self.entities().get(unique_id)
            assert entity is not None, sorted(self.entities())
            assert entity["state"] in states, entity
            return entity

        found = eventually(there, timeout_s, f"{unique_id} is {' or '.join(states)}")
        assert found is not None
        return found

    def image(self, entity: str) -> bytes | None:
        """The picture of an image entity."""
        content = self.ask("image", entity=entity)["image"]
        return None if content is None else base64.b64decode(content)

    def _answer(self) -> Any:  # noqa: ANN401  JSON
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "Home Assistant has ended"
        return json.loads(line)
