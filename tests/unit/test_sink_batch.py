"""What becomes of a batch, whatever `send` does."""

from collections.abc import Sequence
from typing import Any

import pytest

from agent.errors import SinkBusyError, SinkRefusedError
from agent.sink.base import Item
from agent.sink.batch import Outcome, hand_over


def items(count: int) -> list[Item]:
    return [
        Item(epoch=1, seq=seq, stream="door", algorithm="a", replay=False, payload=b"\x80")
        for seq in range(1, count + 1)
    ]


class Scripted:
    """A `send` that refuses some seqs for good, and fails from one on."""

    def __init__(self, *, bad: Sequence[int] = (), fails_at: int | None = None) -> None:
        self.bad = bad
        self.fails_at = fails_at
        self.taken: list[int] = []
        self.calls = 0

    def send(self, batch: Sequence[Item]) -> None:
        assert batch
        seqs = [item.seq for item in batch]
        if set(self.bad) & set(seqs):
            raise SinkRefusedError("not to my taste")
        if self.fails_at is not None and self.fails_at in seqs:
            raise OSError(28, "No space left on device")
        self.taken += seqs


def run(script: Scripted, count: int) -> Outcome:
    def before() -> None:
        script.calls += 1

    return hand_over(script.send, items(count), before)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_all_is_delivered_in_one_call(count: int) -> None:
    script = Scripted()
    assert run(script, count) == Outcome(settled=count)
    assert (script.taken, script.calls) == (list(range(1, count + 1)), 1)


@pytest.mark.parametrize("bad", [(1,), (4,), (7,), (1, 7), (3, 4), (1, 2, 3, 4, 5, 6, 7)])
def test_only_culprits_are_refused_and_order_is_kept(bad: tuple[int, ...]) -> None:
    script = Scripted(bad=bad)
    outcome = run(script, 7)
    assert outcome.settled == 7
    assert outcome.refused == tuple((seq - 1, "not to my taste") for seq in bad)
    assert script.taken == [seq for seq in range(1, 8) if seq not in bad]
    assert script.calls <= 2 * 7 - 1


def test_one_culprit_among_many_costs_few_calls() -> None:
    script = Scripted(bad=[500])
    assert run(script, 1_000).refused == ((499, "not to my taste"),)
    assert script.calls <= 21


def test_what_fails_ends_the_batch_and_what_was_settled_stays_settled() -> None:
    script = Scripted(bad=[2], fails_at=6)
    outcome = run(script, 8)
    assert outcome.refused == ((1, "not to my taste"),)
    assert (outcome.settled, script.taken) == (4, [1, 3, 4])
    assert outcome.error == "OSError: [Errno 28] No space left on device"
    assert "in send" in outcome.trace


def test_named_items_are_refused_and_the_others_count_as_delivered() -> None:
    def send(batch: Sequence[Item]) -> None:
        raise SinkRefusedError("two of them", items=[batch[1], batch[3]])

    outcome = hand_over(send, items(5), lambda: None)
    assert outcome == Outcome(settled=5, refused=((1, "two of them"), (3, "two of them")))


@pytest.mark.parametrize("asked", ["soon", float("nan"), float("inf"), -1, None])
def test_nonsense_about_when_to_come_back_is_none(asked: Any) -> None:  # noqa: ANN401  of any type
    def send(_: Sequence[Item]) -> None:
        raise SinkBusyError("later \ud800" + "x" * 5_000, asked)

    outcome = hand_over(send, items(1), lambda: None)
    assert outcome.retry_after_s is None
    assert outcome.error.encode("utf-8")[:7] == b"later ?"
    assert len(outcome.error) == 1_000


def test_result_that_cannot_be_read_is_refused_alone() -> None:
    broken = Item(epoch=1, seq=9, stream="door", algorithm="a", replay=False, payload=b"\xc1")
    taken: list[bytes] = []
    outcome = hand_over(
        lambda batch: taken.extend([item.json for item in batch]), [*items(2), broken], lambda: None
    )
    assert outcome.settled == 3
    assert [index for index, _ in outcome.refused] == [2]
    assert "not readable as msgpack" in outcome.refused[0][1]
    assert taken == [b"{}", b"{}"]


def test_busy_says_when_to_come_back() -> None:
    def send(_: Sequence[Item]) -> None:
        raise SinkBusyError("later", 7.5)

    outcome = hand_over(send, items(2), lambda: None)
    assert outcome == Outcome(settled=0, error="later", retry_after_s=7.5)


class MuteError(SinkRefusedError):
    """One whose author made a mistake."""

    def __str__(self) -> str:
        raise LookupError("no words")


def test_answer_that_raises_when_it_is_read_fails_the_batch() -> None:
    def send(_: Sequence[Item]) -> None:
        raise MuteError("x")

    outcome = hand_over(send, items(2), lambda: None)
    assert (outcome.settled, outcome.error) == (0, "LookupError: no words")


@pytest.mark.parametrize("named", [5, [], [object()]])
def test_items_that_do_not_name_the_culprit_have_the_batch_halved(named: Any) -> None:  # noqa: ANN401
    taken: list[int] = []

    def send(batch: Sequence[Item]) -> None:
        if any(item.seq == 2 for item in batch):
            raise SinkRefusedError("no", items=named)
        taken.extend(item.seq for item in batch)

    outcome = hand_over(send, items(3), lambda: None)
    assert (outcome.settled, outcome.refused, taken) == (3, ((1, "no"),), [1, 3])
