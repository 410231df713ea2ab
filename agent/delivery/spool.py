"""Messages on disk: a SQLite file with one owner thread.

Bounded in bytes and in age; the oldest goes first, results before events, and leaves a gap record. Whatever
the disk does, no method raises: a full or broken disk makes `write` say no for a while, and a file that is
corrupt is set aside and begun anew.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.delivery.backlog import Entry
from agent.delivery.messages import SPOOLED, Gap, Kind, Outgoing
from agent.delivery.spool_rows import BRIEF, SCHEMA, dead_letter, dead_row, entry_of, row_of

RETRY_S = 5.0  # after the disk has failed
_DROP_BATCH = 500
_DROP_BATCHES = 20  # in one transaction
_CHECKED_BYTES = 16 << 20  # a larger file is not read whole at the start: what is broken shows in time
_PAGE_BYTES = 4_096

Drop = tuple[Kind, int | None, int | None, str]  # kind, epoch, seq, reason

_log = logging.getLogger("vedette.delivery")


class Spool:
    """The file, while inside the `with` block.

    A row whose message is also in memory is "held": it is neither read nor dropped. Age
    is measured on a clock that runs while the agent does, and goes on where it stood: neither a wrong wall
    clock nor a device that was off makes messages old.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, max_age_s: float, on_drop: Callable[[Drop], None]
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._on_drop = on_drop
        self._db: sqlite3.Connection | None = None
        self._retry_s = 0.0
        self._opened_s = time.monotonic()
        self._clock_base_s = 0.0
        self._next_id = 1
        self._read_to = dict.fromkeys(range(len(SPOOLED)), 0)
        self._held: dict[int, Entry] = {}  # rows whose message is in memory, too
        self._gone: list[tuple[int, int]] = []  # (id, size) of rows to delete
        self._drops: list[Drop] = []  # of the transaction under way
        self._lost: list[Entry] = []  # were on a file that turned out to be corrupt
        self.rows = 0
        self.bytes = 0
        self.errors = 0
        self.recovered = 0

    def __enter__(self) -> Self:
        self._open()
        self.recovered = self.rows
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()
        self._close()

    @property
    def works(self) -> bool:
        """Whether the last thing asked of the disk went well."""
        return self._db is not None and self._retry_s == 0.0

    @property
    def retry_s(self) -> float:
        """When (monotonic) a disk that failed is tried again; 0 when it works."""
        return self._retry_s

    @property
    def on_disk(self) -> int:
        """Messages that are on disk only."""
        return max(0, self.rows - len(self._held) - len(self._gone))

    @property
    def deletions(self) -> int:
        """Rows that `flush` will delete."""
        return len(self._gone)

    def write(self, entries: Sequence[Entry]) -> list[int] | None:
        """Store messages and return their row ids; they stay held. None: the disk refuses, and nothing is."""
        if not self._ready():
            return None
        ids = list(range(self._next_id, self._next_id + len(entries)))
        clock_s = self._clock_s()
        rows = [row_of(number, entry.message, clock_s) for number, entry in zip(ids, entries, strict=True)]
        size = sum(entry.size_bytes for entry in entries)

        def insert(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO messages VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
            self.rows += len(rows)
            self.bytes += size
            self._next_id += len(rows)
            self._delete_gone(db)
            self._drop_excess(db)

        self._held.update(zip(ids, entries, strict=True))  # so that none of these is dropped to make room
        if not self._commit(insert):
            for number in ids:
                self._held.pop(number, None)
            return None
        return ids

    def read(self, limit: int) -> list[Entry]:
        """The next messages that are only on disk, events first, oldest first; they are held from now on."""
        entries: list[Entry] = []
        for rank in range(len(SPOOLED)):
            while len(entries) < limit and self.on_disk > 0:
                rows = self._query(
                    "SELECT * FROM messages WHERE rank = ? AND id > ? ORDER BY id LIMIT ?",
                    (rank, self._read_to[rank], limit),
                )
                if not rows:
                    break
                gone = {number for number, _ in self._gone}
                for row in rows[: limit - len(entries)]:
                    number = row[0]
                    self._read_to[rank] = number
                    if number not in self._held and number not in gone:
                        entry = entry_of(row)
                        self._held[number] = entry
                        entries.append(entry)
        return entries

    def forget(self, entry: Entry) -> None:
        """The message of this row is settled: delete it with the next transaction."""
        if entry.row is not None and self._held.pop(entry.row, None) is not None:
            self._gone.append((entry.row, entry.size_bytes))

    def release(self, entry: Entry) -> None:
        """The message leaves memory and is from now on only on disk."""
        if entry.row is not None and self._held.pop(entry.row, None) is not None:
            rank = SPOOLED.index(entry.message.kind)
            self._read_to[rank] = min(self._read_to[rank], entry.row - 1)

    def take_lost(self) -> list[Entry]:
        """Messages in memory whose rows went away with a corrupt file: to be written again."""
        lost, self._lost = self._lost, []
        return lost

    def flush(self) -> None:
        """Delete what is to be deleted, and what is too old."""

        def delete(db: sqlite3.Connection) -> None:
            self._delete_gone(db)
            self._drop_old(db)

        if self._ready():
            self._commit(delete)

    def keep(self, gaps: Iterable[Gap], dead: Iterable[tuple[Outgoing, str]]) -> None:
        """Replace the records of gaps and dead letters."""

        def replace(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM gaps")
            rows = [(gap.epoch, gap.first, gap.last, gap.reason) for gap in gaps]
            db.executemany("INSERT INTO gaps VALUES (?,?,?,?)", rows)
            db.execute("DELETE FROM dead")
            db.executemany("INSERT INTO dead VALUES (?,?,?,?,?,?)", [dead_row(*letter) for letter in dead])

        if self._ready():
            self._commit(replace)

    def gaps(self) -> list[Gap]:
        """The gaps on record, oldest first."""
        rows = self._query("SELECT epoch, first, last, reason FROM gaps ORDER BY rowid", ())
        return [
            Gap(epoch=epoch, first=first, last=last, reason=reason) for epoch, first, last, reason in rows
        ]

    def dead(self) -> list[tuple[Outgoing, str]]:
        """The dead letters on record, oldest first; long payloads are cut."""
        rows = self._query("SELECT rank, topic, payload, epoch, seq, reason FROM dead ORDER BY rowid", ())
        return [dead_letter(row) for row in rows]

    # The file.

    def _ready(self) -> bool:
        if self._retry_s and time.monotonic() < self._retry_s:
            return False
        if self._db is None:
            self._open()
        return self._db is not None

    def _open(self) -> None:
        try:
            self._connect()
        except sqlite3.DatabaseError as err:
            self._failed(err)
            if self._db is None and self._retry_s == 0.0:  # it was set aside
                try:
                    self._connect()
                except sqlite3.DatabaseError as again:
                    self._failed(again)
        except OSError as err:
            self._failed(sqlite3.OperationalError(str(err)))

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, isolation_level=None, timeout=0.5)
        self._db = db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second agent in this folder is an error
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {4 << 20}")
        # Fails early, while there is still room to delete: a disk that is really full refuses even that.
        db.execute(f"PRAGMA max_page_count = {(self._max_bytes * 3 // 2 + (4 << 20)) // _PAGE_BYTES}")
        if self._path.stat().st_size <= _CHECKED_BYTES:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                broken = sqlite3.DatabaseError(found)
                broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise broken
        db.executescript(SCHEMA)
        query = "SELECT rows, bytes, next_id, clock_s FROM totals"
        self.rows, self.bytes, self._next_id, self._clock_base_s = db.execute(query).fetchone()
        self._opened_s = time.monotonic()
        self._retry_s = 0.0

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _clock_s(self) -> float:
        return self._clock_base_s + time.monotonic() - self._opened_s

    def _commit(self, work: Callable[[sqlite3.Connection], None]) -> bool:
        """Do `work` in one transaction; False: the disk refuses, and nothing of it has happened."""
        if self._db is None:
            return False
        before = (self.rows, self.bytes, self._next_id, list(self._gone))
        self._drops = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            work(self._db)
            self._db.execute(
                "UPDATE totals SET rows = ?, bytes = ?, next_id = ?, clock_s = ?",
                (self.rows, self.bytes, self._next_id, self._clock_s()),
            )
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as err:
            self.rows, self.bytes, self._next_id, self._gone = before
            self._failed(err)
            return False
        self._retry_s = 0.0
        for drop in self._drops:
            self._on_drop(drop)
        return True

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._db is None:
            return []
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as err:
            self._failed(err)
            return []

    def _failed(self, err: sqlite3.DatabaseError) -> None:
        self.errors += 1
        if self._db is not None and self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
        code = getattr(err, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            self._set_aside(err)
            return
        self._retry_s = time.monotonic() + RETRY_S
        _log.error("delivery.spool_failed: %s", err)

    def _set_aside(self, err: sqlite3.DatabaseError) -> None:
        """A corrupt file: kept beside for whoever wants to look (one only), and begun anew."""
        self._close()
        _log.error("delivery.spool_corrupt: %s; the file is now %s.corrupt", err, self._path)
        try:
            self._path.replace(f"{self._path}.corrupt")
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        except OSError as cannot:
            self._retry_s = time.monotonic() + RETRY_S
            _log.error("delivery.spool_failed: %s", cannot)
        self._lost += self._held.values()
        for entry in self._held.values():
            entry.row = None
        self._held, self._gone = {}, []
        self._read_to = dict.fromkeys(self._read_to, 0)
        self.rows = self.bytes = 0

    # Inside a transaction.

    def _delete_gone(self, db: sqlite3.Connection) -> None:
        if self._gone:
            db.executemany("DELETE FROM messages WHERE id = ?", [(number,) for number, _ in self._gone])
            self.rows -= len(self._gone)
            self.bytes -= sum(size for _, size in self._gone)
            self._gone = []

    def _drop_excess(self, db: sqlite3.Connection) -> None:
        for rank in reversed(range(len(SPOOLED))):
            while self.bytes > self._max_bytes:
                excess = self.bytes - self._max_bytes
                query = f"SELECT {BRIEF} FROM messages WHERE rank = ? ORDER BY id LIMIT ?"  # noqa: S608
                rows = db.execute(query, (rank, _DROP_BATCH)).fetchall()
                if not self._drop(db, rows, "spool full", excess):
                    break

    def _drop_old(self, db: sqlite3.Connection) -> None:
        oldest = "SELECT * FROM messages ORDER BY id LIMIT ?"
        query = f"SELECT {BRIEF} FROM ({oldest}) WHERE clock_s < ?"  # noqa: S608
        limit_s = self._clock_s() - self._max_age_s
        for _ in range(_DROP_BATCHES):
            if not self._drop(db, db.execute(query, (_DROP_BATCH, limit_s)).fetchall(), "too old"):
                break

    def _drop(
        self, db: sqlite3.Connection, rows: list[tuple[Any, ...]], reason: str, excess: int | None = None
    ) -> int:
        """Delete rows, oldest first, until `excess` bytes are gone; how many."""
        count, size = 0, 0
        for number, rank, epoch, seq, bytes_ in rows:
            if excess is not None and size >= excess:
                break
            if number not in self._held:
                db.execute("DELETE FROM messages WHERE id = ?", (number,))
                self._drops.append((SPOOLED[rank], epoch, seq, reason))
                count += 1
                size += bytes_
        self.rows -= count
        self.bytes -= size
        return count
