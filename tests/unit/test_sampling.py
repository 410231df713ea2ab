"""The sampling rules as tables."""

from typing import Literal

import pytest

from agent.sampling import Due, KeyTimes, Sampler, Sampling, Thinner


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


# --- key frames ---


def test_key_frames_are_expected_as_they_came() -> None:
    keys = KeyTimes()
    assert (keys.interval_s, keys.last_s) == (None, None)
    keys.arrived(10.0)
    assert keys.next_s(10.0) == pytest.approx(12.0)  # what most cameras do
    keys.arrived(14.0)
    assert keys.interval_s == pytest.approx(4.0)
    assert [keys.next_s(time_s) for time_s in (14.0, 15.0, 18.0, 18.1, 19.0)] == pytest.approx(
        [18, 18, 18, 18.1, 22]
    )
    keys.arrived(15.0)  # a change of scene: the longest of the last three counts
    assert keys.next_s(15.0) == pytest.approx(19.0)
    for time_s in (16.0, 17.0, 18.0):
        keys.arrived(time_s)
    assert keys.next_s(18.0) == pytest.approx(19.0)
    keys.begin_generation()
    assert (keys.interval_s, keys.last_s) == (1.0, None)


def _play_keys(
    interval: float, key_s: float, seconds: float, keyframes: Literal["auto", "only", "never"] = "auto"
) -> list[float]:
    """When windows went out, of 25 frames a second, a key frame every `key_s`."""
    keys = KeyTimes()
    sampler = Sampler(Sampling(1, 1, interval, keyframes), keys)
    step = round(key_s * 25)
    out = []
    for number in range(round(seconds * 25)):
        is_key = number % step == 0
        if is_key:
            keys.arrived(number / 25)
        elif keyframes == "only":
            continue
        sampler.want(number)
        sampler.frame(number / 25, is_key=is_key)
        if sampler.take():
            out.append(number / 25)
    return out


@pytest.mark.parametrize(
    ("interval", "key_s", "expected"),
    [
        (1.0, 2.0, [0, 1, 2, 3, 4, 5]),  # a second late is too late: between key frames the frame itself
        (2.0, 2.0, [0, 2, 4, 6]),
        (3.0, 2.0, [0, 4, 6, 10, 12]),
        (0.2, 2.0, [round(0.2 * n, 2) for n in range(30)]),
        (4.0, 0.4, [0, 4, 8, 12]),
    ],
)
def test_auto_waits_for_a_key_frame_half_an_interval_at_most(
    interval: float, key_s: float, expected: list[float]
) -> None:
    times = _play_keys(interval, key_s, expected[-1] + 0.5)
    assert times[: len(expected)] == pytest.approx(expected)


def test_a_key_frame_that_does_not_come_is_waited_for_no_longer_than_allowed() -> None:
    keys = KeyTimes()
    sampler = Sampler(Sampling(1, 1, 2.0, "auto"), keys)
    out = []
    for number in range(200):
        is_key = number in {0, 65}  # 2.6 s, then none any more
        if is_key:
            keys.arrived(number / 25)
        sampler.want(number)
        sampler.frame(number / 25, is_key=is_key)
        if sampler.take():
            out.append(number / 25)
    # At 2 one was foreseen, and did not come; at 4 the next is foreseen for 5.2, too late; at 6 for 7.8.
    assert out == pytest.approx([0, 2.04, 4.0, 6.0])


def test_only_takes_nothing_else() -> None:
    assert _play_keys(1.0, 1.2, 7, "only") == pytest.approx([0, 1.2, 2.4, 3.6, 4.8, 6.0])
    assert _play_keys(0.0, 2.0, 7, "only") == pytest.approx([0, 2, 4, 6])


def test_one_that_begins_late_counts_from_the_key_frame_and_waits_for_nothing() -> None:
    keys = KeyTimes()
    keys.arrived(0.0)
    keys.arrived(4.0)
    sampler = Sampler(Sampling(1, 1, 4.0, "auto"), keys)
    sampler.anchor(4.0)
    sampler.want(1)
    assert sampler.frame(5.0, is_key=False)
    assert sampler.take()
    sampler.want(2)
    assert sampler.next_s() == pytest.approx(8.0)
    assert not sampler.frame(7.96, is_key=False)
    keys.arrived(8.0)
    assert sampler.frame(8.0, is_key=True)
