"""The visitor to the broker that the commands use, at a real mosquitto and at the embedded broker."""

from pathlib import Path

import pytest

from agent.delivery.client import Client
from agent.delivery.embedded import EmbeddedBroker
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import LinkCause, Outgoing
from agent.delivery.reasons import LinkError
from tests.broker import Mosquitto, free_port

TOPIC = "vedette/v1/d/gate-7/cmd/ping"


def _message(**of: object) -> Outgoing:
    return Outgoing(topic=TOPIC, payload=b"{}", kind="event", **of)  # type: ignore[arg-type]


def _client(url: str, name: str = "visitor", **of: object) -> Client:
    return Client(Endpoint.from_url(url, client_id=name, **of))  # type: ignore[arg-type]


def test_what_is_published_comes_with_its_properties(secure_broker: Mosquitto) -> None:
    with _client(secure_broker.url, "one") as one, _client(secure_broker.ws_url, "two") as two:
        assert one.publish(_message()) is False  # nobody is there to hear it
        two.subscribe(["vedette/v1/#"])
        assert two.receive(0.2) == []
        assert one.publish(_message(response_topic="vedette/v1/client/one/resp", correlation_data=b"7"))
        (inbound,) = two.receive(5.0)
    assert (inbound.topic, inbound.payload) == (TOPIC, b"{}")
    assert (inbound.response_topic, inbound.correlation_data) == ("vedette/v1/client/one/resp", b"7")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_nothing_is_kept_for_a_visitor_that_left(broker: Mosquitto, protocol: str) -> None:
    with _client(broker.url, protocol=protocol) as client:
        client.subscribe([TOPIC])
    with _client(broker.url, "other") as other:
        other.publish(_message())
    with _client(broker.url, protocol=protocol) as client:
        assert client.protocol == protocol
        assert client.receive(0.3) == []


def test_a_broker_of_3_1_1_alone_is_spoken_to_in_its_version() -> None:
    with EmbeddedBroker() as embedded, _client(embedded.old_url) as client:
        assert client.protocol == "3.1.1"
        client.subscribe([TOPIC])
        client.publish(_message(response_topic="vedette/v1/client/one/resp", expiry_s=5))
        (inbound,) = client.receive(5.0)
    assert inbound.topic == TOPIC
    assert inbound.response_topic is None


def test_each_reason_for_no_connection_has_its_cause(broker: Mosquitto) -> None:
    for url, cause in (
        (f"mqtt://127.0.0.1:{free_port()}", LinkCause.REFUSED),
        ("mqtt://no-such-host.invalid", LinkCause.NAME),
        (broker.url.replace("mqtt", "mqtts"), LinkCause.TLS),
    ):
        with pytest.raises(LinkError) as raised, _client(url):
            pass
        assert raised.value.cause is cause


def test_a_broker_that_ends_is_an_error_at_once(broker: Mosquitto) -> None:
    with _client(broker.url) as client:
        broker.kill()
        with pytest.raises(LinkError):
            for _ in client.messages(5.0):
                pass


def test_a_refused_message_is_an_error(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "strict", acl="topic read #\n") as strict,
        _client(strict.url) as client,
        pytest.raises(LinkError, match="refuses messages on vedette/v1/d/gate-7/cmd/ping"),
    ):
        client.publish(_message())
