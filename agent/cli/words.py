"""Values as people read them: short, on one line, and harmless to a terminal."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agent.contract.commands import EARLIEST_US

# An escape sequence in the words of a camera or an algorithm is not to steer the terminal that shows it.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_SHORT_LIST = 4
_SHORT_TEXT = 40


def clean(text: str) -> str:
    """`text` on one line, without control characters."""
    return text.translate(_CONTROL)


def clock(time_us: int) -> str:
    """A moment, given in microseconds since the Unix epoch, as local time of day."""
    return datetime.fromtimestamp(time_us / 1e6).astimezone().strftime("%H:%M:%S.%f")[:-3]


def brief(data: Any) -> str:  # noqa: ANN401  whatever an algorithm returned
    """A result in a few words: `moving yes, share 0.021, regions 3 items`."""
    if not isinstance(data, dict):
        return _item(data)
    return ", ".join(f"{clean(str(key))} {_item(value)}" for key, value in data.items())


def outline(tree: Any, indent: str = "") -> Iterator[str]:  # noqa: ANN401  any plain tree
    """A tree as indented lines, for people; not meant to be read back."""
    items = tree.items() if isinstance(tree, dict) else [("-", item) for item in tree]
    for key, value in items:
        name = f"{indent}{clean(str(key))}"
        if isinstance(value, dict | list) and value and not _is_flat(value):
            yield name
            yield from outline(value, indent + "  ")
        elif isinstance(value, str) and "\n" in value:
            yield name
            yield from (f"{indent}  | {clean(line)}" for line in value.splitlines())
        else:
            yield f"{name}  {_plain(value)}"


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)


def _plain(value: Any) -> str:  # noqa: ANN401, PLR0911  one line a type
    match value:
        case str():
            return clean(value)
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if value >= EARLIEST_US:
            return (
                datetime.fromtimestamp(value / 1e6).astimezone().isoformat(sep=" ", timespec="milliseconds")
            )
        case list():
            return ", ".join(map(_plain, value)) or "none"
        case dict():
            return "none"
        case _:
            return json.dumps(value)


def _item(value: Any) -> str:  # noqa: ANN401, PLR0911  one line a type
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "-"
        case float():
            return f"{value:.4g}"
        case str():
            text = clean(value)
            return text if len(text) <= _SHORT_TEXT else f"{text[: _SHORT_TEXT - 1]}…"
        case bytes():
            return f"{len(value)} bytes"
        case list() if len(value) <= _SHORT_LIST and not any(isinstance(i, dict | list) for i in value):
            return f"[{', '.join(map(_item, value))}]"
        case list():
            return "1 item" if len(value) == 1 else f"{len(value)} items"
        case dict():
            return f"{{{', '.join(clean(str(key)) for key in value)}}}"
        case _:
            return str(value)
