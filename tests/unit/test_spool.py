"""The spool on a real file: order, bounds, records, and what a broken disk does to it."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.delivery import spool as module
from agent.delivery import spool_file
from agent.delivery.backlog import Entry
from agent.delivery.ledger import Gap, Ledger, Reached
from agent.delivery.messages import Kind, Outgoing
from agent.delivery.spool import Bounds, Spool


def entry(number: int, kind: Kind = "result", size: int = 100) -> Entry:
    message = Outgoing(
        topic=f"d/x/{kind}",
        payload=str(number).encode().ljust(size, b"."),
        kind=kind,
        content_type="application/vnd.msgpack",
        correlation_data=b"\x00\xff",
        user_properties=(("a", "ü"),),
        epoch=3,
        seq=number,
    )
    return Entry(message, time.monotonic(), message.size_bytes)


def spool_at(
    folder: Path,
    drops: list[Kind] | None = None,
    ledger: Ledger | None = None,
    *,
    max_bytes: int = 1 << 30,
    max_age_s: float = 3_600.0,
    classes: dict[Kind, Bounds] | None = None,
) -> Spool:
    return Spool(
        folder / "spool.db",
        Bounds(max_bytes=max_bytes, max_age_s=max_age_s),
        classes=classes,
        ledger=Ledger() if ledger is None else ledger,
        on_drop=([] if drops is None else drops).append,
    )


def store(spool: Spool, *entries: Entry) -> None:
    """As the saver does, and then let them leave memory."""
    rows = spool.write(entries)
    assert rows is not None
    for one, row in zip(entries, rows, strict=True):
        one.row = row
        spool.release(one)


def seqs(entries: list[Entry]) -> list[int | None]:
    return [one.message.seq for one in entries]


def test_what_is_written_is_read_as_it_was_after_reopening(tmp_path: Path) -> None:
    written = entry(1)
    with spool_at(tmp_path) as spool:
        store(spool, written)
    with spool_at(tmp_path) as spool:
        assert (spool.recovered, spool.on_disk) == (1, 1)
        (read,) = spool.read(10)
        assert read.message == written.message
        assert read.late
        assert spool.read(10) == []
        spool.forget(read)
    with spool_at(tmp_path) as spool:
        assert (spool.rows, spool.bytes, spool.on_disk) == (0, 0, 0)


def test_events_come_before_results_and_both_in_order(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        store(spool, *(entry(number) for number in range(5)))
        store(spool, entry(100, "event"), entry(101, "event"))
        assert seqs(spool.read(4)) == [100, 101, 0, 1]
        store(spool, entry(5))
        assert seqs(spool.read(4)) == [2, 3, 4, 5]


def test_what_is_held_is_not_read_until_it_is_released(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        held = entry(1)
        (held.row,) = spool.write([held]) or [0]
        store(spool, entry(2))
        assert seqs(spool.read(10)) == [2]
        assert spool.on_disk == 0
        spool.release(held)
        assert spool.on_disk == 1
        assert seqs(spool.read(10)) == [1]


def test_ids_are_never_used_again(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        store(spool, entry(1))
        (read,) = spool.read(1)
        spool.forget(read)
        spool.flush()
    with spool_at(tmp_path) as spool:
        rows = spool.write([entry(2)])
        assert rows is not None
        assert read.row is not None
        assert rows[0] > read.row


def test_the_oldest_result_goes_first_and_events_last(tmp_path: Path) -> None:
    drops: list[Kind] = []
    ledger = Ledger()
    size = entry(0).size_bytes
    with spool_at(tmp_path, drops, ledger, max_bytes=size * 10) as spool:
        store(spool, entry(100, "event"), *(entry(number) for number in range(9)))
        store(spool, *(entry(number) for number in range(9, 12)))
        assert drops == ["result"] * 3
        assert ledger.gaps() == (Gap(epoch=3, first=0, last=2, count=3, reason="spool full"),)
        assert spool.bytes <= size * 10
        for number in range(101, 115):
            store(spool, entry(number, "event"))
        assert drops == ["result"] * 12 + ["event"] * 5
        assert [(gap.first, gap.last) for gap in ledger.gaps()] == [(0, 11), (100, 104)]


def test_each_class_has_bounds_of_its_own(tmp_path: Path) -> None:
    drops: list[Kind] = []
    size = entry(0).size_bytes
    classes: dict[Kind, Bounds] = {
        "event": Bounds(max_bytes=size * 3, max_age_s=1e6),
        "metric": Bounds(max_bytes=size * 2, max_age_s=1e6),
    }
    with spool_at(tmp_path, drops, max_bytes=size * 10, classes=classes) as spool:

        def store_each(kind: Kind, count: int) -> None:
            for number in range(count):
                store(spool, entry(number, kind))

        store_each("metric", 5)
        assert drops == ["metric"] * 3
        store_each("event", 5)
        assert drops == ["metric"] * 3 + ["event"] * 2
        store_each("result", 8)
        assert drops[5:] == ["metric"] * 2 + ["result"]  # the least valuable first, when all is full
        assert spool.rows == 10
    with spool_at(tmp_path, drops, max_bytes=size * 10, classes=classes) as spool:
        assert spool.rows == 10
        assert seqs(spool.read(20)) == [2, 3, 4, *range(1, 8)]


def test_a_gap_is_on_disk_with_the_transaction_that_drops(tmp_path: Path) -> None:
    """A kill at any moment leaves the messages or the record of their loss."""
    size = entry(0).size_bytes
    with spool_at(tmp_path, max_bytes=size * 4) as spool:
        for number in range(10):
            store(spool, entry(number))
        copied = tmp_path / "after-a-kill"
        copied.mkdir()
        for file in tmp_path.glob("spool.db*"):
            shutil.copy(file, copied)
        with spool_at(copied, ledger=(found := Ledger())) as again:
            assert seqs(again.read(10)) == [6, 7, 8, 9]
        assert found.gaps() == (Gap(epoch=3, first=0, last=5, count=6, reason="spool full"),)
        assert found.epochs() == (Reached(epoch=3, last=9),)


def test_a_spool_of_an_older_agent_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "spool.db")) as db:
        db.executescript("""
            CREATE TABLE messages (
                id INTEGER PRIMARY KEY, rank INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
                content_type TEXT, correlation BLOB, properties TEXT, epoch INTEGER, seq INTEGER,
                size INTEGER NOT NULL, clock_s REAL NOT NULL
            ) STRICT;
            CREATE TABLE totals (
                only INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
                next_id INTEGER NOT NULL, clock_s REAL NOT NULL
            ) STRICT;
            CREATE TABLE gaps (epoch INTEGER, first INTEGER, last INTEGER, reason TEXT) STRICT;
            INSERT INTO totals VALUES (1, 2, 160, 8, 5.0);
            INSERT INTO messages VALUES (6, 1, 'd/x/result', x'31', NULL, NULL, NULL, 2, 40, 80, 1.0);
            INSERT INTO messages VALUES (7, 0, 'd/x/event', x'32', NULL, NULL, NULL, 2, 41, 80, 1.0);
        """)
        db.commit()
    with spool_at(tmp_path) as spool:
        assert (spool.rows, spool.bytes, spool.errors) == (2, 160, 0)
        assert seqs(spool.read(10)) == [41, 40]
        (row,) = spool.write([entry(1)]) or [0]
        assert row == 8


def test_age_does_not_follow_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drops: list[Kind] = []
    ledger = Ledger()
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now)  # type: ignore[attr-defined]
    monkeypatch.setattr(module.time, "time", lambda: 4e9)  # type: ignore[attr-defined]
    with spool_at(tmp_path, drops, max_age_s=60) as spool:
        store(spool, entry(1))
        now += 50
        store(spool, entry(2))
    now = 5.0  # another boot
    with spool_at(tmp_path, drops, ledger, max_age_s=60) as spool:
        spool.flush()
        assert not drops
        now += 20
        spool.flush()
        assert [(gap.first, gap.last, gap.reason) for gap in ledger.gaps()] == [(1, 1, "too old")]
        assert seqs(spool.read(10)) == [2]


def test_dead_letters_are_kept(tmp_path: Path) -> None:
    letter = entry(1).message
    with spool_at(tmp_path) as spool:
        spool.keep_dead([(letter, "Not authorized (0x87)")])
    with spool_at(tmp_path) as spool:
        ((kept, reason),) = spool.dead()
        assert (kept.topic, kept.payload, kept.seq) == (letter.topic, letter.payload, 1)
        assert reason == "Not authorized (0x87)"


@pytest.mark.parametrize(
    "damage", [lambda file: file.write(b"not a database"), lambda file: file.truncate(5_000)]
)
def test_a_corrupt_file_is_set_aside(tmp_path: Path, damage: Callable[[object], object]) -> None:
    with spool_at(tmp_path) as spool:
        store(spool, *(entry(number, size=1_000) for number in range(100)))
    with (tmp_path / "spool.db").open("r+b") as file:
        damage(file)
    with spool_at(tmp_path) as spool:
        assert (spool.on_disk, spool.errors) == (0, 1)
        store(spool, entry(7))
        assert seqs(spool.read(10)) == [7]
    assert (tmp_path / "spool.db.corrupt").exists()


def test_a_file_that_turns_out_corrupt_later_loses_nothing_that_is_in_memory(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        store(spool, *(entry(number, size=1_000) for number in range(20_000)))
    with (tmp_path / "spool.db").open("r+b") as file:  # larger than what is checked at the start
        file.seek(8 * 4_096)
        file.write(os.urandom(4_096 * 3_000))
    with spool_at(tmp_path) as spool:
        assert spool.on_disk == 20_000
        held = entry(99_999)
        (held.row,) = spool.write([held]) or [0]
        while spool.errors == 0:
            spool.read(500)
        lost = spool.take_lost()
        assert held in lost
        assert all(one.row is None for one in lost)
        assert spool.write([held]) is not None


def test_a_folder_that_cannot_be_written_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "spool.db").mkdir()
    with spool_at(tmp_path) as spool:
        assert spool.write([entry(1)]) is None
        assert not spool.works
        assert spool.read(1) == []
        spool.flush()


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    with spool_at(tmp_path) as first:
        store(first, entry(1))
        with spool_at(tmp_path) as second:
            assert second.write([entry(2)]) is None
        assert seqs(first.read(5)) == [1]


def test_a_database_that_is_full_refuses_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_file, "RETRY_S", 0.0)
    with spool_at(tmp_path) as spool:
        store(spool, *(entry(number, size=1_000) for number in range(10)))
        db = spool._file._db
        assert db is not None
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        assert spool.write([entry(11, size=100_000)]) is None
        for one in spool.read(10):
            spool.forget(one)
        spool.flush()
        assert spool.on_disk == 0
        db.execute("PRAGMA max_page_count = 100000")
        assert spool.write([entry(11, size=100_000)]) is not None


def test_a_million_rows_open_at_once(tmp_path: Path) -> None:
    with spool_at(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "spool.db", isolation_level=None) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO messages WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)"
            " SELECT i, 1, 'd/x/result', x'00', NULL, NULL, NULL, 1, i, 60, 0.0 FROM n"
        )
        db.execute("UPDATE totals SET next_id = 1000001")
        db.execute("INSERT OR REPLACE INTO sums VALUES (1, 1000000, 60000000)")
        db.execute("COMMIT")
    db.close()
    began = time.monotonic()
    with spool_at(tmp_path) as spool:
        first = spool.read(64)
        took_s = time.monotonic() - began
        assert seqs(first) == list(range(1, 65))
        assert took_s < 0.1


def test_a_disk_that_has_failed_is_tried_once_more_when_it_matters(tmp_path: Path) -> None:
    ledger = Ledger()
    with spool_at(tmp_path, ledger=ledger) as spool:
        store(spool, entry(1))
        spool._file._failed(sqlite3.OperationalError("disk I/O error"))
        ledger.dropped(3, 2, "refused")
        spool.flush()
        assert ledger.is_dirty  # the disk is left alone for a while
        spool.insist()
        spool.flush()
        assert not ledger.is_dirty
