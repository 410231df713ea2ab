"""The store, on a real disk: what was committed is there after any end, and no epoch comes twice."""

import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.control import store as store_module
from agent.control.desired import Change, Changes
from agent.control.marks import KeptMarks, Mark
from agent.control.messages import Remembered
from agent.control.store import Store
from agent.errors import StateError

ROOT = Path(__file__).parents[2]
DOOR = StreamConfig(id="door", source="rtsp://{secret:door}@10.0.0.5/1", fps=5)
MOTION = AlgorithmConfig(id="m", kind="motion", size=(640, 360), params={"min_area": 0.5, "näme": [1, None]})
CHANGES = Changes(
    streams={"door": Change(config=DOOR, replaced="f1"), "yard": Change(config=None, replaced="f2")},
    algorithms={"m": Change(config=MOTION, replaced=None)},
    revision=9,
    digest="d",
)


class At:
    """A clock that stands, later than that of the machine."""

    def __init__(self, now_us: int = 4_000_000_000_000_000) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic_s(self) -> float:
        return self.us / 1e6


def _reply(number: int = 1, time_us: int = At().us) -> Remembered:
    return Remembered(id=f"c{number}", code=200, payload=b"\x00{}", content_type="x/y", time_us=time_us)


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    with Store(tmp_path / "state", clock=At()) as store:
        assert (store.epoch, store.changes, store.trouble) == (1, Changes(), None)
        store.commit(CHANGES, _reply())
        assert store.changes == CHANGES
        assert store.reply("c1") == _reply()
        assert store.reply("c2") is None
    with Store(tmp_path / "state", clock=At()) as store:
        assert store.epoch == 2
        assert store.changes == CHANGES
        assert list(store.changes.streams["door"].config or ()) == list(DOOR)
        assert store.reply("c1") == _reply()
        store.commit(None, _reply(2))
        assert store.changes == CHANGES
        fewer = Changes(streams={"yard": CHANGES.streams["yard"]}, revision=10, digest="e")
        store.commit(fewer)
    with Store(tmp_path / "state", clock=At()) as store:
        assert store.changes == fewer
        assert store.reply("c2") == _reply(2)


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Store(tmp_path / "a" / "state") as store:
            store.commit(CHANGES)
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "state").iterdir()
            }
    finally:
        os.umask(old)
    assert {"control.db", "control.db-wal", "epoch", "lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "a" / "state").stat().st_mode) == 0o700


def test_one_agent_a_folder(tmp_path: Path) -> None:
    with Store(tmp_path, clock=At()) as store:
        with (
            pytest.raises(StateError, match=rf"another agent \(process {os.getpid()}\)"),
            Store(tmp_path, clock=At()),
        ):
            pass
        store.commit(CHANGES)
    with Store(tmp_path, clock=At()) as store:
        assert (store.epoch, store.changes) == (2, CHANGES)


def _no_folder(path: Path) -> None:
    path.write_text("a file")


def _a_newer_schema(path: Path) -> None:
    path.mkdir()
    with sqlite3.connect(path / "control.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def _a_folder_as_database(path: Path) -> None:
    (path / "control.db").mkdir(parents=True)


@pytest.mark.parametrize("spoil", [_no_folder, _a_newer_schema, _a_folder_as_database])
def test_a_folder_that_cannot_be_used_is_an_error_and_is_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    state = tmp_path / "state"
    spoil(state)
    with pytest.raises(StateError, match="state") as caught, Store(state):
        pass
    assert caught.value.exit_code == 74
    assert not list(tmp_path.rglob("*.corrupt"))


def test_replies_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_REPLIES", 5)
    clock = At()
    with Store(tmp_path, clock=clock) as store:
        for number in range(8):
            store.commit(None, _reply(number, clock.us))
        assert [number for number in range(8) if store.reply(f"c{number}")] == [3, 4, 5, 6, 7]


def test_replies_outlive_a_clock_that_is_set_right(tmp_path: Path) -> None:
    clock = At(60_000_000)  # a minute after the machine without a clock of its own was switched on
    with Store(tmp_path, clock=clock) as store:
        store.commit(None, _reply(1, clock.us))
        clock.us = At().us
        store.commit(None, _reply(2, clock.us))
        clock.us = 60_000_000
        store.commit(None, _reply(3, clock.us))
        assert all(store.reply(f"c{number}") for number in (1, 2, 3))


def test_lost_epoch_is_not_taken_from_a_clock_that_is_wrong(tmp_path: Path) -> None:
    with Store(tmp_path, clock=At()):
        pass
    for name in ("epoch", "control.db"):
        _overwrite(name)(tmp_path)
    written_s = int((tmp_path / "control.db").stat().st_mtime)
    with Store(tmp_path, clock=At(60_000_000)) as store:
        assert store.epoch > written_s


def _overwrite(name: str) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        path = state / name
        path.write_bytes(b"\xff" * max(8192, path.stat().st_size))

    return spoil


def _tear_a_page(state: Path) -> None:
    path = state / "control.db"
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = bytes(byte ^ 0x5A for byte in content[4096:])
    path.write_bytes(content)


def _truncate(state: Path) -> None:
    os.truncate(state / "control.db", 5000)


def _remove(name: str) -> Callable[[Path], None]:
    return lambda state: (state / name).unlink()


def _both(*spoils: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        for each in spoils:
            each(state)

    return spoil


NOW_S = At().us // 1_000_000
# What happens to the folder of an agent that was started four times; the next epoch; whether changes go
SPOILT: list[tuple[str, Callable[[Path], None], int, bool]] = [
    ("nothing", lambda _: None, 5, False),
    ("the database is overwritten", _overwrite("control.db"), 5, True),
    ("a page is torn", _tear_a_page, 5, True),
    ("the database is cut short", _truncate, 5, True),
    ("the database is gone", _remove("control.db"), 5, True),
    ("the epoch is overwritten", _overwrite("epoch"), 5, False),
    ("the epoch is gone", _remove("epoch"), 5, False),
    ("both are overwritten", _both(_overwrite("epoch"), _overwrite("control.db")), NOW_S + 1, True),
    ("one is gone, one overwritten", _both(_remove("epoch"), _overwrite("control.db")), NOW_S + 1, True),
    ("one overwritten, one gone", _both(_overwrite("epoch"), _remove("control.db")), NOW_S + 1, True),
]


@pytest.mark.parametrize(
    ("spoil", "epoch", "lost"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT]
)
def test_the_epoch_grows_whatever_happens(
    tmp_path: Path,
    spoil: Callable[[Path], None],
    epoch: int,
    lost: bool,  # noqa: FBT001
) -> None:
    for number in range(1, 5):
        with Store(tmp_path, clock=At()) as store:
            assert store.epoch == number
            store.commit(CHANGES, _reply(number))
    spoil(tmp_path)
    aside = tmp_path / "control.db.corrupt"
    with Store(tmp_path, clock=At()) as store:
        assert store.epoch == epoch
        assert store.changes == (Changes() if lost else CHANGES)
        assert (store.trouble is not None) == aside.exists()
        store.commit(CHANGES, _reply(7))
    with Store(tmp_path, clock=At()) as store:
        assert (store.epoch, store.changes, store.trouble) == (epoch + 1, CHANGES, None)


def test_a_change_that_cannot_be_understood_is_left_out_and_kept(tmp_path: Path) -> None:
    with Store(tmp_path, clock=At()) as store:
        store.commit(CHANGES)
    database = sqlite3.connect(tmp_path / "control.db")
    with database:
        database.execute('UPDATE change SET config = \'{"id": "door", "later": 1}\' WHERE id = \'door\'')
    database.close()
    with Store(tmp_path, clock=At()) as store:
        assert store.changes.streams.keys() == {"yard"}
        store.commit(Changes(revision=10))
    database = sqlite3.connect(tmp_path / "control.db")
    assert database.execute("SELECT id FROM change").fetchall() == [("door",)]
    database.close()


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path, clock=At()) as store:
        store.commit(CHANGES, _reply(1))
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count = {pages}")  # as if the disk ended here
        large = Remembered(id="c2", code=200, payload=bytes(1 << 20), content_type="x", time_us=At().us)
        with pytest.raises(StateError, match="full"):
            store.commit(Changes(revision=10), large)
        assert store.changes == CHANGES
        assert store.reply("c2") is None
        store._writer.execute("PRAGMA max_page_count = 1000000")
        store.commit(Changes(revision=10), large)
    with Store(tmp_path, clock=At()) as store:
        assert store.changes == Changes(revision=10)
        assert store.reply("c2") == large


def test_reading_does_not_wait_for_writing(tmp_path: Path) -> None:
    with Store(tmp_path, clock=At()) as store:
        store.commit(None, _reply(1))
        store._writer.execute("BEGIN IMMEDIATE")
        assert store.reply("c1") == _reply(1)
        store._writer.execute("ROLLBACK")


def test_the_end_waits_for_a_commit(tmp_path: Path) -> None:
    store = Store(tmp_path, clock=At())
    started, errors = threading.Event(), []

    def write() -> None:
        try:
            for number in range(50):
                store.commit(None, _reply(number))
                started.set()
        except StateError as err:
            errors.append(str(err))

    with store:
        writer = threading.Thread(target=write)
        writer.start()
        assert started.wait(10)
    writer.join(10)
    with Store(tmp_path, clock=At()) as again:
        stored = [number for number in range(50) if again.reply(f"c{number}")]
    assert stored == list(range(len(stored)))
    assert bool(errors) == (len(stored) < 50)


def test_a_kill_at_any_time_leaves_change_and_reply_or_neither(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - moments to kill at
    said = 0
    for life in range(1, 9):
        command = [sys.executable, "-m", "tests.parts.store_writer", str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == f"ready {2 * life - 1}\n"
            for _ in range(chance.randrange(1, 60)):
                said = int(writer.stdout.readline())
            writer.kill()
            said = max([said, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        with Store(tmp_path, clock=At()) as store:
            assert (store.epoch, store.trouble) == (2 * life, None)
            last = store.changes.revision
            assert last in (said, said + 1)  # stored, and killed before it could say so
            assert store.reply(f"c{last}") is not None
            assert store.reply(f"c{last + 1}") is None
            for number in range(max(1, last - 6), last + 1):
                change = store.changes.streams[f"s{number % 7}"].config
                assert change is not None
                assert change.source == f"test://scene?seed={number}"
                reply = store.reply(f"c{number}")
                assert reply is not None
                assert reply.payload == f"{number}".encode() * 50


def _mark(number: int, expires_us: int) -> Mark:
    return Mark(id=f"ops/c{number}", digest=bytes(range(32)), expires_us=expires_us)


def test_signed_commands_are_remembered_until_they_expire_and_then_what_expired(tmp_path: Path) -> None:
    clock = At()
    now = clock.us
    first, second, third = _mark(1, now + 10), _mark(2, now + 20), _mark(3, now + 100)
    with Store(tmp_path, clock=clock) as store:
        assert store.marks == KeptMarks()
        store.commit(None, None, first)
        store.commit(CHANGES, _reply(), second)
    with Store(tmp_path, clock=clock) as store:
        assert store.marks == KeptMarks(marks=(first, second))
        assert (store.changes, store.reply("c1")) == (CHANGES, _reply())
        clock.us = now + 11
        store.commit(None, None, third)
    clock.us = now
    with Store(tmp_path, clock=clock) as store:  # the clock was set back: the first stays out all the same
        assert store.marks == KeptMarks(marks=(second, third), floor_us=now + 10)
        store.commit(None, None, _mark(4, now + 5))
        clock.us = now + 6
        store.commit(None, None, second)
    with Store(tmp_path, clock=clock) as store:  # the floor does not sink
        assert store.marks == KeptMarks(marks=(second, third), floor_us=now + 10)
        clock.us = now + 1000
        store.commit(None, None, _mark(5, now + 2000))
    with Store(tmp_path, clock=clock) as store:
        assert store.marks == KeptMarks(marks=(_mark(5, now + 2000),), floor_us=now + 100)


def test_a_memory_of_signed_commands_that_was_lost_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    clock = At()
    with Store(tmp_path, clock=clock) as store:
        store.commit(None, None, _mark(1, clock.us + 10))
    (tmp_path / "control.db").write_bytes(b"no database" * 1000)
    (tmp_path / "control.db-wal").unlink(missing_ok=True)
    with Store(tmp_path, clock=clock) as store:
        assert store.trouble is not None
        assert store.marks == KeptMarks(floor_us=clock.us + 3_600_000_000)
