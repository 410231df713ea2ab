"""The wall clock is only told: nothing is timed, ordered, kept or thrown away by it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.broker import Mosquitto, free_port
from tests.clock import Clock
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

pytestmark = pytest.mark.timeout(240)

SCENE: dict[str, Any] = {"id": "scene", "source": "test://scene?size=320x240&fps=25"}
FACTS: dict[str, Any] = {"id": "facts", "kind": "probe", "interval": 0.2}
STUCK: dict[str, Any] = {"id": "stuck", "kind": "stuck", "interval": 0.2, "timeout_s": 2.0}
STUCK_KIND = '''
import os, time
from algos import BaseAlgo

class Stuck(BaseAlgo):
    """Hangs while there is a file."""

    kind = "stuck"

    def run(self, frames):
        while os.path.exists({path!r}):
            time.sleep(0.05)
        return {{}}
'''
HOUR_S = 3600.0
HOUR_US = 3_600_000_000
YEAR_US = 365 * 24 * HOUR_US
SOON_S = 60.0  # on a machine that is busy with other things


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    with Clock(tmp_path / "clock") as clock:
        yield clock


def to_1970(clock: Clock) -> None:
    """As a machine without a clock of its own comes up: a minute after the epoch."""
    clock.shift(0)
    clock.shift(60 - clock.now_us() / 1e6)


def assert_gapless(results: list[dict[str, Any]]) -> None:
    """Nothing is missing, and all is in order."""
    assert [result["seq"] for result in results] == list(range(1, len(results) + 1))


def test_steps_of_hours_both_ways_disturb_nothing(tmp_path: Path, broker: Mosquitto, clock: Clock) -> None:
    agent = AgentProcess(tmp_path, broker.url, environment=clock.environment)
    agent.add_kind("stuck", STUCK_KIND.format(path=str(tmp_path / "stuck")))
    agent.configure([SCENE], [FACTS, STUCK])
    with Watcher(broker.url, agent.device) as watcher, agent:
        watcher.wait_for_results(3, SOON_S, algorithm="facts")
        children = {child.pid for child in agent.children("vd:")}
        for shift_s in (10 * HOUR_S, -10 * HOUR_S, 0.0):
            before = len(watcher.messages)
            clock.shift(shift_s)
            now_us = clock.now_us()
            told = watcher.wait_for_results(10, SOON_S, algorithm="facts", since=before)
            # What is told follows the clock; what is measured does not.
            assert abs(told[-1]["time"] - now_us) < HOUR_US
            assert all(0 <= result["latency_ms"] < SOON_S * 1e3 for result in told)
            # Each is a whole number of intervals of stream time after the one before.
            steps = [round((after["pts"] - one["pts"]) / 0.2, 3) for one, after in pairwise(told)]
            assert all(step >= 1 and step == int(step) for step in steps), steps
            assert watcher.call("ping", fields={"expires": now_us + 60_000_000})["code"] == 200
            late = watcher.call("ping", fields={"expires": now_us - 1_000_000})
            assert late["code"] == 410
            assert f"it is {datetime.fromtimestamp(now_us / 1e6, UTC):%Y-%m-%d}" in late["error"]
        assert {child.pid for child in agent.children("vd:")} == children
        state = watcher.call("state.get")["data"]
        assert (state["streams"]["scene"]["reopened"], state["streams"]["scene"]["generation"]) == (0, 1)
        counts = state["streams"]["scene"]["frames"]
        assert counts["received"] == sum(count for cause, count in counts.items() if cause != "received")

        # A time limit that runs while the clock goes back.
        (tmp_path / "stuck").touch()
        clock.shift(-10 * HOUR_S)
        eventually(lambda: timeouts(watcher) == 1, SOON_S, "the algorithm that hangs is killed")
        (tmp_path / "stuck").unlink()
        watcher.wait_for_results(1, SOON_S, algorithm="stuck", since=len(watcher.messages))
        assert agent.terminate() == 0
        eventually(lambda: watcher.latest("d/+/status")["state"] == "offline")
        assert_gapless(watcher.results())
    assert "Traceback" not in agent.log()


def timeouts(watcher: Watcher) -> int:
    """Of the algorithm that hangs."""
    count: int = watcher.latest("d/+/reported")["algorithms"]["stuck"]["timeouts"]
    return count


def test_from_1970_to_the_present_nothing_is_too_old_and_nothing_is_done_twice(
    tmp_path: Path, broker: Mosquitto, clock: Clock
) -> None:
    to_1970(clock)
    agent = AgentProcess(tmp_path, broker.url, environment=clock.environment)
    # As short as it may be: what was made in 1970 is fifty years older than this.
    health = f"127.0.0.1:{free_port()}"
    agent.configure([SCENE], [FACTS], delivery={"spool_max_age_s": 60}, health={"listen": health})
    added = {"id": "more", "source": "test://scene?size=160x120"}
    with Watcher(broker.url, agent.device) as watcher, agent:
        results = watcher.wait_for_results(3, SOON_S)
        assert results[0]["time"] < YEAR_US
        # Told by whose clock is right: the agent cannot know that it is late, and does it.
        reply = watcher.call("stream.add", added, id="c-1970", fields={"expires": 50 * YEAR_US})
        assert reply["code"] == 200
        broker.stop()
        agent.wait_for_log("broker.waiting", SOON_S)
        eventually(lambda: backlog(health) >= 15, SOON_S, "results wait for the broker")
        clock.shift(0)  # the time has come over the network, before the broker is back
        agent.kill()
        agent.start()
        agent.wait_for_log(r"(?s)agent\.ready.*agent\.ready", SOON_S)
        # It looks now, at the latest, for what is too old, and has a spool from 1970.
        assert agent.terminate() == 0
        broker.start()
        agent.start()

        def all_epochs() -> bool:
            came = [(result["epoch"], result["seq"]) for result in watcher.results()]
            for epoch, least in ((1, 10), (2, 0), (3, 3)):
                numbers = sorted({seq for of, seq in came if of == epoch})
                assert len(numbers) >= least
                assert numbers == list(range(1, len(numbers) + 1))
            return True

        eventually(all_epochs, SOON_S, "what was made in 1970, and later")
        assert all(result["time"] > 50 * YEAR_US for result in watcher.results() if result["epoch"] == 3)
        # Something else is remembered, at the right time; and still the old command is known.
        assert watcher.call("stream.remove", {"id": "more"})["code"] == 200
        assert watcher.call("stream.add", added, id="c-1970") == reply
        assert "more" not in watcher.call("state.get")["data"]["streams"]
        assert agent.terminate() == 0
    assert "too old" not in agent.log()


def backlog(health: str) -> float:
    """Messages that wait for the broker."""
    with urlopen(f"http://{health}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    names = tuple(f"vedette_delivery_{place}_messages" for place in ("waiting", "on_disk"))
    return sum(float(line.split()[-1]) for line in lines if line.startswith(names))


def test_broker_that_is_away_is_looked_for_while_the_clock_goes_back(
    tmp_path: Path, broker: Mosquitto, clock: Clock
) -> None:
    broker.stop()
    agent = AgentProcess(tmp_path, broker.url, environment=clock.environment)
    agent.configure([SCENE, {"id": "gone", "source": "rtsp://127.0.0.1:1/x"}], [FACTS])
    with agent:
        agent.wait_for_log("broker.waiting", SOON_S)
        agent.wait_for_log("source.waiting|source.failed|stream", SOON_S)
        clock.shift(-10 * HOUR_S)
        tries = agent.log().count("broker.waiting")
        eventually(lambda: agent.log().count("broker.waiting") >= tries + 2, SOON_S, "two more tries")
        broker.start()
        with Watcher(broker.url, agent.device) as watcher:
            watcher.wait_for_results(3, SOON_S)
            status = watcher.wait_for(lambda message: message.topic.endswith("/s/gone/status"), SOON_S)
            opened = status.document
            assert opened["state"] == "retrying"
            assert agent.terminate() == 0
