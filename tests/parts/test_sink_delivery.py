"""Delivery to a sink in a real process: whatever that does, nothing that was accepted is lost unnamed."""

import asyncio
import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.config.secret import Secrets
from agent.config.sinks import SinkConfig
from agent.contract.status import SinkState, SinkStatus
from agent.delivery import sink_courier
from agent.delivery.messages import Outgoing
from agent.delivery.sink_delivery import SinkDelivery, Sinks, spool_path
from agent.supervise.sinks import SinkStarter
from tests.foreign_sinks import ORDERED, install
from tests.parts.sink_items import envelope
from tests.receiver import Answer, Receiver
from tests.waiting import eventually

PAYLOAD_BYTES = 1_000


@pytest.fixture(autouse=True)
def _packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(tmp_path / "site", "ordered", ORDERED, {"ordered": "ordered:Ordered"})
    monkeypatch.syspath_prepend(str(folder))


class Sunk:
    """One sink that runs, with what the test asks of it."""

    def __init__(self, delivery: SinkDelivery, folder: Path) -> None:
        self.delivery = delivery
        self.folder = folder

    def put(self, *seqs: int, epoch: int = 1, size: int = 0) -> None:
        for seq in seqs:
            payload = envelope(seq, epoch=epoch, data="x" * size)
            self.delivery.put(
                Outgoing(topic="door/heads", payload=payload, kind="result", epoch=epoch, seq=seq)
            )

    def order(self, what: str) -> None:
        (self.folder / "order.new").write_text(what, encoding="utf-8")
        (self.folder / "order.new").rename(self.folder / "order")

    def taken(self) -> list[tuple[int, int, int]]:
        """Epoch, seq and replay of each result that was taken, in that order."""
        path = self.folder / "taken"
        text = path.read_text("utf-8") if path.exists() else ""
        found = re.findall(r"^(\d+) (\d+) (\d+)\n", text, re.MULTILINE)
        return [(int(epoch), int(seq), int(replay)) for epoch, seq, replay in found]

    def seqs(self) -> list[int]:
        return [seq for _, seq, _ in self.taken()]

    def batches(self) -> list[int]:
        """How many results each call was given."""
        path = self.folder / "calls"
        text = path.read_text("utf-8") if path.exists() else ""
        return [int(line.split()[1]) for line in text.splitlines()]

    @property
    def status(self) -> SinkStatus:
        return self.delivery.status()

    def child(self) -> psutil.Process:
        """The sink's process."""

        def find() -> psutil.Process | None:
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.name() == f"vd:{self.delivery.config.id}":
                        return process
                except psutil.NoSuchProcess:
                    continue
            return None

        found = eventually(find, 20.0, "the sink's process")
        assert found is not None
        return found

    def wait_empty(self, timeout_s: float = 30.0) -> SinkStatus:
        """Until all is settled, and accounted for."""
        eventually(lambda: self.status.waiting == 0, timeout_s, "nothing waits")
        status = self.status
        out = status.delivered + status.dropped + status.dead
        assert status.accepted + status.recovered == out
        return status


@contextmanager
def sunk(folder: Path, **keys: Any) -> Iterator[Sunk]:  # noqa: ANN401  keys of [[sinks]]
    """A sink with these keys, by default of the kind `ordered`; its event loop runs in a thread."""
    settings: dict[str, Any] = {
        "id": "out",
        "kind": "ordered",
        "batch_wait_s": 0.05,
        "params": {"folder": str(folder)},
    }
    config = SinkConfig.model_validate(settings | keys)
    secrets = Secrets(folder / "secrets", environ={})
    made: Future[SinkDelivery] = Future()
    end: list[Callable[[], object]] = []

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        end.append(lambda: loop.call_soon_threadsafe(stop.set))
        starter = SinkStarter(config, "gate-7", secrets, lambda: ("error", "json"))
        delivery = SinkDelivery(config, folder / "state", starter, redact=secrets.redact)
        async with Sinks([delivery]):
            made.set_result(delivery)
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield Sunk(made.result(20), folder)
    finally:
        end[0]()
        thread.join()


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinks that cannot run as they are configured are tried again at once."""
    monkeypatch.setattr(sink_courier, "REFUSED_S", 0.1)


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


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("hang", "no answer within timeout_s: killed"),
        ("hang-fork", "no answer within timeout_s: killed"),
        ("exit", "its process ended with exit code 3"),
        ("leak", "memory_max is 105 MB: killed"),
    ],
)
def test_rogue_is_ended_and_started_again(tmp_path: Path, order: str, words: str) -> None:
    with sunk(tmp_path, timeout_s=1.0 if order != "leak" else 30.0, memory_max=105_000_000) as out:
        eventually(lambda: out.status.state is SinkState.RUNNING, 20.0)
        first = out.child().pid
        out.order(order)
        out.put(*range(1, 6))
        eventually(lambda: out.status.crashes >= 1, 20.0)
        out.order("")
        assert words in (out.status.error or "")
        out.wait_empty()
        assert (out.seqs(), out.status.dead) == ([1, 2, 3, 4, 5], 0)
        assert out.child().pid != first
        # What it had in hand was sent one by one: one of them might have been the culprit.
        assert out.batches()[0] == 5
        assert 1 in out.batches()


def test_slow_sink_gets_on_although_no_batch_fits_into_its_time(tmp_path: Path) -> None:
    with sunk(tmp_path, timeout_s=1.0) as out:
        eventually(lambda: out.status.state is SinkState.RUNNING, 20.0)
        out.order("slow")
        out.put(*range(1, 13))
        eventually(lambda: len(out.taken()) >= 12, 30.0)
        assert sorted(set(out.seqs())) == list(range(1, 13))


def test_result_that_ends_the_process_is_put_aside(tmp_path: Path) -> None:
    with sunk(tmp_path, params={"folder": str(tmp_path), "poison": 7}) as out:
        out.put(*range(1, 21))
        status = out.wait_empty()
        assert out.seqs() == [seq for seq in range(1, 21) if seq != 7]
        assert status.dead == 1
        ((letter, reason),) = out.delivery.dead_letters()
        assert letter.seq == 7
        assert "ends the sink's process" in reason
        assert "SIGSEGV" in reason


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


def test_killed_processes_lose_nothing(tmp_path: Path) -> None:
    dice = random.Random(1)  # noqa: S311
    with sunk(tmp_path, batch_max=7, durability="strict") as out:
        for round_ in range(5):
            out.put(*range(1 + 100 * round_, 101 + 100 * round_))
            enough = min(len(out.taken()) + dice.randint(1, 60), 100 * (round_ + 1))
            eventually(lambda upto=enough: len(out.taken()) >= upto, 30.0)  # type: ignore[misc]
            out.child().kill()
        status = out.wait_empty()
        assert sorted(set(out.seqs())) == list(range(1, 501))
        assert (status.dead, status.dropped) == (0, 0)
        assert status.crashes >= 1


def test_open_that_raises_is_tried_again_and_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "word").write_text("hunter2-secret", encoding="utf-8")
    (tmp_path / "order").write_text("shut", encoding="utf-8")
    folder = tmp_path / "hunter2-secret"  # the parameter has the secret in it
    folder.symlink_to(tmp_path)
    with sunk(tmp_path, params={"folder": str(tmp_path / "{secret:word}")}) as out:
        out.put(1, 2, 3)
        eventually(lambda: out.status.failures >= 2, 20.0)
        assert out.status.error == "ConnectionError: password *** is not to my taste"
        out.order("")
        out.wait_empty()
        assert out.seqs() == [1, 2, 3]


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"kind": "orderd"}, "no sink kind 'orderd'; did you mean 'ordered'?"),
        ({"params": {}}, "params.folder: is missing"),
        ({"params": {"folder": "{secret:none}"}}, "secret 'none' is not there"),
    ],
)
def test_sink_that_cannot_run_is_refused_and_keeps_what_is_for_it(
    tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    with sunk(tmp_path, **keys) as out:
        out.put(1, 2, 3)
        eventually(lambda: out.status.state is SinkState.REFUSED, 20.0)
        assert words in (out.status.error or "")
        eventually(lambda: out.status.failures >= 2, 20.0)
        assert out.status.crashes == 0
    with sunk(tmp_path) as out:
        eventually(lambda: out.seqs() == [1, 2, 3], 20.0)
        assert out.wait_empty().recovered == 3


def test_asked_to_wait_it_waits_but_not_for_ever(tmp_path: Path) -> None:
    with sunk(tmp_path) as out:
        out.order("busy")
        out.put(1)
        eventually(lambda: out.status.state is SinkState.RETRYING, 20.0)
        assert out.status.retry_in_s is not None
        assert 200 < out.status.retry_in_s <= sink_courier.MAX_RETRY_AFTER_S


def test_filters() -> None:
    config = SinkConfig(id="x", kind="file", streams=("door",), algorithms=("*",))
    assert config.wants("door", "heads")
    assert not config.wants("yard", "heads")
    config = SinkConfig(id="x", kind="file", algorithms=("heads",))
    assert config.wants("yard", "heads")
    assert not config.wants("yard", "plates")


def test_webhook_survives_a_server_with_every_fault(tmp_path: Path) -> None:
    """Refuses, hangs, fails, hangs up, refuses one result for good: nothing else is lost."""
    faults = iter(
        [
            Answer(status=500),
            Answer(hang=True),
            Answer(hang_up=True),
            Answer(status=429, headers={"Retry-After": "0"}),
            Answer(status=404),
        ]
    )

    def answer(request: Any) -> Answer:  # noqa: ANN401
        fault = next(faults, None)
        if fault is not None:
            return fault
        return Answer(status=422 if any(result["seq"] == 33 for result in request.results) else 200)

    with Receiver(answer) as receiver:
        params = {"url": receiver.url, "read_timeout_s": 0.3}
        with sunk(tmp_path, kind="webhook", params=params, durability="strict") as out:
            out.put(*range(1, 101))
            status = out.wait_empty(40.0)
            assert (status.delivered, status.dead) == (99, 1)
            assert status.failures == 5
        seqs = [result["seq"] for result in receiver.taken]
        assert seqs == [seq for seq in range(1, 101) if seq != 33]
