"""What the agent remembers over restarts: epoch, changes by command, replies already given.

SQLite in the state folder, one transaction a command: the change and its reply are both there, or neither.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import ValidationError

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.control.desired import Change, Changes
from agent.errors import StateError

_log = log.get_logger("store")

REPLIES_KEPT = 10_000
REPLIES_KEPT_S = 7 * 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    what TEXT NOT NULL, id TEXT NOT NULL, settings TEXT, replaced TEXT NOT NULL, PRIMARY KEY (what, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replies (id TEXT PRIMARY KEY, reply TEXT NOT NULL, time_s REAL NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replies_by_time ON replies (time_s);
"""


class Store:
    """The state folder of one agent; `with` locks and opens it, and begins the next epoch.

    A second agent on the same folder, and a folder that cannot be written, are StateErrors. A damaged
    database is put aside and begun anew; the epoch goes on all the same, since it is kept in a file of its
    own as well.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir
        self._path = state_dir / "state.sqlite3"
        self._epoch_path = state_dir / "epoch"
        self._lock: IO[str] | None = None
        self._database: sqlite3.Connection | None = None
        self.epoch = 0

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (self._folder / "lock").open("w", encoding="utf-8")
        except OSError as err:
            raise StateError(f"the state folder {self._folder} cannot be used: {err.strerror}") from err
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            self._lock.close()
            raise StateError(
                f"another agent uses the state folder {self._folder}; give this one its own paths.state_dir"
            ) from err
        try:
            self._open()
            self.epoch = self._next_epoch()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._lock is not None:
            self._lock.close()

    def load(self) -> tuple[Changes, int]:
        """What commands have changed so far, and the revision.

        A change that this version of Vedette does not understand any more is left out, and reported.
        """
        changes: dict[str, dict[str, Change]] = {"stream": {}, "algorithm": {}}
        with self._transaction() as database:
            rows = database.execute("SELECT what, id, settings, replaced FROM changes ORDER BY id").fetchall()
            revision = self._fact(database, "revision")
        for what, name, settings, replaced in rows:
            plain = json.loads(settings) if settings is not None else None
            model = StreamConfig if what == "stream" else AlgorithmConfig
            try:
                if plain is not None:
                    model.model_validate(plain)
            except ValidationError as err:
                _log.error("state.unusable", what=what, id=name, problems=err.error_count())
                continue
            changes[what][name] = Change(plain, replaced)
        return Changes(changes["stream"], changes["algorithm"]), revision

    def commit(self, changes: Changes | None, revision: int, reply: tuple[str, str] | None) -> None:
        """Remember changes (None: as they are), and the reply given to a command id, in one transaction."""
        with self._transaction() as database:
            if changes is not None:
                database.execute("DELETE FROM changes")
                database.executemany(
                    "INSERT INTO changes VALUES (?, ?, ?, ?)",
                    [
                        (what, name, json.dumps(c.settings) if c.settings is not None else None, c.replaced)
                        for what, items in (("stream", changes.streams), ("algorithm", changes.algorithms))
                        for name, c in items.items()
                    ],
                )
                self._set_fact(database, "revision", revision)
            if reply is not None:
                now_s = time.time()
                database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (*reply, now_s))
                database.execute(
                    "DELETE FROM replies WHERE time_s < ? OR id IN (SELECT id FROM replies "
                    "ORDER BY time_s DESC LIMIT -1 OFFSET ?)",
                    (now_s - REPLIES_KEPT_S, REPLIES_KEPT),
                )

    def reply_to(self, request_id: str) -> str | None:
        """The reply that was given to a command, as `commit` got it; None for one that is new."""
        with self._transaction() as database:
            row = database.execute("SELECT reply FROM replies WHERE id = ?", (request_id,)).fetchone()
        return str(row[0]) if row is not None else None

    # --- inside ---

    def _open(self) -> None:
        try:
            self._database = self._connect()
        except sqlite3.DatabaseError as err:
            if not isinstance(err, sqlite3.OperationalError):
                aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
                _log.error("state.damaged", path=str(self._path), kept_as=str(aside), error=str(err))
                self._path.rename(aside)
                for suffix in ("-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                self._database = self._connect()
                return
            raise StateError(f"{self._path} cannot be opened: {err}") from err

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(str(verdict))
            database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _next_epoch(self) -> int:
        try:
            beside = int(self._epoch_path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            beside = 0
        with self._transaction() as database:
            epoch = max(self._fact(database, "epoch"), beside) + 1
            self._set_fact(database, "epoch", epoch)
        fresh = self._epoch_path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="ascii") as file:
                file.write(f"{epoch}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._epoch_path)
        except OSError as err:
            raise StateError(f"{self._epoch_path} cannot be written: {err.strerror}") from err
        return epoch

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._database is None:
            raise StateError("the state folder is not open")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.Error as err:
            raise StateError(f"{self._path} cannot be used: {err}") from err

    @staticmethod
    def _fact(database: sqlite3.Connection, name: str) -> int:
        row = database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row is not None else 0

    @staticmethod
    def _set_fact(database: sqlite3.Connection, name: str, value: int) -> None:
        database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
