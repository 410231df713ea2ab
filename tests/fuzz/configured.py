"""agent.toml and the environment: any text, and text that is nearly good."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from agent.config.settings import Settings, load_settings
from agent.contract.topics import Topics
from agent.control.desired import Changes, merge
from agent.errors import ConfigError
from tests.fuzz.choice import Choice, as_json
from tests.fuzz.door import Target, memory

MAX_TEXT = 40_000  # characters of all problems together
EXAMPLE = Path(__file__).parents[2] / "agent.toml"


@contextmanager
def settings() -> Iterator[Target]:
    """agent.toml as any text, and as one that is nearly good; variables beside it."""
    with tempfile.TemporaryDirectory(prefix="vedette-toml-", dir=memory()) as folder:
        path = Path(folder) / "agent.toml"

        def target(data: bytes) -> None:
            choice = Choice(data)
            environment = dict(_variable(choice) for _ in range(choice.byte() % 3))
            text = _toml(choice) if choice.byte() % 2 else choice.rest()
            path.write_bytes(text)
            with mock.patch.dict(os.environ, environment):
                _load(path)

        yield target


def _load(path: Path) -> None:
    try:
        settings = load_settings(path)
    except ConfigError as err:
        text = str(err)
        assert text
        assert len(text) < MAX_TEXT
        for line in text.split("\n"):
            assert len(line.splitlines()) == 1
        assert "pa55word" not in text
    else:
        _use(settings)


def _use(settings: Settings) -> None:
    """What the agent does with settings at its start, without I/O."""
    Topics(settings.broker.topic_prefix, settings.device.id)
    as_json(settings.redacted())
    merge(settings, Changes()).changes()


_TABLES = ("device", "broker", "delivery", "paths", "security", "limits", "health", "log")
_KEYS = {
    table: tuple(Settings.model_fields[table].annotation.model_fields)  # type: ignore[union-attr]
    for table in _TABLES
}


def _variable(choice: Choice) -> tuple[str, str]:
    table = choice.of((*_TABLES, *_ITEMS))
    key = choice.of((*_KEYS.get(table, ()), "x", "labels__x__y"))
    names = (f"VEDETTE_{table}", f"VEDETTE_{table}__{key}", f"vedette_{table}__{key}", f"VEDETTE_{key}")
    name = choice.of(names)
    match choice.byte() % 4:
        case 0:
            value = as_json(choice.tree()).decode("utf-8", "surrogateescape")
        case 1:
            value = choice.of(_VALUES)
        case _:
            value = choice.text()
    # What a process can be given: no NUL, and bytes that are no UTF-8 as Python shows them.
    value = value.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    return name.upper() if choice.byte() % 2 else name, value


_VALUES = (
    *("[" * 2000, "1" * 5000, '{"a":' * 1000, '{"a":' * 40 + "1" + "}" * 40, "NaN", "[1e999]", '"\\ud800"'),
    *("{}", "[{}]", '[{"id":"door","source":"test://scene"}]', '{"id":"x"}', "1" * 400, "true", "null", "[]"),
)


def _toml(choice: Choice) -> bytes:
    lines = []
    for _ in range(1 + choice.byte() % 8):
        table = choice.of((*_TABLES, *_ITEMS))
        double = table in _ITEMS or choice.byte() % 16 == 1
        lines.append(f"[[{table}]]" if double else f"[{table}]")
        lines += choice.of(_ITEMS.get(table, _NONE))
        keys = _KEYS.get(table, _ITEM_KEYS)
        for _ in range(choice.byte() % 5):
            key = choice.of(keys) if choice.byte() % 8 else choice.of(_STRANGE_KEYS)
            lines.append(f"{key} = {_toml_value(choice)}")
    return "\n".join(lines).encode("utf-8", "replace")


_NONE: tuple[tuple[str, ...], ...] = ((),)
_ITEMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "streams": (('id = "door"', 'source = "test://scene"'), ('source = "rtsp://u:pa55word@10.0.0.5/1"',), ()),
    "sinks": (('id = "s"', 'kind = "file"'), ()),
    "algorithms": (('id = "m"', 'kind = "motion"'), ('kind = "motion"', 'streams = ["dor", "door"]'), ()),
}
_ITEM_KEYS = ("id", "source", "kind", "streams", "params", "size", "fps", "interval", "frame_step", "loop")
_STRANGE_KEYS = ("x.y", '"a b"', "params.x.y", '"\\u202e\\u0085"', "params" + ".a" * 50, "a" * 300, '""')
_STRANGE_VALUES = (
    *(
        "1979-05-27T07:32:00Z",
        "1979-05-27",
        "07:32:00",
        "inf",
        "nan",
        "-nan",
        "0x7fffffffffffffff",
        "1" * 5000,
    ),
    *(
        "[" * 500,
        "[" * 40 + "]" * 40,
        "{a=" * 30 + "1" + "}" * 30,
        "1" * 30,
        '"\\u0000"',
        '"\\ud800"',
        '"""\n\n"""',
    ),
    *(
        '"' + "x" * 3000 + '"',
        "[" + '"x",' * 3000 + "]",
        "[" + "1," * 3000 + "]",
        "'rtsp://a:pa55word@h/'",
        "tru",
    ),
)


def _toml_value(choice: Choice, depth: int = 0) -> str:
    match choice.byte() % 8:
        case 0:
            return choice.of(_STRANGE_VALUES)
        case 1:
            return str(choice.of((0, 1, -1, 5, 64, 1 << 62, 1 << 64)))
        case 2:
            return choice.of(("0.5", "1e300", "-0.0", "true", "false"))
        case 3 if depth < 6:
            return "[" + ", ".join(_toml_value(choice, depth + 1) for _ in range(choice.byte() % 4)) + "]"
        case 4 if depth < 6:
            keys = [choice.of(_ITEM_KEYS) for _ in range(choice.byte() % 4)]
            return "{" + ", ".join(f"{key} = {_toml_value(choice, depth + 1)}" for key in keys) + "}"
        case _:
            text = choice.text().encode("utf-8", "replace").decode()
            return as_json(text).decode()


def settings_seeds() -> list[bytes]:
    """Even first bytes: no variables, and the text as it is."""
    example = EXAMPLE.read_bytes()
    texts = [example, *(line + b"\n" for line in example.split(b"\n") if b"=" in line)]
    return [b"\0\0" + text for text in texts] + [
        bytes([0, 1]) + bytes(range(n, n + 60)) for n in range(0, 190, 10)
    ]
