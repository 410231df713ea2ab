"""Who is asked, and who runs next."""

from agent.schedule import Pair, Scheduler
from agent.schedule.scheduler import LATE_NS, SLACK_NS

MS = 1_000_000


def _scheduler(pairs: int, run_ms: float = 0.0) -> tuple[Scheduler, list[Pair]]:
    scheduler = Scheduler()
    scheduler.add_worker("w")
    rows = [Pair(f"s{number}", "a") for number in range(pairs)]
    for pair in rows:
        scheduler.add_pair(pair, ("w",), 0)
        scheduler.set_live(pair, 0, live=True)
    scheduler.set_ready("w", ready=True)
    if run_ms:
        scheduler.done("w", int(run_ms * MS))
    return scheduler, rows


def test_nothing_is_asked_before_the_worker_is_ready_or_the_stream_live() -> None:
    scheduler = Scheduler()
    scheduler.add_worker("w")
    pair = Pair("s", "a")
    scheduler.add_pair(pair, ("w",), 0)
    assert scheduler.asks("w", 0) == []
    scheduler.set_ready("w", ready=True)
    assert scheduler.asks("w", 0) == []
    scheduler.set_live(pair, 0, live=True)
    assert scheduler.asks("w", 0) == [pair]


def test_one_window_is_outstanding_at_most() -> None:
    scheduler, (pair,) = _scheduler(1)
    assert scheduler.asks("w", 0) == [pair]
    assert scheduler.asks("w", 1) == []
    scheduler.filled(pair, 1000 * MS, 0)
    assert scheduler.asks("w", 2) == []
    assert scheduler.take("w", 3) == pair
    assert scheduler.asks("w", 3) == [pair]  # the next one, ahead of its time
    assert scheduler.asks("w", 4) == []


def test_fast_algorithm_is_asked_ahead_for_all_its_streams() -> None:
    scheduler, rows = _scheduler(10, run_ms=1)
    assert scheduler.asks("w", 0) == rows


def test_overload_asks_only_for_what_the_worker_will_get_to() -> None:
    scheduler, rows = _scheduler(10, run_ms=100)
    assert scheduler.asks("w", 0) == rows[:1]
    scheduler.filled(rows[0], 40 * MS, 0)
    assert scheduler.take("w", 0) == rows[0]
    assert scheduler.asks("w", 0) == []  # the worker is at it for 100 ms
    wake_ns = scheduler.next_ask_ns("w", 0)
    assert wake_ns == 100 * MS - SLACK_NS
    assert scheduler.asks("w", wake_ns) == rows[1:2]


def test_most_overdue_goes_first_and_none_starves() -> None:
    scheduler, rows = _scheduler(5, run_ms=100)
    now_ns, served = 0, []
    for _ in range(20):
        for pair in scheduler.asks("w", now_ns):
            scheduler.filled(pair, now_ns + 40 * MS, 0)  # every stream has a frame each 40 ms
        taken = scheduler.take("w", now_ns)
        assert taken is not None
        served.append(taken)
        now_ns += 100 * MS
        scheduler.done("w", 100 * MS)
    assert {pair: served.count(pair) for pair in rows} == dict.fromkeys(rows, 4)


def test_silent_stream_holds_up_no_other() -> None:
    scheduler, rows = _scheduler(2, run_ms=100)
    assert scheduler.asks("w", 0) == rows[:1]  # and its camera stalls
    wake_ns = scheduler.next_ask_ns("w", 0)
    assert wake_ns == LATE_NS
    assert scheduler.asks("w", LATE_NS) == rows[1:]


def test_lost_worker_loses_filled_windows_and_its_pairs_are_asked_again() -> None:
    scheduler, (pair,) = _scheduler(1)
    scheduler.asks("w", 0)
    scheduler.filled(pair, 0, 0)
    scheduler.set_ready("w", ready=False)
    assert scheduler.take("w", 0) is None
    scheduler.set_ready("w", ready=True)
    assert scheduler.asks("w", 0) == [pair]


def test_window_that_came_while_the_worker_started_is_run() -> None:
    scheduler, (pair,) = _scheduler(1)
    scheduler.asks("w", 0)
    scheduler.set_ready("w", ready=False)
    scheduler.filled(pair, 0, 0)  # asked for before the worker ended
    scheduler.set_ready("w", ready=True)
    assert scheduler.asks("w", 1) == []
    assert scheduler.take("w", 1) == pair


def test_stream_that_was_away_is_asked_again() -> None:
    scheduler, (pair,) = _scheduler(1)
    scheduler.asks("w", 0)
    scheduler.set_live(pair, 5, live=False)
    assert scheduler.asks("w", 6) == []
    scheduler.set_live(pair, 7, live=True)
    assert scheduler.asks("w", 8) == [pair]


def test_pairs_are_spread_over_workers_and_stay_there() -> None:
    scheduler = Scheduler()
    for worker in ("w0", "w1"):
        scheduler.add_worker(worker)
    pairs = [Pair(f"s{number}", "a") for number in range(4)]
    placed = [scheduler.add_pair(pair, ("w0", "w1"), 0) for pair in pairs]
    assert sorted(placed) == ["w0", "w0", "w1", "w1"]
    assert [scheduler.worker_of(pair) for pair in pairs] == placed
    assert scheduler.remove_worker("w0")
    assert scheduler.worker_of(pairs[0]) is None
