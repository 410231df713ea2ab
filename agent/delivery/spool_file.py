"""The SQLite file of a spool: opened, written in transactions, set aside when it is corrupt."""

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

RETRY_S = 5.0  # after the disk has failed
_CHECKED_BYTES = 16 << 20  # a larger file is not read whole at the start: what is broken shows in time
_PAGE_BYTES = 4_096

_log = logging.getLogger("vedette.delivery")

Work = Callable[[sqlite3.Connection], None]


class SpoolFile:
    """Whatever the disk does, no method raises: a full or broken one makes `commit` say no for a while.

    `load` reads what is in a file that was opened; `on_lost`: it was corrupt, and there is a new one.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, schema: str, load: Work, on_lost: Callable[[], None]
    ) -> None:
        self._path = path
        # Fails early, while there is still room to delete: a disk that is really full refuses even that.
        self._max_pages = (max_bytes * 3 // 2 + (4 << 20)) // _PAGE_BYTES
        self._schema = schema
        self._load = load
        self._on_lost = on_lost
        self._db: sqlite3.Connection | None = None
        self.retry_s = 0.0  # when (monotonic) a disk that failed is tried again; 0 when it works
        self.errors = 0

    @property
    def works(self) -> bool:
        """Whether the last thing asked of the disk went well."""
        return self._db is not None and self.retry_s == 0.0

    def ready(self) -> bool:
        """Whether it is worth asking the disk for something now."""
        if self.retry_s and time.monotonic() < self.retry_s:
            return False
        if self._db is None:
            self.open()
        return self._db is not None

    def open(self) -> None:
        """Open the file, or a new one in place of one that is corrupt."""
        try:
            self._connect()
        except sqlite3.DatabaseError as err:
            self._failed(err)
            if self._db is None and self.retry_s == 0.0:  # it was set aside
                try:
                    self._connect()
                except sqlite3.DatabaseError as again:
                    self._failed(again)
        except OSError as err:
            self._failed(sqlite3.OperationalError(str(err)))

    def close(self) -> None:
        """Nothing is asked any more."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def commit(self, work: Work) -> bool:
        """Do `work` in one transaction; False: the disk refuses, and nothing of it has happened."""
        if self._db is None:
            return False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            work(self._db)
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as err:
            self._failed(err)
            return False
        self.retry_s = 0.0
        return True

    def query(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows; none when the disk refuses."""
        if self._db is None:
            return []
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as err:
            self._failed(err)
            return []

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # else SQLite says so
            self._path.touch(0o600)  # results are for nobody else's eyes
        db = sqlite3.connect(self._path, isolation_level=None, timeout=0.5)
        self._db = db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second agent in this folder is an error
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {4 << 20}")
        db.execute(f"PRAGMA max_page_count = {self._max_pages}")
        if self._path.stat().st_size <= _CHECKED_BYTES:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                broken = sqlite3.DatabaseError(found)
                broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise broken
        db.executescript(self._schema)
        self._load(db)
        self.retry_s = 0.0

    def _failed(self, err: sqlite3.DatabaseError) -> None:
        self.errors += 1
        if self._db is not None and self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
        code = getattr(err, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            self._set_aside(err)
            return
        self.retry_s = time.monotonic() + RETRY_S
        _log.error("delivery.spool_failed: %s", err)

    def _set_aside(self, err: sqlite3.DatabaseError) -> None:
        """A corrupt file: kept beside for whoever wants to look (one only), and begun anew."""
        self.close()
        _log.error("delivery.spool_corrupt: %s; the file is now %s.corrupt", err, self._path)
        try:
            self._path.replace(f"{self._path}.corrupt")
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        except OSError as cannot:
            self.retry_s = time.monotonic() + RETRY_S
            _log.error("delivery.spool_failed: %s", cannot)
        self._on_lost()
