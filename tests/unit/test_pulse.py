"""What counts as hanging, on a clock of the test's own."""

import asyncio
import json
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from agent import log
from agent.health.pulse import TICK_LIMIT_S, TICK_S, Part, Pulse
from agent.systemd import Notifier


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Stage:
    """A pulse with one part, whose mark and whose time the test sets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.since_s: float | None = None
        self.pulse = Pulse(Notifier({}), clock=self.clock)
        self.pulse.watch(Part(name="press", limit_s=20.0, owes_since=lambda: self.since_s))


@pytest.fixture
def told() -> Iterator[StringIO]:
    lines = StringIO()
    log.configure(style="json", stream=lines)
    yield lines
    log.configure()


def test_a_part_that_owes_nothing_never_hangs() -> None:
    stage = Stage()
    for _ in range(5):
        stage.clock.now_s += 1e6
        assert stage.pulse.look()
    assert stage.pulse.live() is None


@pytest.mark.parametrize(("age_s", "well"), [(0.0, True), (19.9, True), (20.0, False), (1e9, False)])
def test_limit(age_s: float, well: bool) -> None:  # noqa: FBT001  a column of the table
    stage = Stage()
    stage.since_s = stage.clock.now_s - age_s
    assert stage.pulse.look() is well
    assert stage.pulse.live() == (None if well else "hangs: press")


def test_a_hang_is_told_once_and_its_end_too(told: StringIO) -> None:
    stage = Stage()
    stage.since_s = stage.clock.now_s
    stage.pulse.look()
    stage.clock.now_s += 20
    for _ in range(3):
        assert not stage.pulse.look()
    stage.since_s = None
    assert stage.pulse.look()
    assert stage.pulse.look()
    stage.since_s = 0.0
    assert not stage.pulse.look()
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [(line["event"], line["part"]) for line in lines] == [
        ("part.hangs", "press"),
        ("part.goes_on", "press"),
        ("part.hangs", "press"),
    ]
    assert stage.pulse.hangs == {"press": 2}


def test_one_well_part_does_not_cover_for_another() -> None:
    stage = Stage()
    stage.since_s = 0.0
    stage.pulse.watch(Part(name="mill", limit_s=1.0, owes_since=lambda: None))
    assert not stage.pulse.look()
    assert stage.pulse.hung() == ("press",)


def test_a_part_that_went_is_not_looked_at() -> None:
    stage = Stage()
    stage.since_s = 0.0
    assert not stage.pulse.look()
    stage.pulse.forget("press")
    assert stage.pulse.live() is None
    assert stage.pulse.look()


def test_no_tick_for_too_long_is_a_hang_that_no_tick_can_tell() -> None:
    stage = Stage()
    stage.clock.now_s += 10 * TICK_LIMIT_S
    assert stage.pulse.live() is None, "it has not started yet"
    stage.pulse.look()
    stage.clock.now_s += TICK_LIMIT_S - 0.1
    assert stage.pulse.live() is None
    stage.clock.now_s += 0.1
    assert stage.pulse.live() == "hangs: tick"


def test_ready_once_started_and_connected() -> None:
    pulse = Stage().pulse
    pulse.on_link("connected", connected=True)
    assert pulse.ready() == "starting"
    pulse.started = True
    assert pulse.ready() is None
    pulse.on_link("nobody listens there", connected=False)
    assert pulse.ready() == "broker: nobody listens there"


@pytest.mark.parametrize(
    ("watchdog_us", "tick_s"), [(None, TICK_S), ("30000000", TICK_S), ("2000000", 0.5), ("400000", 0.1)]
)
def test_ticks_come_often_enough_for_the_watchdog(watchdog_us: str | None, tick_s: float) -> None:
    environ = {} if watchdog_us is None else {"WATCHDOG_USEC": watchdog_us}
    assert Pulse(Notifier(environ)).tick_s == tick_s


def test_only_a_tick_that_found_all_well_feeds_the_watchdog(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        pulse = Pulse(Notifier({"NOTIFY_SOCKET": manager.getsockname()}), tick_s=0.001)
        hangs = True
        pulse.watch(Part(name="press", limit_s=1.0, owes_since=lambda: 0.0 if hangs else None))

        async def ticks(last: int) -> None:
            def tick() -> str:
                if pulse.ticks == last:
                    raise ZeroDivisionError  # ends the beat, as any bug in a tick does
                return f"tick {pulse.ticks}"

            with pytest.raises(ZeroDivisionError):
                await pulse.beat(tick)

        asyncio.run(ticks(2))
        hangs = False
        asyncio.run(ticks(3))
        assert [manager.recv(100) for _ in range(4)] == [
            b"STATUS=tick 0",
            b"STATUS=tick 1",
            b"WATCHDOG=1",
            b"STATUS=tick 2",
        ]
        assert pulse.ticks == 3
