"""Durability: what is accepted survives the broker, the agent and the disk."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent.delivery.backlog import LIMITS, Limits
from agent.delivery.delivery import BOUNDS, Delivery, SpoolSettings
from agent.delivery.messages import DeliveryCounters, LinkState
from agent.delivery.saver import Durability
from tests.broker import Mosquitto
from tests.left_out import leave_out
from tests.parts.test_delivery import DEVICE, Links, endpoint_of, numbers, result, state
from tests.waiting import eventually
from tests.watcher import Watcher

RESULTS = f"d/{DEVICE}/s/door/a/movement/result"
DURABILITIES: tuple[Durability, ...] = ("lazy", "strict")


def balanced(counters: DeliveryCounters) -> bool:
    """Every message that came in is somewhere."""
    out = counters.delivered + counters.superseded + sum(counters.dropped.values()) + counters.dead
    return counters.accepted + counters.recovered == (
        out + counters.waiting + counters.in_flight + counters.on_disk
    )


def empty(counters: DeliveryCounters) -> bool:
    return counters.waiting + counters.in_flight + counters.on_disk == 0


@pytest.fixture
def watcher(broker: Mosquitto) -> Iterator[Watcher]:
    with Watcher(broker.url, DEVICE) as watching:
        yield watching


def test_a_healthy_link_costs_no_writes(broker: Mosquitto, tmp_path: Path) -> None:
    links = Links()
    spool = SpoolSettings(path=tmp_path / "spool.db")
    with Delivery(endpoint_of(broker.url), on_link=links, spool=spool) as delivery:
        eventually(links.connected)
        for number in range(300):
            delivery.put(result(number))
            if number % 30 == 0:
                eventually(lambda: empty(delivery.counters()))
        eventually(lambda: empty(delivery.counters()))
        counters = delivery.counters()
    assert counters.delivered == 300
    assert counters.disk_writes <= 30  # none, but a machine under test may well stand still for 50 ms
    assert balanced(counters)


@pytest.mark.parametrize("durability", DURABILITIES)
def test_an_outage_loses_nothing_though_memory_is_small(
    broker: Mosquitto, watcher: Watcher, tmp_path: Path, durability: Durability
) -> None:
    links = Links()
    limits = LIMITS | {"result": Limits(count=500, size_bytes=1 << 20)}
    spool = SpoolSettings(path=tmp_path / "spool.db", durability=durability)
    with Delivery(
        endpoint_of(broker.url), on_link=links, spool=spool, limits=limits, drain_rate=1_000
    ) as delivery:
        eventually(links.connected)
        for number in range(100):
            delivery.put(result(number))
        eventually(lambda: empty(delivery.counters()))
        broker.save()
        broker.kill()
        eventually(lambda: links.seen[-1].state is not LinkState.CONNECTED)
        for base in range(100, 2_100, 250):
            for number in range(base, base + 250):
                delivery.put(result(number))
            eventually(lambda wanted=base + 150: delivery.counters().on_disk == wanted)  # type: ignore[misc]
        assert balanced(delivery.counters())
        broker.start()
        eventually(lambda: links.connected(2), 20)
        for number in range(2_100, 2_200):
            delivery.put(result(number))
        eventually(lambda: empty(delivery.counters()), 20)
        counters = delivery.counters()
    eventually(lambda: len(numbers(watcher)) >= 2_200)
    assert sorted(set(numbers(watcher))) == list(range(2_200))
    assert counters.replayed == 2_000
    assert balanced(counters)
    replayed = [m for m in watcher.matching(RESULTS) if m.user_properties == (("replay", "1"),)]
    assert [int(m.payload) for m in replayed] == list(range(100, 2_100))
    # Live results do not queue up behind the backlog.
    assert numbers(watcher).index(2_199) < 2_000


CHILD = """
import collections, sys, time
from pathlib import Path
from agent.delivery.delivery import Delivery, SpoolSettings
from agent.delivery.endpoint import Endpoint
from tests.parts.test_delivery import result
url, folder, durability, first, online = sys.argv[1:]
spool = SpoolSettings(path=Path(folder) / "spool.db", durability=durability)
marks = collections.deque()
with Delivery(Endpoint.from_url(url, client_id="child"), spool=spool) as delivery:
    while online == "True" and delivery.counters().connects == 0:
        time.sleep(0.001)
    for number in range(int(first), 1_000_000):
        delivery.put(result(number))
        if number % 5 == 0:
            time.sleep(0.005)
            counters = delivery.counters()
            marks.append((time.monotonic(), number + 1))
            while marks[0][0] < time.monotonic() - 1.0 and len(marks) > 1:
                marks.popleft()
            print(number + 1, counters.disk_writes, counters.delivered, marks[0][1], flush=True)
"""


@contextmanager
def child(
    url: str, folder: Path, durability: str, first: int, *, online: bool
) -> Iterator["subprocess.Popen[str]"]:
    arguments = [sys.executable, "-c", CHILD, url, str(folder), durability, str(first), str(online)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def last_line(process: "subprocess.Popen[str]", at_least: int) -> tuple[int, int, int, int]:
    """Accepted, written, delivered and accepted a second ago, as the child says last before it is killed."""
    assert process.stdout is not None
    said = (0, 0, 0, 0)
    for line in process.stdout:
        one, two, three, four = (int(word) for word in line.split())
        said = (one, two, three, four)
        if one >= at_least:
            process.kill()
    return said


@pytest.mark.parametrize("durability", DURABILITIES)
def test_an_agent_that_is_killed(
    broker: Mosquitto, watcher: Watcher, tmp_path: Path, durability: Durability
) -> None:
    """With a broker and without: what is written or acknowledged arrives, and all but the last moment's.

    Lazy loses 50 ms, and the time until the disk has a batch: on a busy machine a second is not too long.
    """
    accepted = 0
    safe: set[int] = set()
    at_risk: set[int] = set()
    for outage in (False, True):
        if outage:
            broker.stop()
        with child(broker.url, tmp_path, durability, accepted, online=not outage) as process:
            said, written, delivered, old = last_line(process, accepted + 2_000)
        sure = written if durability == "strict" or outage else delivered
        safe |= set(range(accepted, accepted + sure))
        at_risk |= set(range(old, said))
        accepted = said
    broker.start()
    spool = SpoolSettings(path=tmp_path / "spool.db")
    with Delivery(endpoint_of(broker.url), spool=spool, drain_rate=5_000) as delivery:
        eventually(lambda: delivery.counters().connects == 1)
        eventually(lambda: empty(delivery.counters()), 40)
        assert balanced(delivery.counters())
    assert len(at_risk) < accepted
    wanted = (set(range(accepted)) - at_risk) | safe

    def complete() -> bool:
        missing = sorted(wanted - set(numbers(watcher)))
        assert not missing, f"{len(missing)} of {accepted} missing, {missing[0]} to {missing[-1]}"
        return True

    eventually(complete, 20)


def test_events_and_results_that_do_not_fit_are_named(broker: Mosquitto, tmp_path: Path) -> None:
    links = Links()
    broker.stop()
    spool = SpoolSettings(
        path=tmp_path / "spool.db", bounds=replace(BOUNDS, max_bytes=100 * result(0).size_bytes)
    )
    with Delivery(endpoint_of(broker.url), on_link=links, spool=spool) as delivery:
        delivery.put(replace(result(0), kind="event"))
        for base in range(1, 401, 20):
            for number in range(base, base + 20):
                delivery.put(result(number))
            eventually(lambda wanted=base + 20: delivery.counters().disk_writes == wanted)  # type: ignore[misc]
        assert delivery.counters().dropped["result"] == 301
        assert "event" not in delivery.counters().dropped
        (gap,) = delivery.gaps()
        assert (gap.epoch, gap.first, gap.last, gap.reason) == (1, 1, 301, "spool full")
        assert balanced(delivery.counters())
    with Delivery(endpoint_of(broker.url), spool=spool) as delivery:
        eventually(lambda: delivery.counters().recovered == 100)
        assert delivery.gaps() == (gap,)


def test_a_full_disk_stops_nothing(broker: Mosquitto, watcher: Watcher, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount", path="/bin:/sbin:/usr/bin:/usr/sbin")
    if os.getuid() != 0 or mount is None:
        leave_out("only root can mount a small disk")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=400k", "none", str(disk)], check=False)
    if mounted.returncode != 0:
        leave_out("no small disk can be mounted here")
    try:
        links = Links()
        broker.stop()
        spool = SpoolSettings(path=disk / "spool.db", durability="strict")
        with Delivery(endpoint_of(broker.url), on_link=links, spool=spool, drain_rate=5_000) as delivery:
            for number in range(1_000):
                delivery.put(result(number, size=1_000))
            eventually(lambda: delivery.counters().disk_errors > 0)
            broker.start()
            eventually(links.connected, 20)
            delivery.put(result(1_000))
            eventually(lambda: 1_000 in numbers(watcher))
            eventually(lambda: len(set(numbers(watcher))) == 1_001, 20)
            assert delivery.counters().dropped == {}
            assert balanced(delivery.counters())
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)


def test_a_corrupt_spool_stops_nothing(broker: Mosquitto, watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(os.urandom(50_000))
    spool = SpoolSettings(path=tmp_path / "spool.db", durability="strict")
    with Delivery(endpoint_of(broker.url), spool=spool) as delivery:
        delivery.put(result(1))
        delivery.put(state("online"))
        eventually(lambda: numbers(watcher) == [1])
        assert delivery.counters().disk_errors == 1
    assert (tmp_path / "spool.db.corrupt").exists()


def test_a_clean_end_without_a_broker_keeps_everything(
    broker: Mosquitto, watcher: Watcher, tmp_path: Path
) -> None:
    spool = SpoolSettings(path=tmp_path / "spool.db")
    broker.stop()
    with Delivery(endpoint_of(broker.url), spool=spool) as delivery:
        for number in range(50):
            delivery.put(result(number))
    assert delivery.counters().on_disk == 50
    broker.start()
    with Delivery(endpoint_of(broker.url), spool=spool) as delivery:
        eventually(lambda: delivery.counters().delivered == 50)
    eventually(lambda: numbers(watcher) == list(range(50)))
