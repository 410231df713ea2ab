"""Messages on disk, one owner thread: bounded in bytes and in age, in all and for each class.

The oldest goes first, metrics before results before events, and leaves a gap record, which is on disk with
the same transaction. Whatever the disk does, no method raises (see `spool_file`).
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.delivery.backlog import Entry
from agent.delivery.ledger import Gap, Ledger, Reached
from agent.delivery.messages import SPOOLED, Kind, Outgoing
from agent.delivery.spool_file import SpoolFile
from agent.delivery.spool_rows import BRIEF, SCHEMA, dead_letter, dead_row, entry_of, row_of

_DROP_BATCH = 500
_DROP_BATCHES = 20  # in one transaction
_RANKS = range(len(SPOOLED))
_FULL, _OLD = "spool full", "too old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may wait on disk."""

    max_bytes: int
    max_age_s: float


class Spool:
    """The file, while inside the `with` block.

    A row whose message is also in memory is "held": it is neither read nor dropped. Age
    is measured on a clock that runs while the agent does, and goes on where it stood: neither a wrong wall
    clock nor a device that was off makes messages old.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        *,
        classes: Mapping[Kind, Bounds] | None = None,
        ledger: Ledger,
        on_drop: Callable[[Kind], None],
    ) -> None:
        """`classes` bounds each of them besides; `on_drop` hears of every message that is given up."""
        self._bounds = bounds
        chosen = classes or {}
        self._classes = tuple(chosen.get(kind, bounds) for kind in SPOOLED)
        self._ledger = ledger
        self._on_drop = on_drop
        self._file = SpoolFile(
            path, max_bytes=bounds.max_bytes, schema=SCHEMA, load=self._load, on_lost=self._forget_all
        )
        self._opened_s = time.monotonic()
        self._clock_base_s = 0.0
        self._next_id = 1
        self._rows = dict.fromkeys(_RANKS, 0)
        self._sizes = dict.fromkeys(_RANKS, 0)
        self._read_to = dict.fromkeys(_RANKS, 0)
        self._held: dict[int, Entry] = {}  # rows whose message is in memory, too
        self._gone: list[tuple[int, int, int]] = []  # (id, rank, size) of rows to delete
        self._drops: list[Kind] = []  # of the transaction under way
        self._lost: list[Entry] = []  # were on a file that turned out to be corrupt
        self._files_lost = 0
        self.recovered = 0

    def __enter__(self) -> Self:
        self._file.open()
        self.recovered = self.rows
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()
        self._file.close()

    @property
    def rows(self) -> int:
        """Messages in the file."""
        return sum(self._rows.values())

    @property
    def bytes(self) -> int:
        """Their size."""
        return sum(self._sizes.values())

    @property
    def works(self) -> bool:
        """Whether the last thing asked of the disk went well."""
        return self._file.works

    @property
    def retry_s(self) -> float:
        """When (monotonic) a disk that failed is tried again; 0 when it works."""
        return self._file.retry_s

    def insist(self) -> None:
        """Try the disk again with the next thing asked of it, though it has just failed."""
        self._file.retry_s = 0.0

    @property
    def errors(self) -> int:
        """Times that the disk has failed."""
        return self._file.errors

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
        if not self._file.ready():
            return None
        ids = list(range(self._next_id, self._next_id + len(entries)))
        clock_s = self._clock_s()
        rows = [row_of(number, entry.message, clock_s) for number, entry in zip(ids, entries, strict=True)]

        def insert(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO messages VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
            for entry in entries:
                self._count(SPOOLED.index(entry.message.kind), 1, entry.size_bytes)
            self._next_id += len(rows)
            self._delete_gone(db)
            self._drop_excess(db)

        self._held.update(zip(ids, entries, strict=True))  # so that none of these is dropped to make room
        if not self._commit(insert, _newest(entries)):
            for number in ids:
                self._held.pop(number, None)
            return None
        return ids

    def read(self, limit: int) -> list[Entry]:
        """The next messages that are only on disk, events first, oldest first; they are held from now on."""
        entries: list[Entry] = []
        for rank in _RANKS:
            while len(entries) < limit and self.on_disk > 0:
                rows = self._file.query(
                    "SELECT * FROM messages WHERE rank = ? AND id > ? ORDER BY id LIMIT ?",
                    (rank, self._read_to[rank], limit),
                )
                if not rows:
                    break
                gone = {number for number, *_ in self._gone}
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
            self._gone.append((entry.row, SPOOLED.index(entry.message.kind), entry.size_bytes))

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
        """Delete what is to be deleted, and what is too old; write what has changed of the ledger."""

        def delete(db: sqlite3.Connection) -> None:
            self._delete_gone(db)
            self._drop_old(db)

        if self._file.ready():
            self._commit(delete)

    def keep_dead(self, dead: Iterable[tuple[Outgoing, str]]) -> None:
        """Replace the dead letters on record."""

        def replace(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM dead")
            db.executemany("INSERT INTO dead VALUES (?,?,?,?,?,?)", [dead_row(*letter) for letter in dead])

        if self._file.ready():
            self._commit(replace)

    def dead(self) -> list[tuple[Outgoing, str]]:
        """The dead letters on record, oldest first; long payloads are cut."""
        rows = self._file.query("SELECT rank, topic, payload, epoch, seq, reason FROM dead ORDER BY rowid")
        return [dead_letter(row) for row in rows]

    # --- the file ---

    def _load(self, db: sqlite3.Connection) -> None:
        query = "SELECT next_id, clock_s FROM totals"
        self._next_id, self._clock_base_s = db.execute(query).fetchone()
        self._opened_s = time.monotonic()
        sums = db.execute("SELECT rank, rows, bytes FROM sums").fetchall()
        if not sums:  # a new file, or one of an agent that kept no sums
            sums = db.execute("SELECT rank, COUNT(*), SUM(size) FROM messages GROUP BY rank").fetchall()
        for rank, rows, size in sums:
            self._rows[rank], self._sizes[rank] = rows, size
        gaps = db.execute("SELECT id, epoch, first, last, count, reason FROM dropped ORDER BY id").fetchall()
        epochs = db.execute("SELECT epoch, last, ended, exact FROM epochs ORDER BY epoch").fetchall()
        self._ledger.load(
            (
                (number, Gap(epoch=epoch, first=first, last=last, count=count, reason=reason))
                for number, epoch, first, last, count, reason in gaps
            ),
            (
                Reached(epoch=epoch, last=last, ended=bool(ended), exact=bool(exact))
                for epoch, last, ended, exact in epochs
            ),
        )

    def _forget_all(self) -> None:
        if self.on_disk:
            self._ledger.lost_file("spool corrupt")
        self._files_lost += 1
        self._lost += self._held.values()
        for entry in self._held.values():
            entry.row = None
        self._held, self._gone = {}, []
        for of_ranks in (self._read_to, self._rows, self._sizes):
            of_ranks.update(dict.fromkeys(_RANKS, 0))

    def _clock_s(self) -> float:
        return self._clock_base_s + time.monotonic() - self._opened_s

    def _commit(self, work: Callable[[sqlite3.Connection], None], reached: Reached | None = None) -> bool:
        """Do `work` and bring the books up to date; False: nothing of it has happened."""
        before = (dict(self._rows), dict(self._sizes), self._next_id, list(self._gone))
        files_lost = self._files_lost
        self._drops = []
        changes: dict[int, Gap | None] = {}
        ends: list[Reached] = []

        def all_of_it(db: sqlite3.Connection) -> None:
            work(db)
            db.execute("UPDATE totals SET next_id = ?, clock_s = ?", (self._next_id, self._clock_s()))
            sums = [(rank, self._rows[rank], self._sizes[rank]) for rank in _RANKS]
            db.executemany("INSERT OR REPLACE INTO sums VALUES (?,?,?)", sums)
            changes.update(self._ledger.changes())  # with what `work` has dropped
            ends.extend(self._ledger.ends(reached))
            _write_ledger(db, changes, ends)

        if not self._file.commit(all_of_it):
            if files_lost == self._files_lost:  # else nothing is as it was
                self._rows, self._sizes, self._next_id, self._gone = before
            return False
        self._ledger.written(changes, ends)
        for kind in self._drops:
            self._on_drop(kind)
        return True

    # --- inside a transaction ---

    def _count(self, rank: int, rows: int, size: int) -> None:
        self._rows[rank] += rows
        self._sizes[rank] += size

    def _delete_gone(self, db: sqlite3.Connection) -> None:
        if self._gone:
            db.executemany("DELETE FROM messages WHERE id = ?", [(number,) for number, *_ in self._gone])
            for _, rank, size in self._gone:
                self._count(rank, -1, -size)
            self._gone = []

    def _drop_excess(self, db: sqlite3.Connection) -> None:
        for rank in reversed(_RANKS):
            self._drop_down_to(db, rank, lambda r=rank: self._sizes[r] - self._classes[r].max_bytes)  # type: ignore[misc]
        for rank in reversed(_RANKS):
            self._drop_down_to(db, rank, lambda: self.bytes - self._bounds.max_bytes)

    def _drop_down_to(self, db: sqlite3.Connection, rank: int, excess: Callable[[], int]) -> None:
        query = f"SELECT {BRIEF} FROM messages WHERE rank = ? ORDER BY id LIMIT ?"  # noqa: S608
        while (size := excess()) > 0:
            if not self._drop(db, db.execute(query, (rank, _DROP_BATCH)).fetchall(), _FULL, size):
                return

    def _drop_old(self, db: sqlite3.Connection) -> None:
        oldest = "SELECT * FROM messages WHERE rank = ? ORDER BY id LIMIT ?"
        query = f"SELECT {BRIEF} FROM ({oldest}) WHERE clock_s < ?"  # noqa: S608
        for rank in _RANKS:
            limit_s = self._clock_s() - min(self._classes[rank].max_age_s, self._bounds.max_age_s)
            for _ in range(_DROP_BATCHES):
                if not self._drop(db, db.execute(query, (rank, _DROP_BATCH, limit_s)).fetchall(), _OLD):
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
                self._drops.append(SPOOLED[rank])
                if epoch is not None and seq is not None:
                    self._ledger.dropped(epoch, seq, reason)
                self._count(rank, -1, -bytes_)
                count += 1
                size += bytes_
        return count


def _newest(entries: Sequence[Entry]) -> Reached | None:
    """How far the numbers of these messages go."""
    named = [
        (message.epoch, message.seq)
        for message in (entry.message for entry in entries)
        if message.epoch is not None and message.seq is not None
    ]
    if not named:
        return None
    epoch, last = max(named)
    return Reached(epoch=epoch, last=last)


def _write_ledger(db: sqlite3.Connection, changes: Mapping[int, Gap | None], ends: Iterable[Reached]) -> None:
    for number, gap in changes.items():
        if gap is None:
            db.execute("DELETE FROM dropped WHERE id = ?", (number,))
        else:
            row = (number, gap.epoch, gap.first, gap.last, gap.count, gap.reason)
            db.execute("INSERT OR REPLACE INTO dropped VALUES (?,?,?,?,?,?)", row)
    for one in ends:
        db.execute(
            "INSERT OR REPLACE INTO epochs VALUES (?,?,?,?)", (one.epoch, one.last, one.ended, one.exact)
        )
