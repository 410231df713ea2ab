"""Delivery against a real mosquitto: what is put arrives, whatever happens to the broker."""

import os
import resource
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.delivery.delivery import Delivery
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Inbound, Link, LinkCause, LinkState, Outgoing
from tests.broker import Mosquitto, free_port
from tests.waiting import eventually
from tests.watcher import Watcher

DEVICE = "gate-7"
PREFIX = f"vedette/v1/d/{DEVICE}"


class Links:
    """Keeps what `on_link` was told."""

    def __init__(self) -> None:
        self.seen: list[Link] = []

    def __call__(self, link: Link) -> None:
        self.seen.append(link)

    def connected(self, times: int = 1) -> bool:
        return sum(link.state is LinkState.CONNECTED for link in self.seen) >= times

    def wait_failed(self) -> tuple[LinkCause | None, str]:
        """Cause and reason of the first failure."""
        link = eventually(lambda: next((link for link in self.seen if link.state is LinkState.WAITING), None))
        assert link is not None
        return link.cause, link.reason


def endpoint_of(url: str, **others: object) -> Endpoint:
    made = Endpoint.from_url(url, client_id=f"vedette-{secrets.token_hex(4)}", keepalive_s=5)
    return replace(made, **others)  # type: ignore[arg-type]


def result(number: int, size: int = 100) -> Outgoing:
    payload = str(number).encode().ljust(size, b" ")
    return Outgoing(
        topic=f"{PREFIX}/s/door/a/movement/result", payload=payload, kind="result", epoch=1, seq=number
    )


def state(text: str, name: str = "status") -> Outgoing:
    return Outgoing(topic=f"{PREFIX}/{name}", payload=text.encode(), kind="state", retain=True)


def numbers(watcher: Watcher) -> list[int]:
    return [int(message.payload) for message in watcher.matching(f"d/{DEVICE}/s/door/a/movement/result")]


@pytest.fixture
def watcher(broker: Mosquitto) -> Iterator[Watcher]:
    with Watcher(broker.url, DEVICE) as watching:
        yield watching


def test_results_arrive_in_order_and_once(broker: Mosquitto, watcher: Watcher) -> None:
    links = Links()
    with Delivery(endpoint_of(broker.url), on_link=links) as delivery:
        eventually(links.connected)
        for number in range(2_000):
            delivery.put(result(number))
        eventually(lambda: delivery.counters().delivered == 2_000, 30)
        counters = delivery.counters()
    eventually(lambda: len(numbers(watcher)) >= 2_000, 30)
    assert numbers(watcher) == list(range(2_000))
    assert (counters.accepted, counters.waiting, counters.in_flight, counters.resent) == (2_000, 0, 0, 0)
    assert links.seen[-1].state is LinkState.STOPPED


def test_properties_arrive(broker: Mosquitto, watcher: Watcher) -> None:
    links = Links()
    reply = Outgoing(
        topic=f"{PREFIX}/resp",
        payload=b"{}",
        kind="reply",
        content_type="application/json",
        correlation_data=b"\x00\x01",
        user_properties=(("a", "1"), ("b", "2")),
    )
    with Delivery(endpoint_of(broker.url), on_link=links) as delivery:
        eventually(links.connected)
        delivery.put(reply)
        message = eventually(lambda: watcher.matching(f"d/{DEVICE}/resp"))[0]
    assert (message.content_type, message.correlation_data) == ("application/json", b"\x00\x01")
    assert message.user_properties == (("a", "1"), ("b", "2"))


def test_a_broker_that_comes_late_gets_everything_at_the_drain_rate(
    broker: Mosquitto, watcher: Watcher
) -> None:
    links = Links()
    broker.stop()
    with Delivery(endpoint_of(broker.url), on_link=links, drain_rate=500) as delivery:
        cause, reason = links.wait_failed()
        assert (cause, reason[:9]) == (LinkCause.REFUSED, "127.0.0.1")
        for number in range(200):
            delivery.put(result(number))
        delivery.put(state("online"))
        broker.start()
        eventually(lambda: delivery.counters().waiting == 0 and delivery.counters().in_flight == 0, 20)
        eventually(lambda: len(numbers(watcher)) >= 200)
    assert numbers(watcher) == list(range(200))
    replayed = watcher.matching(f"d/{DEVICE}/s/door/a/movement/result")
    assert all(message.user_properties == (("replay", "1"),) for message in replayed)
    assert delivery.counters().replayed == 200


def test_nothing_is_lost_when_the_broker_is_killed_in_mid_flow(broker: Mosquitto, watcher: Watcher) -> None:
    links = Links()
    with Delivery(endpoint_of(broker.url), on_link=links, drain_rate=5_000) as delivery:
        eventually(links.connected)
        delivery.put(state("online"))
        last = 0
        for round_ in range(3):
            for number in range(last, last + 1_500):
                delivery.put(result(number))
            last += 1_500
            eventually(lambda wanted=last - 1_400: delivery.counters().delivered > wanted)  # type: ignore[misc]
            broker.save()
            broker.kill()
            eventually(lambda: links.seen[-1].state is LinkState.WAITING)
            broker.start()
            eventually(lambda times=round_ + 2: links.connected(times), 20)  # type: ignore[misc]
        eventually(lambda: delivery.counters().waiting == 0 and delivery.counters().in_flight == 0, 30)
        counters = delivery.counters()
    assert counters.delivered == counters.accepted == last + 1
    assert counters.republished == 3  # the state, after each new connection
    # What mosquitto had acknowledged and not yet written to its disk is its loss, not ours: it is the
    # broker's own window of a tenth of a second. Everything that came is ours, and in order but for repeats.
    got = numbers(watcher)
    assert set(got) <= set(range(last))
    assert list(dict.fromkeys(got)) == sorted(set(got)) or counters.replayed > 0


def test_states_are_coalesced_published_again_and_cleared(broker: Mosquitto) -> None:
    links = Links()
    broker.stop()
    with Delivery(endpoint_of(broker.url), on_link=links) as delivery:
        for number in range(50):
            delivery.put(state(str(number)))
        broker.start()
        eventually(links.connected)
        eventually(lambda: delivery.counters().delivered == 1)
        assert delivery.counters().superseded == 49
        broker.kill()
        (broker.folder / "mosquitto.db").unlink(missing_ok=True)  # another broker, which knows nothing of us
        eventually(lambda: links.seen[-1].state is LinkState.WAITING)
        broker.start()
        eventually(lambda: links.connected(2))
        with Watcher(broker.url, DEVICE) as watcher:
            eventually(lambda: watcher.matching(f"d/{DEVICE}/status"))
            assert watcher.matching(f"d/{DEVICE}/status")[-1].payload == b"49"
        delivery.put(replace(state(""), payload=b""))
        eventually(lambda: delivery.counters().delivered == 2)
        with Watcher(broker.url, DEVICE) as watcher:
            delivery.put(state("end", "info"))
            eventually(lambda: watcher.matching(f"d/{DEVICE}/info"))
            assert not watcher.matching(f"d/{DEVICE}/status")


def test_farewell_is_last_and_the_will_is_not_published(broker: Mosquitto, watcher: Watcher) -> None:
    links = Links()
    with Delivery(
        endpoint_of(broker.url),
        on_link=links,
        will=state("lost"),
        farewell=lambda: state("offline"),
        flush_s=20.0,
    ) as delivery:
        eventually(links.connected)
        delivery.put(state("online"))
        for number in range(500):
            delivery.put(result(number))
    eventually(lambda: len(numbers(watcher)) == 500)
    eventually(lambda: len(watcher.matching(f"d/{DEVICE}/status")) == 2, what="the farewell")
    statuses = [message.payload for message in watcher.matching(f"d/{DEVICE}/status")]
    assert statuses == [b"online", b"offline"]
    assert watcher.messages[-1].payload == b"offline"


def test_a_refused_message_blocks_nothing(tmp_path: Path) -> None:
    acl = f"topic readwrite {PREFIX}/s/#\ntopic read #\n"
    links = Links()
    with (
        Mosquitto(tmp_path / "mosquitto", acl=acl) as broker,
        Watcher(broker.url, DEVICE) as watcher,
        Delivery(endpoint_of(broker.url), on_link=links) as delivery,
    ):
        eventually(links.connected)
        for number in range(20):
            delivery.put(result(number))
            delivery.put(
                Outgoing(topic=f"{PREFIX}/forbidden", payload=b"x", kind="event", epoch=1, seq=number)
            )
        eventually(lambda: delivery.counters().delivered == 20 and delivery.counters().dead == 20)
        eventually(lambda: len(numbers(watcher)) == 20)
        assert delivery.counters().connects == 1
        assert delivery.dead_letters()[0][1] == "Not authorized (0x87)"
        gap = delivery.gaps()[0]
        assert (gap.epoch, gap.first, gap.last) == (1, 0, 19)


def test_an_oversized_message_blocks_nothing(tmp_path: Path) -> None:
    links = Links()
    with (
        Mosquitto(tmp_path / "mosquitto", settings="max_packet_size 20000") as broker,
        Delivery(endpoint_of(broker.url), on_link=links) as delivery,
    ):
        eventually(links.connected)
        delivery.put(result(0))
        delivery.put(result(1, size=30_000))
        delivery.put(result(2))
        eventually(lambda: delivery.counters().delivered == 2 and delivery.counters().dead == 1)
        assert delivery.counters().connects == 1


def test_a_message_that_ends_connections_is_put_aside(tmp_path: Path) -> None:
    """MQTT 3.1.1 has no way to say how much is too much: mosquitto hangs up."""
    links = Links()
    with (
        Mosquitto(tmp_path / "mosquitto", settings="max_packet_size 20000") as broker,
        Delivery(endpoint_of(broker.url, protocol="3.1.1"), on_link=links) as delivery,
    ):
        eventually(links.connected)
        for number in range(20):
            delivery.put(result(number, size=30_000 if number == 10 else 100))
        eventually(lambda: delivery.counters().delivered == 19 and delivery.counters().dead == 1, 20)
        (letter, reason), *_ = delivery.dead_letters()
        assert letter.seq == 10
        assert len(letter.payload) == 16_384, "a hundred whole ones might be too much for memory"
        assert reason.startswith("ends the connection")


def test_limits_drop_the_oldest_and_name_them() -> None:
    with Delivery(endpoint_of(f"mqtt://127.0.0.1:{free_port()}")) as delivery:
        for number in range(20_005):
            delivery.put(result(number, size=10))
        counters = delivery.counters()
        assert counters.dropped == {"result": 5}
        assert counters.waiting == 20_000
        gap, *others = delivery.gaps()
        assert (gap.first, gap.last, gap.reason, others) == (0, 4, "memory full", [])


def test_commands_come_in(broker: Mosquitto) -> None:
    links = Links()
    got: list[Inbound] = []

    with (
        Delivery(
            endpoint_of(broker.url), subscriptions=[f"{PREFIX}/cmd/+"], on_inbound=got.append, on_link=links
        ) as delivery,
        Delivery(endpoint_of(broker.url)) as other,
    ):
        eventually(links.connected)
        command = Outgoing(topic=f"{PREFIX}/cmd/ping", payload=b"{}", kind="event", correlation_data=b"7")

        def came() -> bool:
            other.put(command)  # again and again: the subscription may not be in force yet
            return bool(got)

        eventually(came)
        assert got[0].topic == f"{PREFIX}/cmd/ping"
        assert got[0].correlation_data == b"7"
        delivery.put(result(1))
        eventually(lambda: delivery.counters().delivered == 1)
        assert delivery.alive()


def test_commands_sent_while_away_come_after_reconnecting(broker: Mosquitto) -> None:
    links = Links()
    got: list[Inbound] = []
    address = endpoint_of(broker.url)
    with Delivery(address, subscriptions=[f"{PREFIX}/cmd/+"], on_inbound=got.append, on_link=links):
        eventually(links.connected)
    with Delivery(endpoint_of(broker.url)) as other:
        other.put(Outgoing(topic=f"{PREFIX}/cmd/ping", payload=b"{}", kind="event"))
        eventually(lambda: other.counters().delivered == 1)
    assert not got
    with Delivery(address, subscriptions=[f"{PREFIX}/cmd/+"], on_inbound=got.append):
        eventually(lambda: len(got) == 1)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_websocket(secure_broker: Mosquitto, protocol: str) -> None:
    links = Links()
    with (
        Watcher(secure_broker.url, DEVICE) as watcher,
        Delivery(endpoint_of(secure_broker.ws_url, protocol=protocol), on_link=links) as delivery,
    ):
        eventually(links.connected)
        # Far more than a socket takes while the broker does not read: paho's WebSocket loses packets that
        # go out in part.
        assert secure_broker.pid is not None
        os.kill(secure_broker.pid, signal.SIGSTOP)
        for number in range(60):
            delivery.put(result(number, size=400_000))
        eventually(lambda: delivery.counters().in_flight == 60)
        eventually(lambda: delivery.progress() < time.monotonic() - 0.5)  # it waits for the socket
        os.kill(secure_broker.pid, signal.SIGCONT)
        eventually(lambda: delivery.counters().delivered == 60, 20)
        eventually(lambda: len(numbers(watcher)) == 60, 20)
        assert numbers(watcher) == list(range(60))
        assert delivery.counters().connects == 1


def test_tls_with_a_client_certificate(secure_broker: Mosquitto) -> None:
    certificates = secure_broker.certificates
    assert certificates is not None
    links = Links()
    secure = endpoint_of(
        secure_broker.tls_url,
        ca_file=certificates.ca,
        cert_file=certificates.client.certificate,
        key_file=certificates.client.key,
    )
    with Watcher(secure_broker.url, DEVICE) as watcher, Delivery(secure, on_link=links) as delivery:
        eventually(links.connected)
        for number in range(500):
            delivery.put(result(number, size=5_000))
        eventually(lambda: len(numbers(watcher)) == 500)


def test_tls_failures_are_told_apart(secure_broker: Mosquitto, tmp_path: Path) -> None:
    certificates = secure_broker.certificates
    assert certificates is not None
    ours = {
        "ca_file": certificates.ca,
        "cert_file": certificates.client.certificate,
        "key_file": certificates.client.key,
    }
    for changes, wanted in (
        ({"ca_file": None}, "is not trusted"),
        ({"cert_file": None, "key_file": None}, "ended TLS"),
        ({"ca_file": tmp_path / "absent.pem"}, "cannot be read"),
    ):
        links = Links()
        with Delivery(endpoint_of(secure_broker.tls_url, **(ours | changes)), on_link=links):
            cause, reason = links.wait_failed()
        assert cause is LinkCause.TLS, reason
        assert wanted in reason, reason
    links = Links()
    plain = secure_broker.url.replace("mqtt:", "mqtts:")
    with Delivery(endpoint_of(plain, **ours), on_link=links):
        assert links.wait_failed()[0] is LinkCause.TLS


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    links = Links()
    with Mosquitto(tmp_path / "mosquitto", users={"gate-7": "right"}) as broker:
        address = endpoint_of(broker.url, username="gate-7", password="wr0ng")
        with Delivery(address, on_link=links):
            cause, reason = links.wait_failed()
    assert cause is LinkCause.AUTH
    assert "wr0ng" not in f"{reason} {address}"


def test_a_second_client_with_our_id_is_told() -> None:
    """A socket plays the broker: mosquitto 2.0.11 hangs up on the first client without the reason."""
    links = Links()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with Delivery(endpoint_of(f"mqtt://127.0.0.1:{port}"), on_link=links):
            accepted, _ = server.accept()
            with accepted:
                accepted.recv(1_000)
                accepted.sendall(b"\x20\x03\x00\x00\x00")  # CONNACK, success
                eventually(links.connected)
                accepted.sendall(b"\xe0\x02\x8e\x00")  # DISCONNECT, session taken over
                cause, reason = links.wait_failed()
    assert cause is LinkCause.TAKEN_OVER
    assert "Session taken over" in reason


def test_two_clients_with_one_id_go_on_for_ever(broker: Mosquitto) -> None:
    address = endpoint_of(broker.url)
    first, second = Links(), Links()
    with Delivery(address, on_link=first) as one:
        eventually(first.connected)
        with Delivery(address, on_link=second) as two:
            first.wait_failed()
            second.wait_failed()
            assert one.alive()
            assert two.alive()
        eventually(lambda: first.connected(2))


def test_a_name_that_does_not_exist() -> None:
    links = Links()
    with Delivery(endpoint_of("mqtt://broker.invalid"), on_link=links):
        assert links.wait_failed()[0] is LinkCause.NAME


def test_a_server_that_says_nothing_can_be_left_at_once() -> None:
    links = Links()
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        with Delivery(endpoint_of(f"mqtt://127.0.0.1:{port}"), on_link=links) as delivery:
            accepted, _ = silent.accept()
            with accepted:
                assert accepted.recv(1) == b"\x10"  # CONNECT
                assert delivery.alive()
    assert links.seen[-1].state is LinkState.STOPPED


def test_a_server_that_speaks_something_else() -> None:
    links = Links()
    with closing(socket.create_server(("127.0.0.1", 0))) as strange:
        port = strange.getsockname()[1]
        with Delivery(endpoint_of(f"mqtt://127.0.0.1:{port}", protocol="5"), on_link=links) as delivery:
            accepted, _ = strange.accept()
            with accepted:
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
                cause, _ = links.wait_failed()
            assert cause in {LinkCause.PROTOCOL, LinkCause.CLOSED}
            assert delivery.alive()


def test_a_descriptor_above_1023_connects(broker: Mosquitto) -> None:
    """select() cannot wait for those, and paho's own loop uses it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_096), hard))
    with socket.socket() as probe:
        taken = [os.dup(probe.fileno()) for _ in range(1_100)]
        try:
            links = Links()
            with Delivery(endpoint_of(broker.url), on_link=links) as delivery:
                eventually(links.connected)
                delivery.put(result(1))
                eventually(lambda: delivery.counters().delivered == 1)
        finally:
            for fd in taken:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_message_ids_go_round(broker: Mosquitto) -> None:
    """They end at 65,535; one that is still in use then is passed over."""
    links = Links()
    with Delivery(endpoint_of(broker.url), on_link=links) as delivery:
        eventually(links.connected)
        for base in range(0, 70_000, 10_000):
            for number in range(base, base + 10_000):
                delivery.put(result(number, size=10))
            eventually(lambda wanted=base + 10_000: delivery.counters().delivered == wanted, 20)  # type: ignore[misc]
        assert delivery.counters().connects == 1
