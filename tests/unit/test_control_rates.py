"""How many commands a second: tokens that come back, and who shares them."""

from collections import Counter

import pytest

from agent.contract.commands import MAX_CLIENTS, QUIET_S
from agent.control.rates import Bucket, Passage, Rates


@pytest.mark.parametrize(
    ("rate", "calls"),
    [
        (
            2.0,
            [(0, True), (0, True), (0, True), (0, True), (0, False), (0.4, False), (0.5, True), (0.6, False)],
        ),
        (0.1, [(0, True), (0, False), (9.9, False), (10.1, True)]),
    ],
)
def test_tokens_come_back_with_time(rate: float, calls: list[tuple[float, bool]]) -> None:
    bucket = Bucket.full(rate, calls[0][0])
    for at_s, expected in calls:
        taken, bucket = bucket.taken(rate, at_s)
        assert taken is expected, at_s


def test_a_clock_that_steps_back_gives_no_tokens_and_takes_none() -> None:
    bucket = Bucket.full(1.0, 100.0)
    for at_s, expected in ((100.0, True), (50.0, True), (50.5, False), (51.0, True)):
        taken, bucket = bucket.taken(1.0, at_s)
        assert taken is expected, at_s


def passages(rates: Rates, client: str | None, count: int, now_s: float) -> Counter[Passage]:
    return Counter(rates.passage(client, now_s) for _ in range(count))


# Each line: clients that were there before, and what each of 100 messages of one more gets.
SHARES = [
    (0, {Passage.OBEYED: 40, Passage.REFUSED: 40, Passage.DROPPED: 20}),
    (3, {Passage.OBEYED: 40, Passage.REFUSED: 40, Passage.DROPPED: 20}),  # 20 a second each
    (9, {Passage.OBEYED: 18, Passage.REFUSED: 18, Passage.DROPPED: 64}),  # eleven share 100 a second
    (MAX_CLIENTS - 1, {Passage.OBEYED: 6, Passage.REFUSED: 6, Passage.DROPPED: 88}),
    (MAX_CLIENTS, {Passage.OBEYED: 6, Passage.REFUSED: 6, Passage.DROPPED: 88}),
]


@pytest.mark.parametrize(("before", "expected"), SHARES)
def test_as_many_as_there_are_share_what_all_may_send(before: int, expected: dict[Passage, int]) -> None:
    rates = Rates(each=20.0, together=100.0, now_s=0.0)
    for number in range(before):
        rates.passage(f"client{number}", 0.0)
    assert passages(rates, "one more", 100, 0.0) == expected


def test_names_are_bounded_and_the_silent_make_room() -> None:
    rates = Rates(each=20.0, together=100.0, now_s=0.0)
    for number in range(10_000):
        rates.passage(f"client{number}", 0.0)
    assert len(rates) == MAX_CLIENTS
    assert rates.passage("one more", 0.0) is Passage.DROPPED  # shares with all that found no room
    assert rates.passage("client0", QUIET_S - 1.0) is Passage.OBEYED
    rates.passage("one more", QUIET_S)
    assert len(rates) == 2
    assert passages(rates, "one more", 100, QUIET_S)[Passage.OBEYED] > 30


@pytest.mark.parametrize("names", [1, 5, MAX_CLIENTS, 10 * MAX_CLIENTS])
def test_whoever_floods_under_many_names_gets_no_more_than_all_may_send(names: int) -> None:
    rates = Rates(each=20.0, together=100.0, now_s=0.0)
    seconds, told = 60, Counter[Passage]()
    for tick in range(seconds * 10):
        for number in range(names):
            told[rates.passage(f"client{number}", tick / 10)] += 1
    bursts = 500  # at once, at the beginning
    assert told[Passage.OBEYED] <= 100 * seconds + bursts
    assert told[Passage.REFUSED] <= 100 * seconds + bursts
