"""The sampling rules as tables."""

import pytest

from agent.sampling import Due, Sampler, Sampling, Thinner


def _times(fps: float, count: int, start: float = 0.0) -> list[float]:
    return [start + number / fps for number in range(count)]


@pytest.mark.parametrize(
    ("fps", "source_fps", "times", "played"),
    [
        (None, 25.0, _times(25, 6), [0, 1, 2, 3, 4, 5]),
        (25.0, 25.0, _times(25, 6), [0, 1, 2, 3, 4, 5]),
        (30.0, 25.0, _times(25, 6), [0, 1, 2, 3, 4, 5]),
        (10.0, 25.0, _times(25, 16), [0, 3, 5, 8, 10, 13, 15]),
        (5.0, 25.0, _times(25, 16), [0, 5, 10, 15]),
        (1.0, 30.0, _times(30, 91), [0, 30, 60, 90]),
        (10.0, None, [0.0, 0.04, 0.5, 0.52, 0.61, 2.0], [0, 2, 4, 5]),  # variable rate, with gaps
        (10.0, 25.0, _times(25, 6, start=1234.5), [0, 3, 5]),  # a camera's clock begins anywhere
        (25.0, 25.0, [0.0, 0.0399, 0.0801, 0.1195], [0, 1, 2, 3]),  # jitter thins nothing
    ],
)
def test_thinner_plays_evenly_by_presentation_time(
    fps: float | None, source_fps: float | None, times: list[float], played: list[int]
) -> None:
    thinner = Thinner(fps, source_fps)
    assert [number for number, time_s in enumerate(times) if thinner.played(time_s)] == played


@pytest.mark.parametrize(
    ("interval", "times", "due"),
    [
        (1.0, _times(25, 60), [0, 25, 50]),
        (0.0, _times(25, 4), [0, 1, 2, 3]),
        (0.5, _times(10, 12), [0, 5, 10]),
        (0.3, _times(10, 11), [0, 3, 6, 9]),
        (1 / 3, _times(30, 31), [0, 10, 20, 30]),
        (1.0, [0.0, 0.9995, 1.9999, 3.4, 3.9, 4.0], [0, 1, 2, 3, 5]),  # rounded stamps, then a gap
        (1.0, [5.0, 5.5, 9.7, 9.9, 10.0], [0, 2, 4]),  # anchored on the first frame, several overdue are one
    ],
)
def test_due_counts_from_the_first_frame(interval: float, times: list[float], due: list[int]) -> None:
    rule = Due(interval)
    assert [number for number, time_s in enumerate(times) if rule.reached(time_s)] == due


@pytest.mark.parametrize(
    ("frame_count", "frame_step", "span", "offsets"),
    [
        (1, 1, 1, (0,)),
        (3, 1, 3, (2, 1, 0)),
        (3, 0, 3, (2, 1, 0)),
        (3, 5, 11, (10, 5, 0)),
        (2, 25, 26, (25, 0)),
    ],
)
def test_window_has_its_frames_steps_apart(
    frame_count: int, frame_step: int, span: int, offsets: tuple[int, ...]
) -> None:
    sampling = Sampling(frame_count, frame_step, 1.0)
    assert (sampling.span, sampling.offsets()) == (span, offsets)


def _play(sampler: Sampler, times: list[float], *, free: bool = True) -> list[tuple[int, int]]:
    """(frame, skipped) of each window, with a worker that is always free, or never."""
    windows = []
    for number, time_s in enumerate(times):
        if free:
            sampler.want(number)
        sampler.frame(time_s)
        take = sampler.take()
        if take is not None:
            windows.append((number, take.skipped))
    return windows


def test_free_worker_gets_every_due_run() -> None:
    assert _play(Sampler(Sampling(1, 1, 1.0)), _times(25, 76)) == [(0, 0), (25, 0), (50, 0), (75, 0)]


def test_every_played_frame_with_interval_zero() -> None:
    assert _play(Sampler(Sampling(1, 1, 0.0)), _times(25, 4)) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_run_waits_until_its_window_is_full_and_has_skipped_nothing() -> None:
    assert _play(Sampler(Sampling(5, 2, 0.2)), _times(25, 16)) == [(8, 0), (10, 0), (15, 0)]


def test_overdue_runs_are_one_run_and_counted() -> None:
    sampler = Sampler(Sampling(1, 1, 0.2))
    assert _play(sampler, _times(25, 16), free=False) == []  # due at frames 0, 5, 10, 15
    sampler.want(1)
    take = sampler.take()
    assert take is not None
    assert (take.ticket, take.skipped) == (1, 3)
    assert sampler.take() is None


def test_want_ahead_of_time_waits_for_its_run() -> None:
    sampler = Sampler(Sampling(1, 1, 1.0))
    sampler.want(1)
    assert _play(sampler, [0.0], free=False) == [(0, 0)]
    sampler.want(2)
    assert _play(sampler, _times(25, 25)[1:], free=False) == []
    assert sampler.frame(1.0)
    assert sampler.take() is not None


def test_new_generation_anchors_anew_and_keeps_the_want() -> None:
    sampler = Sampler(Sampling(2, 1, 1.0))
    _play(sampler, _times(25, 30))
    sampler.want(99)
    sampler.begin_generation()
    assert not sampler.frame(0.5) or not sampler.full
    sampler.frame(0.54)
    take = sampler.take()
    assert take is not None
    assert (take.ticket, take.skipped) == (99, 0)


def test_next_due_is_known_ahead() -> None:
    sampler = Sampler(Sampling(1, 1, 1.0))
    sampler.want(1)
    sampler.frame(10.0)
    assert sampler.next_s() == pytest.approx(10.0)
    assert sampler.take()
    assert sampler.next_s() == pytest.approx(11.0)
    sampler.frame(10.75)
    assert sampler.next_s() == pytest.approx(11.0)
