"""What was announced to Home Assistant, over the agent's end: what is not taken back stays for ever.

A small file in the state folder, replaced whole. It is written before something is announced, and forgets
only what the broker has seen cleared; so whoever starts next, also with other settings, knows what to clear.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from agent import log

_log = log.get_logger("homeassistant")

_FILE: Final = "homeassistant.json"
_MAX_BYTES: Final = 64 << 20  # a thousand streams with a hundred entities each are a tenth of this

Announced = dict[str, dict[str, str]]
"""Discovery topic, to the entities in its document by name, to their platforms."""

_READER: TypeAdapter[Announced] = TypeAdapter(Announced)


class Memory:
    """The file of one agent; nothing of it is kept here. Every call waits for the disk."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE

    def read(self) -> Announced:
        """What may still be announced. A file that cannot be read is told, and counts as empty."""
        try:
            with self._path.open("rb") as file:
                found = _READER.validate_json(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as err:
            _log.warning("homeassistant.forgotten", file=str(self._path), error=type(err).__name__)
            return {}
        return {topic: names for topic, names in found.items() if topic and not set(topic) & set("+#\0")}

    def write(self, announced: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the file, and wait until it is on the disk; with nothing to remember it goes. OSError."""
        if not announced:
            self._path.unlink(missing_ok=True)
            return
        new = self._path.with_suffix(".new")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(announced, separators=(",", ":")).encode())
            file.flush()
            os.fsync(handle)
        new.replace(self._path)


def components_in(payload: bytes) -> dict[str, str] | None:
    """The entities of a discovery document, as far as it is one; None when it is none."""
    try:
        document: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    components = document.get("components") if isinstance(document, dict) else None
    if not isinstance(components, dict):
        return None
    platforms = {
        name: component.get("platform")
        for name, component in components.items()
        if isinstance(component, dict)
    }
    return {name: platform for name, platform in platforms.items() if isinstance(platform, str)}
