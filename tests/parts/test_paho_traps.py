"""Traps of paho 2.2, each of which was reproduced: these tests fail where the guard against one is missing.

The others are in `test_delivery.py`: commands sent while away (clean start), PUBACK with "not authorized",
an oversized message, descriptors from 1,024 on, message ids beyond 65,535.
"""

import itertools
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

import pytest

from agent.delivery.delivery import Delivery
from agent.delivery.messages import Inbound, LinkState
from tests.broker import Mosquitto, free_port
from tests.parts.test_delivery import Links, endpoint_of, result
from tests.waiting import eventually
from tests.watcher import Watcher

RECEIVE_MAX = 10


class Mute:
    """Lets a client in, as MQTT 5 wants it, announces its receive maximum, and answers nothing more."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.publishes: list[int] = []  # by connection
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.hang_up()
        self._thread.join(5.0)

    def hang_up(self) -> None:
        """End the present connection."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, suppress(OSError):
                    self._connection = connection
                    self._speak(connection)

    def _speak(self, connection: socket.socket) -> None:
        place = len(self.publishes)
        self.publishes.append(0)
        for kind in _packets(connection):
            if kind == 1:  # CONNECT: CONNACK, success, with a receive maximum
                connection.sendall(bytes((0x20, 6, 0, 0, 3, 0x21, 0, RECEIVE_MAX)))
            self.publishes[place] += kind == 3


def _packets(connection: socket.socket) -> Iterator[int]:
    """The kinds of the packets that come."""
    with connection.makefile("rb") as stream:
        while first := stream.read(1):
            size = 0
            for shift in itertools.count(0, 7):
                (byte,) = stream.read(1)
                size |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
            stream.read(size)
            yield first[0] >> 4


def test_what_is_in_flight_stays_within_the_brokers_limit_over_reconnections() -> None:
    links = Links()
    with (
        Mute() as broker,
        Delivery(endpoint_of(f"mqtt://127.0.0.1:{broker.port}", protocol="5"), on_link=links) as delivery,
    ):
        eventually(links.connected)
        for number in range(200):
            delivery.put(result(number))
        for connections in range(1, 4):
            eventually(lambda n=connections: len(broker.publishes) == n, 20)  # type: ignore[misc]
            # After a connection that ended with messages in flight, one at a time: which is the culprit?
            most = RECEIVE_MAX if connections == 1 else 1
            eventually(lambda n=connections, m=most: broker.publishes[n - 1] == m)  # type: ignore[misc]
            assert delivery.counters().in_flight == most
            broker.hang_up()
        assert max(broker.publishes) == RECEIVE_MAX


def test_a_callback_that_raises_is_seen_at_once(
    broker: Mosquitto, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With paho's own thread, `is_connected()` would go on being true for ever."""
    ended: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.append(args.exc_type.__name__))

    def raises(_message: Inbound) -> None:
        raise LookupError("nobody expects this")

    links = Links()
    topic = f"d/{watcher.device}/cmd/ping"
    with Delivery(
        endpoint_of(broker.url), subscriptions=[f"vedette/v1/{topic}"], on_inbound=raises, on_link=links
    ) as delivery:
        eventually(links.connected)
        assert delivery.progress() > 0

        def seen() -> bool:
            watcher.publish(topic, b"{}")  # again and again: the subscription may not be in force yet
            return delivery.progress() == 0.0

        eventually(seen)
        assert not delivery.alive()
    assert ended == ["LookupError"]


def test_callbacks_may_publish_while_others_do(broker: Mosquitto, watcher: Watcher) -> None:
    """With paho's own lock held around callbacks, who holds a lock of their own waits for ever."""
    own = threading.RLock()
    heard: list[int] = []
    topic = f"d/{watcher.device}/cmd/ping"

    def answer(_message: Inbound) -> None:
        with own:
            heard.append(len(heard))
            delivery.put(result(10_000 + len(heard)))

    links = Links()
    with Delivery(
        endpoint_of(broker.url), subscriptions=[f"vedette/v1/{topic}"], on_inbound=answer, on_link=links
    ) as delivery:
        eventually(links.connected)

        def subscribed() -> bool:
            watcher.publish(topic, b"{}")
            return bool(heard)

        eventually(subscribed)
        before = len(heard)
        for number in range(500):
            watcher.publish(topic, b"{}")
            with own:
                delivery.put(result(number))
        eventually(lambda: len(heard) >= before + 500, 20)
        eventually(lambda: delivery.counters().delivered == 500 + len(heard), 20)


def test_no_two_agents_come_back_at_the_same_moment() -> None:
    """Paho waits 1, 2, 4 … seconds, as all other clients of a broker that was restarted."""
    delays: list[list[float]] = []
    for _ in range(3):
        links = Links()
        with Delivery(endpoint_of(f"mqtt://127.0.0.1:{free_port()}"), on_link=links):
            eventually(lambda seen=links.seen: sum(link.retry_in_s is not None for link in seen) >= 3, 30)  # type: ignore[misc]
        waits = [link.retry_in_s for link in links.seen if link.state is LinkState.WAITING]
        delays.append([wait for wait in waits if wait is not None][:3])
    assert len({tuple(one) for one in delays}) == 3
    assert all(len(set(one)) == 3 for one in delays)


def test_small_messages_are_not_held_back(broker: Mosquitto) -> None:
    """Nagle's algorithm with delayed acknowledgements makes a command take 68 ms instead of 3."""
    links = Links()
    with Delivery(endpoint_of(broker.url), on_link=links) as delivery:
        eventually(links.connected)
        session = delivery._courier._session
        assert session is not None
        with socket.socket(fileno=os.dup(session.fileno())) as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.fixture
def watcher(broker: Mosquitto) -> Iterator[Watcher]:
    with Watcher(broker.url, "gate-7") as watching:
        yield watching
