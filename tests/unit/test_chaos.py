"""The judge of the chaos test lets nothing pass, and its chance can be repeated."""

from itertools import islice

import pytest

from tests.chaos.faults import faults
from tests.chaos.judge import Accepted, Durability, End, Gap, Heard, Killed, judge
from tests.chaos.reconnects import Sample, trend
from tests.chaos.schedule import turns

MS = 1_000_000
FIVE = [Accepted(1, seq, seq * 10 * MS) for seq in range(1, 6)]  # 10, 20 … 50 ms
NEXT = [Accepted(2, 1, 900 * MS)]


def heard(*seqs: int, epoch: int = 1) -> list[Heard]:
    return [Heard(epoch, seq, content=seq, origin=f"run/{epoch}/{seq}") for seq in seqs]


@pytest.mark.parametrize("durability", ["lazy", "strict"])
def test_all_heard_is_well_and_what_came_twice_is_counted(durability: Durability) -> None:
    verdict = judge([*FIVE, *NEXT], [*heard(1, 2, 3, 4, 5, 3), *heard(1, epoch=2)], [], [], durability)
    assert (verdict.accepted, verdict.delivered, verdict.duplicates, verdict.lost) == (6, 6, 1, 0)
    assert verdict.broken == ()


def test_lazy_may_lose_what_it_accepted_just_before_a_kill() -> None:
    verdict = judge(FIVE, heard(1, 2, 3, 5), [], [Killed(60 * MS)], "lazy")
    assert (verdict.lost, verdict.lost_oldest_ms) == (1, 20.0)
    assert verdict.broken == ()


@pytest.mark.parametrize(
    ("durability", "got", "kills", "words"),
    [
        ("lazy", (1, 2, 3, 4), [], "not killed after it"),
        ("lazy", (1, 2, 3, 4), [Killed(40 * MS)], "not killed after it"),
        ("lazy", (2, 3, 4, 5), [Killed(61 * MS)], "accepted 51 ms before"),
        ("lazy", (1, 2, 3, 4), [Killed(60 * MS, frozenset({(1, 5)}))], "was on disk and is lost"),
        ("strict", (1, 2, 3, 4), [], "not killed after it"),
        ("strict", (1, 2, 3, 5), [Killed(60 * MS)], "is lost, and later ones are not"),
        ("strict", (1, 2, 3, 4), [Killed(60 * MS, frozenset({(1, 5)}))], "was on disk and is lost"),
        ("strict", (1, 2, 3), [Killed(60 * MS, frozenset({(1, 5)}))], "is lost, and later ones are not"),
        ("strict", (1, 2, 3, 4), [Killed(120 * MS)], "not on disk 70 ms after"),
    ],
)
def test_loss_is_found(durability: Durability, got: tuple[int, ...], kills: list[Killed], words: str) -> None:
    verdict = judge(FIVE, heard(*got), [], kills, durability)
    assert any(words in problem for problem in verdict.broken), verdict.broken


def test_strict_owes_nothing_for_what_was_not_yet_on_disk() -> None:
    verdict = judge(FIVE, heard(1, 2, 3), [], [Killed(52 * MS, frozenset({(1, 3)}))], "strict")
    assert (verdict.lost, verdict.in_hand, verdict.in_hand_oldest_ms) == (0, 2, 12.0)
    assert verdict.broken == ()


def test_what_is_announced_is_not_lost() -> None:
    gaps = [Gap(1, 2, 3, "spool full"), Gap(1, 3, 3, "spool full"), Gap(1, 5, 5, "dead")]
    verdict = judge(FIVE, heard(1, 4, 5), gaps, [], "strict")
    assert verdict.dropped == {"spool full": 2, "dead": 0}
    assert verdict.broken == ()


@pytest.mark.parametrize(
    ("accepted", "got", "words"),
    [
        (FIVE, [*heard(1, 2, 3, 4, 5), Heard(1, 5, 77)], "two results have the number 1/5"),
        (FIVE, [*heard(1, 2, 3, 4, 5), Heard(1, 4, 4, "run/1/5")], "one result has two numbers"),
        (FIVE, heard(1, 2, 3, 4, 5, 6), "nobody has accepted"),
        ([*FIVE, Accepted(1, 7, 70 * MS)], heard(1, 2, 3, 4, 5, 7), "not 1, 2, 3"),
        ([*NEXT, *FIVE], [*heard(1, 2, 3, 4, 5), *heard(1, epoch=2)], "epochs do not grow"),
    ],
)
def test_confusion_is_found(accepted: list[Accepted], got: list[Heard], words: str) -> None:
    verdict = judge(accepted, got, [], [], "lazy")
    assert any(words in problem for problem in verdict.broken), verdict.broken


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End(1, 5, exact=True), None),
        (End(1, 6, exact=False), None),
        (End(1, 6, exact=True), "[6] are neither heard nor announced"),
        (End(1, 4, exact=True), "5 was heard"),
    ],
)
def test_the_end_of_an_epoch_is_held_against_what_was_heard(end: End, words: str | None) -> None:
    verdict = judge(FIVE, heard(1, 2, 3, 4, 5), [], [], "strict", ends=[end])
    assert [words is not None and words in problem for problem in verdict.broken] == [True] * (
        words is not None
    )


def test_a_seed_gives_the_same_faults_again_and_each_comes_in_every_round() -> None:
    table = faults(commands=10)
    once, again, other = (
        [(turn.fault.name, turn.after_s, turn.lasts_s) for turn in islice(turns(table, seed), 2 * len(table))]
        for seed in (7, 7, 8)
    )
    assert once == again
    assert once != other
    for half in (once[: len(table)], once[len(table) :]):
        assert {name for name, _, _ in half} == {fault.name for fault in table}


@pytest.mark.parametrize(("grows_bytes", "flat"), [(0, True), (500, True), (5_000, False)])
def test_memory_that_grows_is_told_from_noise(grows_bytes: int, *, flat: bool) -> None:
    wave = (0, 40_000, 0, -40_000)
    samples = [Sample(n * 20, (50 << 20) + n * 20 * grows_bytes + wave[n % 4], 20, 8) for n in range(60)]
    assert trend(samples).flat is flat
