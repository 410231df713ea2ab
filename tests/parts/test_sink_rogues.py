"""Sinks that raise, hang, exit, leak, crash and cannot be opened: ended, and started again."""

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.contract.status import SinkState
from agent.delivery import sink_courier
from tests.foreign_sinks import ORDERED, install
from tests.parts.sunk import sunk
from tests.receiver import Answer, Receiver
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(tmp_path / "site", "ordered", ORDERED, {"ordered": "ordered:Ordered"})
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinks that cannot run as they are configured are tried again at once."""
    monkeypatch.setattr(sink_courier, "REFUSED_S", 0.1)


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
        eventually(lambda: words in (out.status.error or ""), 20.0)  # gone when the next one works
        assert out.status.crashes >= 1
        out.order("")
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
        assert [(gap.first, gap.last) for gap in status.gaps] == [(7, 7)]
        assert "ends the sink's process" in reason
        assert "SIGSEGV" in reason


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


def test_batch_that_failed_is_the_same_again_although_more_has_come(tmp_path: Path) -> None:
    working = threading.Event()
    tries: list[tuple[str, bytes]] = []

    def answer(request: Any) -> Answer:  # noqa: ANN401
        tries.append((request.headers["idempotency-key"], request.body))
        return Answer(status=200 if working.is_set() else 503)

    with Receiver(answer) as receiver, sunk(tmp_path, kind="webhook", params={"url": receiver.url}) as out:
        out.put(1, 2, 3)
        eventually(lambda: out.status.state is SinkState.RETRYING, 20.0)
        out.put(4, 5)
        failed = len(tries)
        eventually(lambda: len(tries) > failed, 20.0)
        working.set()
        out.wait_empty()
    again = [body for key, body in tries if key == tries[0][0]]
    assert len(again) >= 3, "the failed ones, and the one that went well"
    assert set(again) == {tries[0][1]}
