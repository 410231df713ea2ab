"""The test broker is a real one: it keeps sessions, checks certificates and passwords, dies and returns."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.waiting import eventually
from tests.watcher import Codec, Watcher


@pytest.fixture
def watcher(broker: Mosquitto) -> Iterator[Watcher]:
    with Watcher(broker.url, "dev-1") as watching:
        yield watching


def test_publications_arrive_with_their_properties(watcher: Watcher) -> None:
    watcher.publish(
        "d/dev-1/s/a/status",
        b'{"state": "running"}',
        retain=True,
        content_type="application/json",
        user_properties=[("a", "1"), ("a", "2")],
    )
    message = watcher.wait_for(lambda message: message.topic.endswith("/s/a/status"))
    assert (message.qos, message.retain, message.user_properties) == (1, True, (("a", "1"), ("a", "2")))
    assert message.document == watcher.latest("d/+/s/a/status") == {"state": "running"}
    assert watcher.latest("d/+/s/b/status") is None


def test_waiting_in_vain_says_what_was_seen(watcher: Watcher) -> None:
    watcher.publish("d/dev-1/status", b"{}")
    watcher.wait_for(lambda message: message.topic.endswith("status"))
    with pytest.raises(
        AssertionError, match=r"0 of 1 messages within 0\.1 s: the end; topics seen: .*status"
    ):
        watcher.wait_for(lambda message: message.topic.endswith("end"), 0.1, what="the end")


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_a_command_gets_its_reply(broker: Mosquitto, watcher: Watcher, codec: Codec) -> None:
    with Watcher(broker.url) as device:
        name = watcher.command(
            "ping", {"x": 1}, codec=codec, response_topic=f"vedette/v1/client/{watcher.name}/resp"
        )
        request = device.wait_for(lambda message: "/cmd/" in message.topic)
        assert request.document == {"id": name, "args": {"x": 1}}
        assert request.response_topic is not None
        device.publish(
            request.response_topic.removeprefix("vedette/v1/"),
            request.payload,
            content_type=request.content_type,
            correlation_data=request.correlation_data,
        )
        watcher.wait_for(
            lambda message: message.correlation_data == name.encode() and "/resp" in message.topic
        )
    assert [reply["id"] for reply in watcher.replies(name)] == [name]


def test_sessions_survive_a_kill(broker: Mosquitto, watcher: Watcher) -> None:
    watcher.publish("d/dev-1/status", b'"before"', retain=True)
    watcher.wait_for(lambda message: message.payload == b'"before"')
    time_s = time.monotonic()
    for _ in range(2):
        broker.save()
        broker.kill()
        assert broker.pid is None
        broker.start()
    watcher.wait_connected()
    watcher.publish("d/dev-1/status", b'"after"')
    watcher.wait_for(lambda message: message.payload == b'"after"')
    # What was not acknowledged before a kill may come twice: QoS 1.
    assert {message.payload for message in watcher.matching("d/dev-1/status")} == {b'"before"', b'"after"'}
    with Watcher(broker.url) as late:
        late.wait_for(lambda message: message.payload == b'"before"')
    assert time.monotonic() - time_s < 10


def test_a_stopped_broker_refuses_and_comes_back_on_its_port(broker: Mosquitto) -> None:
    url = broker.url
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        Watcher(url).__enter__()
    broker.start()
    with Watcher(url):
        assert broker.url == url
    assert "terminating" in broker.log()


def test_tls_and_websockets(secure_broker: Mosquitto) -> None:
    certificates = secure_broker.certificates
    assert certificates is not None
    with (
        Watcher(secure_broker.tls_url, certificates=certificates) as tls,
        Watcher(secure_broker.ws_url) as websocket,
    ):
        websocket.publish("d/x/status", b"1")
        tls.wait_for(lambda message: message.payload == b"1")
        tls.publish("d/x/status", b"2")
        websocket.wait_for(lambda message: message.payload == b"2")


def test_websockets_over_tls_for_browsers(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", secure_websockets=True, users={"jo": "secret"}) as broker:
        assert broker.certificates is not None
        url = broker.wss_url.replace("//", "//jo:secret@")
        with Watcher(url, ca=broker.certificates.ca) as watcher:
            watcher.publish("d/x/status", b"1")
            watcher.wait_for(lambda message: message.payload == b"1")
        port = int(broker.wss_url.split(":")[2].partition("/")[0])
        wary = ssl.create_default_context(cafile=str(broker.certificates.stranger_ca))
        assert "CERTIFICATE_VERIFY_FAILED" in handshake_error(port, wary, "localhost")


def test_a_stranger_is_refused(secure_broker: Mosquitto) -> None:
    certificates = secure_broker.certificates
    assert certificates is not None
    port = int(secure_broker.tls_url.rsplit(":", 1)[1])
    trusting = ssl.create_default_context(cafile=str(certificates.ca))
    for name in ("127.0.0.1", "localhost"):
        assert "certificate required" in handshake_error(port, trusting, name)
    trusting.load_cert_chain(certificates.stranger.certificate, certificates.stranger.key)
    assert "unknown ca" in handshake_error(port, trusting, "localhost")
    wary = ssl.create_default_context(cafile=str(certificates.stranger_ca))
    assert "CERTIFICATE_VERIFY_FAILED" in handshake_error(port, wary, "localhost")


def handshake_error(port: int, context: ssl.SSLContext, name: str) -> str:
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name) as wrapped:
                wrapped.recv(1)  # TLS 1.3: the client's certificate is judged after the handshake
        except ssl.SSLError as error:
            return str(error)
    return ""


def test_passwords_and_acl(tmp_path: Path) -> None:
    acl = "user reader\ntopic read vedette/v1/#\nuser writer\ntopic readwrite vedette/v1/#\n"
    users = {"reader": "r p:w@", "writer": "w"}
    with Mosquitto(tmp_path / "m", users=users, acl=acl) as broker:
        good = broker.url.replace("//", "//reader:r%20p%3Aw%40@")
        with Watcher(good) as reader, Watcher(broker.url.replace("//", "//writer:w@")) as writer:
            reader.publish("d/x/status", b"denied")
            writer.publish("d/x/status", b"allowed")
            reader.wait_for(lambda message: message.payload == b"allowed")
            assert len(reader.messages) == 1
        for url in (broker.url, broker.url.replace("//", "//reader:wrong@")):
            with pytest.raises(AssertionError, match="Not authorized"):
                Watcher(url).__enter__()
    eventually(lambda: broker.pid is None)
