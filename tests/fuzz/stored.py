"""What the device remembers, spoilt: rows that say anything, tables that are gone, bytes that flipped."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent.control.desired import merge
from agent.control.store import Store
from agent.errors import StateError
from tests.fuzz.choice import Choice, as_json
from tests.fuzz.door import SETTINGS, Target, memory


@contextmanager
def store() -> Iterator[Target]:
    """A database whose rows say anything: the agent starts with what can be read, or says that it cannot."""
    with tempfile.TemporaryDirectory(prefix="vedette-store-", dir=memory()) as folder:
        path = Path(folder)
        with Store(path):
            pass
        fresh = {file: (path / file).read_bytes() for file in ("control.db", "epoch")}

        def target(data: bytes) -> None:
            for left in path.iterdir():
                left.unlink()
            for file, content in fresh.items():
                (path / file).write_bytes(content)
            _spoil(path / "control.db", Choice(data))
            _start(path)

        yield target


_ROWS = ("change", "meta", "reply")
_CONFIGS = (
    '{"id": "door", "source": "rtsp://10.0.0.5/1", "fps": 5}',
    '{"id": "movement", "kind": "motion", "params": {"x": [1]}}',
    '{"id": "yard", "source": "test://scene"}',
)


def _value(choice: Choice) -> Any:  # noqa: ANN401, PLR0911 - whatever SQLite stores
    match choice.byte() % 8:
        case 0:
            return choice.of(
                ("door", "movement", "yard", "stream", "algorithm", "revision", "digest", "epoch")
            )
        case 1:
            return choice.of(_CONFIGS)
        case 2:
            return choice.of((0, 1, -1, (1 << 63) - 1, -(1 << 63), 7))
        case 3:
            return choice.take(choice.byte() % 32)
        case 4:
            return None
        case 5:
            return 1e300
        case 6:
            return as_json(choice.changed({"id": "door", "source": "test://scene"})).decode(
                "utf-8", "replace"
            )
        case _:
            return choice.text().encode("utf-8", "replace").decode()


def _spoil(path: Path, choice: Choice) -> None:
    columns = {"change": 4, "meta": 2, "reply": 6}
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for _ in range(1 + choice.byte() % 6):
            table = choice.of(_ROWS)
            values = [_value(choice) for _ in range(columns[table])]
            if table == "meta":
                values[0] = choice.of(("epoch", "revision", "digest"))
            if table == "change":
                values[0] = choice.of(("stream", "algorithm"))
            places = ", ".join(
                "CAST(? AS TEXT)" if isinstance(value, bytes) and choice.byte() % 2 else "?"
                for value in values
            )
            try:
                database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", values)  # noqa: S608
            except sqlite3.Error:
                continue
        if choice.byte() % 16 == 1:
            database.execute(
                choice.of(
                    (
                        "DROP TABLE meta",
                        "ALTER TABLE change RENAME COLUMN config TO x",
                        "PRAGMA user_version = 9",
                        "PRAGMA user_version = -1",
                        "DROP TABLE reply",
                        "ALTER TABLE reply DROP COLUMN code",
                        "CREATE VIEW v AS SELECT 1",
                    )
                )
            )
    if choice.byte() % 8 == 1:
        content = bytearray(path.read_bytes())
        for _ in range(choice.byte() % 8):
            content[(choice.byte() * 256 + choice.byte()) % len(content)] = choice.byte()
        path.write_bytes(content[: len(content) - choice.byte() % 3 * 512])


def _start(path: Path) -> None:
    """As an agent does, twice: what the first one repairs stays so."""
    epochs = []
    for _ in range(2):
        try:
            with Store(path) as store:
                desired = merge(SETTINGS, store.changes)
                assert 0 < store.epoch < 1 << 62
                assert all(key == item.config.id for key, item in desired.streams.items())
                assert all(key == item.config.id for key, item in desired.algorithms.items())
                store.commit(desired.changes())
                for name in ("door", "f1"):
                    reply = store.reply(name)
                    assert reply is None or isinstance(reply.payload, bytes)
                epochs.append(store.epoch)
        except StateError as err:
            assert "\n" not in str(err)  # noqa: PT017 - either it opens, or this
    assert epochs == sorted(set(epochs))
