"""Rows of the store that say what they cannot say: the others count, and the agent starts."""

# ruff: noqa: S608 - the statements are the test's own

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.config.streams import StreamConfig
from agent.control.desired import Change, Changes
from agent.control.messages import Remembered
from agent.control.store import Store
from agent.errors import StateError

YARD = StreamConfig(id="yard", source="rtsp://10.0.0.5/1")
GOOD = Changes(streams={"yard": Change(config=YARD, replaced=None)}, revision=3, digest="d")
REPLY = Remembered(id="r", code=200, payload=b"{}", content_type="application/json", time_us=1)
DOOR = '{"id": "door", "source": "rtsp://10.0.0.5/1"}'

SPOILT = [
    "INSERT INTO change VALUES ('stream', 'x', 'no JSON', NULL)",
    "INSERT INTO change VALUES ('stream', 'x', '[]', NULL)",
    f"INSERT INTO change VALUES ('stream', 'x', '{DOOR}', NULL)",
    f"INSERT INTO change VALUES ('stream', x'646f6f72', '{DOOR}', NULL)",
    f"INSERT INTO change VALUES ('stream', 'door', x'{DOOR.encode().hex()}', NULL)",
    f"INSERT INTO change VALUES ('stream', 'door', '{DOOR}', x'00')",
    f"INSERT INTO change VALUES ('stream', CAST(x'ff' AS TEXT), '{DOOR}', NULL)",
    "INSERT INTO change VALUES ('stream', 'door', CAST(x'7b22ff' AS TEXT), NULL)",
    'INSERT INTO change VALUES (\'algorithm\', \'m\', \'{"id": "m", "kind": "k", "new": 1}\', NULL)',
    "INSERT OR REPLACE INTO meta VALUES ('epoch', 9223372036854775807)",
    "INSERT OR REPLACE INTO meta VALUES ('epoch', 'seven')",
    "INSERT OR REPLACE INTO meta VALUES ('epoch', -5)",
]


def spoil(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "control.db", isolation_level=None)) as database:
        database.execute(statement)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder that an agent has used."""
    with Store(tmp_path) as store:
        store.commit(GOOD, REPLY)
        assert store.epoch == 1
    return tmp_path


@pytest.mark.parametrize("statement", SPOILT)
def test_a_row_that_cannot_be_read_takes_no_other_with_it(folder: Path, statement: str) -> None:
    spoil(folder, statement)
    with Store(folder) as store:
        assert (store.epoch, store.trouble) == (2, None)
        assert store.changes == GOOD
        assert store.reply("r") == REPLY
        store.commit(Changes(revision=4, digest="e"))
    with Store(folder) as store:
        assert (store.epoch, store.changes.revision) == (3, 4)


@pytest.mark.parametrize("value", [1 << 62, "four", -1, b"\x00", 1e300])
def test_a_revision_that_is_none_begins_anew(folder: Path, value: object) -> None:
    with closing(sqlite3.connect(folder / "control.db", isolation_level=None)) as database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (value,))
    with Store(folder) as store:
        assert store.changes.revision == 0
        store.commit(Changes(revision=1))


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE change RENAME COLUMN config TO x",
        "ALTER TABLE reply DROP COLUMN code",
        "ALTER TABLE meta RENAME COLUMN value TO x",
        "DROP TABLE change; CREATE TABLE change (x)",
    ],
)
def test_a_database_of_other_tables_is_set_aside(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "control.db", isolation_level=None)) as database:
        database.executescript(statement)
    with Store(folder) as store:
        assert store.trouble is not None
        assert store.epoch == 2
        assert store.changes == Changes()
    assert (folder / "control.db.corrupt").exists()


def test_a_message_of_sqlite_that_is_no_text_is_a_corrupt_database(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "control.db", isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = 1")
        database.execute("UPDATE sqlite_schema SET sql = CAST(x'ff' || sql AS TEXT) WHERE name = 'change'")
    with Store(folder) as store:
        assert store.trouble is not None
        assert store.epoch == 2


@pytest.mark.parametrize(
    "column", ["code = 'x'", "payload = 'text'", "content_type = x'05'", "time_us = 1.5"]
)
def test_a_reply_that_cannot_be_read_is_not_taken_for_none(folder: Path, column: str) -> None:
    spoil(folder, f"UPDATE reply SET {column}")
    with Store(folder) as store, pytest.raises(StateError, match="cannot be read"):
        store.reply("r")
