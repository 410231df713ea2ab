"""Times of packets, given and filled in, and over the laps of a file that begins again."""

from fractions import Fraction

import pytest

from agent.capture.packet_clock import PacketClock

Ticks = tuple[int | None, int | None, int | None]


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([(0, 0, 4), (4, 4, 4)], [(0.0, 0.0), (0.4, 0.4)]),
        # B-frames: shown in another order than decoded
        ([(0, -4, 4), (8, 0, 4), (4, 4, 4)], [(0.0, -0.4), (0.8, 0.0), (0.4, 0.4)]),
        # Matroska knows no decoding time at first
        (
            [(0, None, 4), (8, None, 4), (4, 0, 4), (12, 4, 4)],
            [(0.0, 0.0), (0.8, 0.5), (0.4, 0.5), (1.2, 0.5)],
        ),
        # a bare elementary stream knows nothing
        ([(None, None, None)] * 3, [(None, 0.0), (None, 0.5), (None, 1.0)]),
        # decoding times that fall or repeat
        ([(4, 4, 4), (4, 4, 4), (2, 2, 4)], [(0.4, 0.4), (0.4, 0.4), (0.2, 0.4)]),
    ],
)
def test_times(ticks: list[Ticks], expected: list[tuple[float | None, float]]) -> None:
    clock = PacketClock(Fraction(1, 10), step_s=0.5)
    for given, (pts_s, dts_s) in zip(ticks, expected, strict=True):
        got_pts_s, got_dts_s = clock.times(*given)
        assert got_pts_s == (None if pts_s is None else pytest.approx(pts_s))
        assert got_dts_s == pytest.approx(dts_s)


def test_laps_go_on_without_a_gap() -> None:
    clock = PacketClock(Fraction(1, 10), step_s=0.5)
    lap: list[Ticks] = [(100, 98, 2), (104, 100, 2), (102, 102, 2)]
    shown: list[float] = []
    for _ in range(3):
        assert clock.idle
        shown += sorted(clock.times(*packet)[0] or 0.0 for packet in lap)
        assert not clock.idle
        clock.begin_lap()
    assert shown == pytest.approx([10.0 + 0.2 * n for n in range(9)])


def test_laps_without_times() -> None:
    clock = PacketClock(Fraction(1, 10), step_s=0.5)
    decoded = []
    for _ in range(2):
        decoded += [clock.times(None, None, None)[1] for _ in range(2)]
        clock.begin_lap()
    assert decoded == pytest.approx([0.0, 0.5, 1.0, 1.5])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # The counter wraps, or a camera's clock is set back: time goes on by one step.
        ([(95, 0.0), (99, 0.4), (3, 0.8), (7, 1.2)], [9.5, 9.9, 10.4, 10.8]),
        # It is set ahead by an hour.
        ([(0, 0.0), (4, 0.4), (36_008, 0.8), (36_012, 1.2)], [0.0, 0.4, 0.9, 1.3]),
        # Frames were missing for as long as their times say: nothing was set.
        ([(0, 0.0), (4, 0.4), (304, 30.4), (308, 30.8)], [0.0, 0.4, 30.4, 30.8]),
        # A gap that comes at once, as from a segment that was lost.
        ([(0, 0.0), (4, 0.0), (84, 0.0)], [0.0, 0.4, 8.4]),
    ],
)
def test_the_clock_of_a_camera_may_be_set(given: list[tuple[int, float]], expected: list[float]) -> None:
    clock = PacketClock(Fraction(1, 10), step_s=0.5)
    times = [clock.times(ticks, ticks, 4, arrival_s) for ticks, arrival_s in given]
    assert [pts_s for pts_s, _ in times] == pytest.approx(expected)
    assert [dts_s for _, dts_s in times] == pytest.approx(expected)


def test_a_file_may_have_a_gap_but_not_go_back() -> None:
    clock = PacketClock(Fraction(1, 10), step_s=0.5)
    times = [clock.times(ticks, ticks, 4)[0] for ticks in (0, 4, 36_000, 4, 8)]
    assert times == [pytest.approx(one) for one in (0.0, 0.4, 3600.0, 3600.5, 3600.9)]


def test_laps_go_on_after_a_jump_too() -> None:
    clock = PacketClock(Fraction(1, 10), step_s=0.5)
    shown = []
    for _ in range(3):
        shown += [clock.times(ticks, ticks, 5)[0] for ticks in (100, 105, 20, 25)]
        clock.begin_lap()
    assert shown == [pytest.approx(10 + 0.5 * number) for number in range(12)]
