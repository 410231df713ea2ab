"""Reading TOML and JSON within limits: what comes out is a tree that anything may walk through."""

import json
import tomllib
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

MAX_FILE_BYTES = 1 << 20  # a thousand streams and a thousand algorithms, with comments
MAX_DEPTH = 32


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise ConfigError(f"{str(path)!r} is no name of a file") from err
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has more than {MAX_FILE_BYTES} bytes, which is no agent.toml")
    try:
        text = content.decode()
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path} is not UTF-8 text (byte {err.start})") from err
    try:
        tree = tomllib.loads(text)
    except ValueError as err:  # also of int(), which takes no number of 4301 digits
        raise ConfigError(f"{path} is no TOML: {str(err)[:_MAX_REASON]}") from err
    except RecursionError as err:
        raise ConfigError(f"{path} is nested too deeply") from err
    if too_deep(tree):
        raise ConfigError(f"{path} is nested more than {MAX_DEPTH} levels deep")
    return tree


def read_json(text: str) -> Any:  # noqa: ANN401  any JSON
    """The value in a JSON text; ValueError that says why there is none, without the text."""
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as err:
        raise ValueError(f"{err.msg} at character {err.pos + 1}") from None
    except ValueError:
        raise ValueError("a number has too many digits") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if too_deep(tree):
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return tree


def too_deep(tree: object) -> bool:
    """Whether lists and tables lie more than MAX_DEPTH levels within each other."""
    level = [tree]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return bool(level)


_MAX_REASON = 300  # characters: it names keys, which may be long
