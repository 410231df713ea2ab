"""Delivery to a sink in a real process: whatever that does, nothing that was accepted is lost unnamed."""

import sqlite3
from pathlib import Path

import pytest

from agent.config.sinks import SinkConfig
from agent.contract.status import SinkState
from agent.delivery.sink_delivery import spool_path
from tests.foreign_sinks import ORDERED, install
from tests.parts.sunk import sunk
from tests.waiting import eventually

PAYLOAD_BYTES = 1_000


@pytest.fixture(autouse=True)
def _packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(tmp_path / "site", "ordered", ORDERED, {"ordered": "ordered:Ordered"})
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.parametrize("durability", ["lazy", "strict"])
def test_outage_delays_and_loses_nothing(tmp_path: Path, durability: str) -> None:
    with sunk(tmp_path, durability=durability) as out:
        eventually(lambda: out.status.state is SinkState.RUNNING, 20.0)
        out.put(*range(1, 11))
        eventually(lambda: len(out.taken()) == 10)
        out.order("raise")
        out.put(*range(11, 511))
        eventually(lambda: out.status.state is SinkState.RETRYING)
        assert out.status.error == "ConnectionError: nobody there"
        assert out.status.retry_in_s is not None
        out.put(*range(511, 1_011))
        eventually(lambda: out.status.failures >= 2)
        assert out.status.crashes == 0, "a process that only raises is kept"
        out.order("")
        out.wait_empty()
        assert out.seqs() == list(range(1, 1_011))
        late = {seq for _, seq, replay in out.taken() if replay}
        assert set(range(511, 1_011)) <= late
        assert not late & set(range(1, 11))
        eventually(lambda: out.status.state is SinkState.RUNNING)


def test_refused_results_are_dead_letters_also_after_a_restart(tmp_path: Path) -> None:
    bad = [3, 50, 51]
    with sunk(tmp_path, params={"folder": str(tmp_path), "bad": bad}) as out:
        out.put(*range(1, 101))
        assert out.wait_empty().dead == 3
        assert out.seqs() == [seq for seq in range(1, 101) if seq not in bad]
    with sunk(tmp_path) as out:
        eventually(lambda: len(out.delivery.dead_letters()) == 3)
        assert [letter.seq for letter, _ in out.delivery.dead_letters()] == bad
        assert {reason for _, reason in out.delivery.dead_letters()} == {"not to my taste"}


def test_full_spool_drops_the_oldest_and_names_them(tmp_path: Path) -> None:
    with sunk(tmp_path, max_bytes=1_048_576, durability="strict") as out:
        out.order("raise")
        out.child()
        for base in range(1, 4_001, 100):
            out.put(*range(base, base + 100), size=PAYLOAD_BYTES)
            eventually(
                lambda upto=base + 99: out.delivery._desk.counters().disk_writes == upto  # type: ignore[misc]
            )
        assert out.status.dropped > 1_000
        eventually(lambda: out.status.disk_bytes <= 1_048_576)
        out.order("")
        status = out.wait_empty()
        missing = {seq for gap in out.delivery.gaps() for seq in range(gap.first, gap.last + 1)}
        assert {gap.epoch for gap in out.delivery.gaps()} == {1}
        assert sorted({*out.seqs(), *missing}) == list(range(1, 4_001))
        assert not missing & set(out.seqs())
        assert status.dropped == len(missing)
        assert [gap.reason for gap in status.gaps] == ["spool full"] * len(status.gaps)
        assert status.gaps
        assert out.seqs() == sorted(out.seqs())
        assert out.seqs()[-1] == 4_000


@pytest.mark.parametrize("durability", ["lazy", "strict"])
def test_what_waits_outlives_the_agent(tmp_path: Path, durability: str) -> None:
    with sunk(tmp_path, durability=durability) as out:
        out.order("raise")
        out.put(*range(1, 301))
        eventually(lambda: out.status.state is SinkState.RETRYING, 20.0)
    with sunk(tmp_path, durability=durability) as out:
        out.order("")
        eventually(lambda: out.status.recovered == 300)
        out.put(*range(1, 51), epoch=2)
        out.wait_empty()
        assert [(epoch, seq) for epoch, seq, _ in out.taken()] == [
            *((1, seq) for seq in range(1, 301)),
            *((2, seq) for seq in range(1, 51)),
        ]
        assert all(replay for epoch, _, replay in out.taken() if epoch == 1)


def test_corrupt_spool_is_set_aside(tmp_path: Path) -> None:
    with sunk(tmp_path) as out:
        out.order("raise")
        out.put(*range(1, 101))
        eventually(lambda: out.status.state is SinkState.RETRYING, 20.0)
    path = spool_path(tmp_path / "state", "out")
    with sqlite3.connect(path) as db:  # so that nothing is in the log beside it
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    path.write_bytes(path.read_bytes()[:4_096] + b"\xa5" * 8_192)
    with sunk(tmp_path) as out:
        out.order("")
        out.put(*range(1, 11), epoch=2)
        out.wait_empty()
        assert [(epoch, seq) for epoch, seq, _ in out.taken()] == [(2, seq) for seq in range(1, 11)]
    assert path.with_name(f"{path.name}.corrupt").exists()


def test_filters() -> None:
    config = SinkConfig(id="x", kind="file", streams=("door",), algorithms=("*",))
    assert config.wants("door", "heads")
    assert not config.wants("yard", "heads")
    config = SinkConfig(id="x", kind="file", algorithms=("heads",))
    assert config.wants("yard", "heads")
    assert not config.wants("yard", "plates")


def test_healthy_sink_gets_all_in_order_and_costs_no_disk(tmp_path: Path) -> None:
    with sunk(tmp_path) as out:
        eventually(lambda: out.status.state is SinkState.RUNNING, 20.0)
        for base in range(1, 1_001, 50):
            out.put(*range(base, base + 50))
        status = out.wait_empty()
        assert out.taken() == [(1, seq, 0) for seq in range(1, 1_001)]
        assert (status.disk_bytes, status.failures, status.crashes) == (0, 0, 0)
        assert out.delivery._desk.counters().disk_writes == 0
        assert max(out.batches()) <= 100
        assert out.delivery.gaps() == ()
