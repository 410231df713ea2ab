"""The broker inside: it works, and ends with its owner."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from agent.delivery import embedded
from agent.delivery.delivery import Delivery
from agent.delivery.embedded import EmbeddedBroker
from agent.errors import BrokerError, ConfigError
from tests.parts.test_delivery import DEVICE, PREFIX, Links, endpoint_of, numbers, result, state
from tests.waiting import eventually
from tests.watcher import Watcher


def test_results_and_states_go_through() -> None:
    links = Links()
    with EmbeddedBroker() as broker, Delivery(endpoint_of(broker.url), on_link=links) as delivery:
        eventually(links.connected)
        assert links.seen[-1].protocol == "5"
        with Watcher(broker.url, DEVICE) as watcher:
            for number in range(500):
                delivery.put(result(number, size=2_000))
            delivery.put(result(500, size=1_000_000))
            delivery.put(state("online"))
            eventually(lambda: len(numbers(watcher)) == 501)
            assert numbers(watcher) == list(range(501))
        with Watcher(broker.url, DEVICE) as late:
            eventually(lambda: late.matching(f"d/{DEVICE}/status"))


@pytest.mark.parametrize("listener", ["old_url", "websocket_url"])
def test_the_protocol_is_found_out(listener: str) -> None:
    """These listeners know MQTT 3.1.1 only, and are asked for 5 first."""
    links = Links()
    got: list[bytes] = []
    with EmbeddedBroker() as broker:
        address = endpoint_of(getattr(broker, listener))
        with Delivery(
            address,
            subscriptions=[f"{PREFIX}/#"],
            on_inbound=lambda message: got.append(message.payload),
            on_link=links,
        ) as delivery:
            eventually(links.connected)
            assert links.seen[-1].protocol == "3.1.1"
            delivery.put(result(7))
            eventually(lambda: delivery.counters().delivered == 1)
            eventually(lambda: got)
            assert got[0].strip() == b"7"


def test_it_listens_on_loopback_only() -> None:
    with EmbeddedBroker() as broker:
        assert broker.alive
        children = psutil.Process().children(recursive=True)
        listening = [c.laddr.ip for p in children for c in p.net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"] * 3
    assert not broker.alive


def test_a_port_that_is_taken_is_an_error() -> None:
    with EmbeddedBroker() as broker:
        port = int(broker.url.rpartition(":")[2])
        with pytest.raises(BrokerError, match=f"port {port}"), EmbeddedBroker(port):
            pass


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iotcore", None)
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _name: None)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"pip install 'vedette\[demo\]'"), EmbeddedBroker():
        pass


def test_it_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "from agent.delivery.embedded import EmbeddedBroker\n"
        "with EmbeddedBroker() as broker:\n"
        "    print(broker.url, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().startswith(b"mqtt://127.0.0.1:")
        (child,) = psutil.Process(owner.pid).children()
        began = time.monotonic()
        owner.send_signal(signal.SIGKILL)
        eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
        assert time.monotonic() - began < 3


def test_somebody_who_is_quicker_to_take_a_port_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports are looked for before the broker takes them: between the two, somebody else may."""
    look = embedded._free_ports
    asked: list[int] = []

    with socket.socket() as quicker:
        quicker.bind(("127.0.0.1", 0))
        quicker.listen()
        taken = quicker.getsockname()[1]

        def free_ports(wanted: int | None) -> list[int]:
            asked.append(1)
            first, second, third = look(wanted)
            return [first, taken if len(asked) == 1 else second, third]

        monkeypatch.setattr(embedded, "_free_ports", free_ports)
        with EmbeddedBroker() as broker:
            assert broker.alive
    assert len(asked) == 2
