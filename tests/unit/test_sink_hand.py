"""What a sink has in hand, played through with results that end processes."""

import time

import pytest

from agent.delivery.backlog import Entry
from agent.delivery.messages import Outgoing
from agent.delivery.sink_batch import BATCH_BYTES, SinkBatch


def entry(seq: int, *, size: int = 10, late: bool = False) -> Entry:
    message = Outgoing(topic="door/heads", payload=bytes(size), kind="result", epoch=1, seq=seq)
    return Entry(message, time.monotonic(), message.size_bytes, late=late)


def seqs(entries: list[Entry]) -> list[int | None]:
    return [one.message.seq for one in entries]


def play(count: int, poison: set[int], *, broken_until: int = 0, batch_max: int = 10) -> dict[str, list[int]]:
    """Deliver results 1 to `count` to a sink that dies of `poison`, and of anything in its first tries."""
    hand, waiting, tries = SinkBatch(batch_max), list(range(1, count + 1)), 0
    out: dict[str, list[int]] = {"delivered": [], "dead": []}
    while waiting or len(hand):
        while hand.room and waiting:
            hand.add(entry(waiting.pop(0)))
        sent = [int(seq or 0) for seq in seqs(hand.send())]
        tries += 1
        assert tries < 1_000, "no end"
        if tries <= broken_until or poison & set(sent):
            culprit = hand.ended(by_itself=True)
            out["dead"] += [int(culprit.message.seq or 0)] if culprit is not None else []
            if not waiting and len(hand) == 1 and poison >= {int(seq or 0) for seq in seqs(hand.send())}:
                break  # the last of all: nothing behind it can show that the sink is well
        else:
            assert seqs(hand.settle(len(sent))) == sent
            out["delivered"] += sent
    return out


def test_healthy_sink_gets_whole_batches_in_order() -> None:
    assert play(35, set()) == {"delivered": list(range(1, 36)), "dead": []}


@pytest.mark.parametrize("batch_max", [1, 2, 10, 100])
def test_culprits_are_found_and_nothing_else_is_lost(batch_max: int) -> None:
    out = play(40, {1, 7, 8, 9, 30}, batch_max=batch_max)
    assert out["dead"] == [1, 7, 8, 9, 30]
    assert sorted(out["delivered"]) == [seq for seq in range(1, 41) if seq not in {1, 7, 8, 9, 30}]


def test_order_is_kept_but_for_the_one_behind_a_suspect() -> None:
    out = play(20, {5})
    assert out == {"delivered": [1, 2, 3, 4, *range(6, 21)], "dead": [5]}


def test_sink_that_is_broken_altogether_costs_no_result() -> None:
    out = play(25, set(), broken_until=17)
    assert out["dead"] == []
    assert sorted(out["delivered"]) == list(range(1, 26))


def test_last_result_is_not_given_up_without_proof() -> None:
    assert play(3, {3})["dead"] == []


def test_processes_ended_from_outside_are_no_fault_of_a_result() -> None:
    hand = SinkBatch(10)
    for seq in (1, 2, 3):
        hand.add(entry(seq))
    for _ in range(10):
        hand.send()
        assert hand.ended(by_itself=False) is None
    assert seqs(hand.send()) == [1], "one by one: a batch may be too large for the time it has"
    hand.settle(1)
    assert seqs(hand.send()) == [2]
    hand.settle(1)
    hand.send()
    hand.settle(1)
    for seq in (4, 5):
        hand.add(entry(seq))
    assert seqs(hand.send()) == [4, 5]


def test_when_a_batch_is_sent() -> None:
    hand = SinkBatch(2)
    assert hand.due_s(1.0) is None
    one = entry(1)
    hand.add(one)
    assert hand.due_s(1.0) == one.accepted_s + 1.0
    hand.add(entry(2))
    assert (hand.due_s(1.0), hand.room) == (0.0, False)
    late = SinkBatch(2)
    late.add(entry(1, late=True))
    assert late.due_s(1.0) == 0.0
    large = SinkBatch(100)
    large.add(entry(1, size=BATCH_BYTES))
    assert (large.due_s(1.0), large.room) == (0.0, False)


def test_what_failed_goes_again_as_it_was() -> None:
    hand = SinkBatch(10)
    for seq in (1, 2, 3):
        hand.add(entry(seq))
    hand.send()
    assert seqs(hand.settle(1)) == [1]
    assert hand.due_s(60.0) == 0.0
    assert seqs(hand.send()) == [2, 3]


def test_what_is_tried_again_does_not_grow() -> None:
    hand = SinkBatch(10)
    hand.add(entry(1))
    hand.send()
    hand.settle(0)
    assert not hand.room
    hand.send()
    hand.settle(1)
    assert hand.room
