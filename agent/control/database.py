"""SQLite as the store uses it: durable, its transactions whole, its errors ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import StateError


def connect(path: Path) -> sqlite3.Connection:
    """For any thread; what is committed is on the disk. Waits up to 5 s for who else writes."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.text_factory = _text
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # a password that was replaced is not left in free pages
    connection.execute("PRAGMA journal_size_limit = 1048576")
    return connection


def _text(stored: bytes) -> str:
    """A text that is none any more shows where: sqlite3 would raise, and leave the other rows unread."""
    return stored.decode(errors="replace")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """All of the block, or nothing."""
    cursor = connection.execute("BEGIN IMMEDIATE")
    try:
        yield cursor
        cursor.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.rollback()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What goes wrong with the file inside of the block becomes a StateError."""
    try:
        yield
    except sqlite3.Error as err:
        raise StateError(f"{path} cannot be used: {err}") from err
    except UnicodeDecodeError as err:  # sqlite3's own message quoted what is no text any more
        raise StateError(f"{path} cannot be used: it is corrupt") from err
    except OSError as err:
        raise StateError(f"{path} cannot be used: {err.strerror}") from err


def corrupt(reason: str) -> sqlite3.DatabaseError:
    """The error that SQLite raises of a file that is corrupt."""
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; -1 when the error is the module's own."""
    return getattr(error, "sqlite_errorcode", -1) & 0xFF
