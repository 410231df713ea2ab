"""The tables of the spool, and messages as their rows."""

import json
import time
from typing import cast

from agent.delivery.backlog import Entry
from agent.delivery.messages import SPOOLED, Outgoing

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, rank INTEGER NOT NULL,  -- rank: index in SPOOLED
    topic TEXT NOT NULL, payload BLOB NOT NULL,
    content_type TEXT, correlation BLOB, properties TEXT, epoch INTEGER, seq INTEGER,
    size INTEGER NOT NULL, clock_s REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS by_rank ON messages (rank, id);
CREATE TABLE IF NOT EXISTS totals (
    only INTEGER PRIMARY KEY, next_id INTEGER NOT NULL, clock_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sums (
    rank INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS dropped (
    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    count INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS epochs (
    epoch INTEGER PRIMARY KEY, last INTEGER NOT NULL, ended INTEGER NOT NULL, exact INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS dead (
    rank INTEGER, topic TEXT, payload BLOB, epoch INTEGER, seq INTEGER, reason TEXT
) STRICT;
INSERT OR IGNORE INTO totals (only, next_id, clock_s) VALUES (1, 1, 0.0);
"""

BRIEF = "id, rank, epoch, seq, size"  # enough of a message to drop it


def row_of(number: int, message: Outgoing, clock_s: float) -> tuple[object, ...]:
    """A row of `messages`."""
    return (
        number,
        SPOOLED.index(message.kind),
        message.topic,
        message.payload,
        message.content_type,
        message.correlation_data,
        json.dumps(message.user_properties) if message.user_properties else None,
        message.epoch,
        message.seq,
        message.size_bytes,
        clock_s,
    )


def entry_of(row: tuple[object, ...]) -> Entry:
    """The message of a row of `messages`, late and with its row."""
    number, rank, topic, payload, content_type, correlation, properties, epoch, seq, size, _ = row
    message = Outgoing(
        topic=cast("str", topic),
        payload=cast("bytes", payload),
        kind=SPOOLED[cast("int", rank)],
        content_type=cast("str | None", content_type),
        correlation_data=cast("bytes | None", correlation),
        user_properties=tuple((k, v) for k, v in json.loads(cast("str", properties) or "[]")),
        epoch=cast("int | None", epoch),
        seq=cast("int | None", seq),
    )
    return Entry(message, time.monotonic(), cast("int", size), late=True, row=cast("int", number))


def dead_row(message: Outgoing, reason: str) -> tuple[object, ...]:
    """A row of `dead`."""
    rank = SPOOLED.index(message.kind) if message.kind in SPOOLED else -1
    return (rank, message.topic, message.payload, message.epoch, message.seq, reason)


def dead_letter(row: tuple[object, ...]) -> tuple[Outgoing, str]:
    """The message of a row of `dead`, and the reason."""
    rank, topic, payload, epoch, seq, reason = row
    message = Outgoing(
        topic=cast("str", topic),
        payload=cast("bytes", payload),
        kind=SPOOLED[cast("int", rank)] if cast("int", rank) >= 0 else "state",
        epoch=cast("int | None", epoch),
        seq=cast("int | None", seq),
    )
    return message, cast("str", reason)
