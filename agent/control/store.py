"""What an agent remembers over its end: changes by command, replies, revision and epoch.

SQLite in WAL mode, `control.db` in the state folder, mode 0600: a password that a command named literally
has to outlive a restart, and stands here as it is. A change and the reply to the command that
asked for it go into one transaction: after a kill there are both or none.

The epoch is kept twice, in the database and in the small file `epoch`, and the larger one counts; so it
grows also when the database is lost. When nothing readable is left of either, but something was there, the
time in seconds is taken: larger than any counter of starts. A clock that is wrong makes it no smaller than
this software is old, nor than what was written to the folder. A database that is corrupt, or has other
tables, is renamed to `control.db.corrupt` (one is kept, the newest), reported, and begun anew; a row that
says what it cannot say is left alone.
"""

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.problems import problems_of
from agent.config.streams import StreamConfig
from agent.contract.signed import MAX_AHEAD_S
from agent.control.clock import Clock, SystemClock
from agent.control.database import code, connect, corrupt, transaction, translated
from agent.control.desired import Change, Changes, ConfigT
from agent.control.folder import newest_s, own_folder, read_epoch, write_epoch
from agent.control.marks import KeptMarks, Mark
from agent.control.messages import Remembered
from agent.errors import StateError

_log = log.get_logger("store")

# Remembered; the oldest goes first. Not by age: a clock that is set right would make all of them old at once.
MAX_REPLIES = 10_000

_VERSION = 1
_FILE = "control.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (
    scope TEXT NOT NULL, id TEXT NOT NULL, config TEXT, replaced TEXT, PRIMARY KEY (scope, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reply (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, time_us INTEGER NOT NULL,
    code INTEGER NOT NULL, content_type TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS mark (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, expires_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mark_expires ON mark (expires_us);
"""
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: other columns
_MAX_COUNT = 1 << 53  # of a counter; JSON's readers know no larger ones


class Store:
    """The state folder of one agent, open as long as the `with` block lasts.

    `commit` may be called from another thread, one call at a time or several; `reply` reads beside it and
    does not wait for it.
    """

    def __init__(self, state_dir: Path, *, clock: Clock | None = None) -> None:
        self.epoch = 0
        """Start counter of this agent: one more than at any earlier start."""
        self.trouble: str | None = None
        """What was wrong with what the predecessor left; None when all was well."""
        self.changes = Changes()
        """As last committed."""
        self.marks = KeptMarks()
        """Signed commands that earlier lives took."""
        self._folder = state_dir
        self._clock = clock or SystemClock()
        self._lifetime = ExitStack()
        self._writing = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "store")
        self._since_s: float | None = None
        self._writer: sqlite3.Connection
        self._reader: sqlite3.Connection

    def __enter__(self) -> Self:
        """Raises StateError when the folder cannot be used, or another agent uses it."""
        with ExitStack() as stack:
            stack.enter_context(own_folder(self._folder))
            known = read_epoch(self._folder)
            with translated(self._path):
                try:
                    self._open(stack)
                except (sqlite3.DatabaseError, UnicodeDecodeError) as err:
                    if isinstance(err, sqlite3.Error) and code(err) not in _CORRUPT:
                        raise
                    self._set_aside(err)
                    self._open(stack)
                self._begin_epoch(known)
                self.marks = self._read_marks()
            self._lifetime = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)  # the commit that is under way comes to its end
        with self._writing:
            self._lifetime.close()

    def commit(
        self, changes: Changes | None, reply: Remembered | None = None, mark: Mark | None = None
    ) -> None:
        """Store all of it or, with a StateError, nothing; blocks until it is on the disk.

        None leaves the changes as they are.
        """
        with self._writing:
            after = self.changes if changes is None else changes
            with translated(self._path), transaction(self._writer) as cursor:
                _write_changes(cursor, "stream", self.changes.streams, after.streams)
                _write_changes(cursor, "algorithm", self.changes.algorithms, after.algorithms)
                if (after.revision, after.digest) != (self.changes.revision, self.changes.digest):
                    _write_meta(cursor, "revision", after.revision)
                    _write_meta(cursor, "digest", after.digest)
                if reply is not None:
                    self._write_reply(cursor, reply)
                if mark is not None:
                    self._write_mark(cursor, mark)
            self.changes = after

    async def commit_aside(
        self, changes: Changes | None, reply: Remembered | None = None, mark: Mark | None = None
    ) -> None:
        """`commit` in the store's own thread: the disk may be slow, and nothing else takes its place.

        Cancelled, it may be stored or not.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._commit_here, changes, reply, mark)

    def owes_since(self) -> float | None:
        """Since when (monotonic seconds) the thread writes what it writes; None: nothing."""
        return self._since_s

    def _commit_here(self, changes: Changes | None, reply: Remembered | None, mark: Mark | None) -> None:
        self._since_s = time.monotonic()
        try:
            self.commit(changes, reply, mark)
        finally:
            self._since_s = None

    def reply(self, command_id: str) -> Remembered | None:
        """What was answered to this id, in this life or an earlier one. Raises StateError."""
        with translated(self._path):
            row = self._reader.execute(
                "SELECT code, payload, content_type, time_us FROM reply WHERE id = ?", (command_id,)
            ).fetchone()
        if row is None:
            return None
        if [type(value) for value in row] != [int, bytes, str, int]:
            raise StateError(f"{self._path}: what was answered to the command {command_id} cannot be read")
        return Remembered(id=command_id, code=row[0], payload=row[1], content_type=row[2], time_us=row[3])

    # --- opening ---

    @property
    def _path(self) -> Path:
        return self._folder / _FILE

    def _open(self, stack: ExitStack) -> None:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with ExitStack() as opening:
            self._writer = opening.enter_context(closing(connect(self._path)))
            found = self._writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise corrupt(str(found))
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise StateError(f"{self._path} was written by a newer Vedette: install that one")
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.executescript(_SCHEMA)
            self._writer.execute(f"PRAGMA user_version = {_VERSION}")
            self._reader = opening.enter_context(closing(connect(self._path)))
            self._reader.execute("SELECT seq, id, time_us, code, content_type, payload FROM reply LIMIT 0")
            self._reader.execute("SELECT id, digest, expires_us FROM mark LIMIT 0")
            self.changes = self._read_changes()
            stack.push(opening.pop_all())

    def _set_aside(self, reason: Exception) -> None:
        aside = self._path.with_name(f"{_FILE}.corrupt")
        self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(_FILE + suffix).unlink(missing_ok=True)
        self.trouble = (
            f"{self._path} was corrupt ({reason}): renamed to {aside.name}, and begun anew; "
            "what commands had changed is lost"
        )
        _log.error("store.corrupt", path=self._path, aside=aside, reason=str(reason))

    def _begin_epoch(self, from_file: int | None) -> None:
        known = max(from_file or 0, self._read_count("epoch"))
        lost = from_file is None or self.trouble is not None
        if known == 0 and lost:
            known = max(self._clock.now_us() // 1_000_000, newest_s(self._folder))
            _log.error("store.epoch_lost", folder=self._folder, continued_at=known + 1)
        self.epoch = known + 1
        write_epoch(self._folder, self.epoch)
        with transaction(self._writer) as cursor:
            _write_meta(cursor, "epoch", self.epoch)

    # --- rows ---

    def _read_meta(self, key: str) -> object:
        row = self._writer.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def _read_count(self, key: str) -> int:
        """0 when it is not there, or is none."""
        value = self._read_meta(key)
        return value if isinstance(value, int) and 0 <= value < _MAX_COUNT else 0

    def _read_changes(self) -> Changes:
        digest = self._read_meta("digest")
        return Changes(
            streams=self._read_scope("stream", StreamConfig),
            algorithms=self._read_scope("algorithm", AlgorithmConfig),
            revision=self._read_count("revision"),
            digest=digest if isinstance(digest, str) else "",
        )

    def _read_scope(self, scope: str, model: type[ConfigT]) -> dict[str, Change[ConfigT]]:
        rows = self._writer.execute(
            "SELECT id, config, replaced FROM change WHERE scope = ? ORDER BY id", (scope,)
        ).fetchall()
        changes: dict[str, Change[ConfigT]] = {}
        for key, text, replaced in rows:
            try:
                changes[key] = _change(key, text, replaced, model)
            except ValidationError as err:
                # Written by an agent that knew other keys: the others still count, and this row is left
                # in the database until a command or the file says something about its id.
                _log.error("store.unreadable", scope=scope, id=key, problems=problems_of(err, model))
            except ValueError as err:
                _log.error("store.unreadable", scope=scope, id=repr(key), problems=[str(err)])
        return changes

    def _read_marks(self) -> KeptMarks:
        floor = self._read_meta("floor")
        rows = self._writer.execute("SELECT id, digest, expires_us FROM mark").fetchall()
        marks = tuple(Mark(id=row[0], digest=row[1], expires_us=row[2]) for row in rows if _is_mark(row))
        floor_us = floor if isinstance(floor, int) and 0 <= floor < _MAX_COUNT else 0
        unreadable = len(marks) < len(rows) or floor not in (None, floor_us)
        if unreadable or self.trouble is not None:
            # What was taken of late is forgotten, and could be sent again.
            floor_us = self._clock.now_us() + MAX_AHEAD_S * 1_000_000
        return KeptMarks(marks=marks, floor_us=floor_us)

    def _write_mark(self, cursor: sqlite3.Cursor, mark: Mark) -> None:
        """With what has expired forgotten, and the floor raised to it: see `agent.control.marks`."""
        now_us = self._clock.now_us()
        (last,) = cursor.execute(
            "SELECT max(expires_us) FROM mark WHERE expires_us < ?", (now_us,)
        ).fetchone()
        if last is not None:
            cursor.execute("DELETE FROM mark WHERE expires_us <= ?", (last,))
            cursor.execute(
                "INSERT INTO meta (key, value) VALUES ('floor', ?) "
                "ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
                (last,),
            )
        cursor.execute(
            "INSERT OR REPLACE INTO mark (id, digest, expires_us) VALUES (?, ?, ?)",
            (mark.id, mark.digest, mark.expires_us),
        )

    def _write_reply(self, cursor: sqlite3.Cursor, reply: Remembered) -> None:
        cursor.execute(
            "INSERT OR REPLACE INTO reply (id, time_us, code, content_type, payload) VALUES (?, ?, ?, ?, ?)",
            (reply.id, reply.time_us, reply.code, reply.content_type, reply.payload),
        )
        cursor.execute("DELETE FROM reply WHERE seq <= (SELECT max(seq) FROM reply) - ?", (MAX_REPLIES,))


def _change(key: object, text: object, replaced: object, model: type[ConfigT]) -> Change[ConfigT]:
    """The change in a row; ValueError, ValidationError among them, when there is none in it."""
    if not isinstance(key, str) or not isinstance(text, str | None) or not isinstance(replaced, str | None):
        raise ValueError("it is of other types than were written")  # noqa: TRY004  a row that cannot be read
    if text is None:
        return Change(config=None, replaced=replaced)
    config = model.model_validate_json(text)
    if config.id != key:
        raise ValueError("it says something of another id than its own")
    return Change(config=config, replaced=replaced)


def _is_mark(row: tuple[object, ...]) -> bool:
    return [type(value) for value in row] == [str, bytes, int]


def _write_changes(
    cursor: sqlite3.Cursor,
    scope: str,
    before: Mapping[str, Change[Any]],
    after: Mapping[str, Change[Any]],
) -> None:
    """Only what differs: each row written is wear."""
    for key in before.keys() - after.keys():
        cursor.execute("DELETE FROM change WHERE scope = ? AND id = ?", (scope, key))
    for key, change in after.items():
        if before.get(key) != change:
            config = change.config
            text = None if config is None else json.dumps(config.model_dump(mode="json", exclude_unset=True))
            cursor.execute(
                "INSERT OR REPLACE INTO change (scope, id, config, replaced) VALUES (?, ?, ?, ?)",
                (scope, key, text, change.replaced),
            )


def _write_meta(cursor: sqlite3.Cursor, key: str, value: int | str) -> None:
    cursor.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
