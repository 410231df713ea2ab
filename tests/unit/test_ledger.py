"""Gaps and the ends of epochs: what subscribers are told, and what is written of it."""

from agent.delivery.ledger import MAX_GAPS, VARIOUS, Gap, Ledger, Reached


def gap(epoch: int, first: int, last: int, reason: str = "full", count: int | None = None) -> Gap:
    return Gap(
        epoch=epoch, first=first, last=last, count=last - first + 1 if count is None else count, reason=reason
    )


def stored(ledger: Ledger, reached: Reached | None = None) -> tuple[dict[int, Gap | None], list[Reached]]:
    """As the spool does with each transaction."""
    changes, ends = ledger.changes(), ledger.ends(reached)
    ledger.written(changes, ends)
    return changes, ends


def test_numbers_that_follow_each_other_are_one_gap() -> None:
    ledger = Ledger()
    for epoch, seq, reason in (
        (1, 1, "a"),
        (1, 2, "a"),
        (1, 2, "a"),  # the JSON twin
        (1, 3, "b"),
        (2, 4, "b"),
        (2, 9, "b"),
        (2, 10, "b"),
    ):
        ledger.dropped(epoch, seq, reason)
    assert ledger.gaps() == (gap(1, 1, 2, "a"), gap(1, 3, 3, "b"), gap(2, 4, 4, "b"), gap(2, 9, 10, "b"))


def test_more_gaps_than_are_kept_stay_announced() -> None:
    ledger = Ledger()
    for number in range(MAX_GAPS + 50):
        ledger.dropped(1, number * 10, "a" if number % 2 else "b")
    gaps = ledger.gaps()
    assert len(gaps) == MAX_GAPS
    assert gaps[0] == gap(1, 0, 500, VARIOUS, count=51)
    assert sum(one.count for one in gaps) == MAX_GAPS + 50
    names = {number * 10 for number in range(MAX_GAPS + 50)}
    assert all(any(one.first <= name <= one.last for one in gaps) for name in names)


def test_what_is_written_is_what_has_changed() -> None:
    ledger = Ledger()
    assert not ledger.is_dirty
    ledger.accepted(7, 1)
    assert ledger.is_dirty
    assert stored(ledger) == ({}, [Reached(epoch=7, last=0)])
    assert stored(ledger) == ({}, [])
    ledger.accepted(7, 2)
    ledger.dropped(7, 1, "full")
    assert stored(ledger, Reached(epoch=7, last=2)) == ({1: gap(7, 1, 1)}, [Reached(epoch=7, last=2)])
    ledger.dropped(7, 2, "full")
    assert stored(ledger) == ({1: gap(7, 1, 2)}, [])
    ledger.end()
    assert stored(ledger) == ({}, [Reached(epoch=7, last=2, ended=True)])


def test_a_change_while_it_is_written_is_written_again() -> None:
    ledger = Ledger()
    ledger.dropped(1, 1, "full")
    changes = ledger.changes()
    ledger.dropped(1, 2, "full")
    ledger.written(changes, ())
    assert ledger.changes() == {1: gap(1, 1, 2)}


def test_what_earlier_processes_wrote_is_kept_before_what_is_new() -> None:
    ledger = Ledger()
    ledger.accepted(5, 1)
    ledger.dropped(5, 1, "memory full")
    ledger.load([(3, gap(4, 1, 9))], [Reached(epoch=3, last=20, ended=True), Reached(epoch=4, last=12)])
    assert ledger.gaps() == (gap(4, 1, 9), gap(5, 1, 1, "memory full"))
    assert ledger.epochs() == (
        Reached(epoch=3, last=20, ended=True),
        Reached(epoch=4, last=12),
        Reached(epoch=5, last=1),
    )
    assert ledger.changes() == {4: gap(5, 1, 1, "memory full")}


def test_a_file_that_is_lost_is_told_of_all_that_may_have_been_in_it() -> None:
    ledger = Ledger()
    ledger.load([], [Reached(epoch=3, last=20, ended=True)])
    ledger.accepted(4, 5)
    ledger.lost_file("spool corrupt")
    assert ledger.gaps() == (gap(3, 1, 20, "spool corrupt", count=0), gap(4, 1, 5, "spool corrupt", count=0))
