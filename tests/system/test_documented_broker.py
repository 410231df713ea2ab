"""The documented mosquitto configuration: the agent's work goes through it, and nobody else's.

Every attacker here has a way in: another device's valid certificate, a revoked or expired one, one of another
authority, none, or a dashboard's password.
"""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import pytest
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.contract.topics import TOPICS
from tests.broker import Mosquitto
from tests.certificates import Authority, Pair
from tests.left_out import leave_out
from tests.system.agent_process import NUMBERS_KIND, AgentProcess
from tests.system.documented import DocumentedBroker
from tests.waiting import eventually
from tests.watcher import Watcher

ROOT = Path(__file__).parents[2]
PREFIX = "vedette/v1"
SCENE = "test://scene?size=320x240&fps=25"
NOT_AUTHORIZED = 0x87


class Visitor:
    """Somebody at the broker with a certificate, a password or neither; counts what it was told."""

    def __init__(self, url: str, ca: Path, pair: Pair | None = None, *, client_id: str = "") -> None:
        parts = urlsplit(url)
        self.messages: list[tuple[str, bytes]] = []
        self.ended: list[int] = []
        self._connected: list[int] = []
        self._subscribed: list[list[int]] = []
        self._acked: dict[int, int] = {}
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        if parts.username is not None:
            self._client.username_pw_set(parts.username, unquote(parts.password or ""))
        files = (None, None) if pair is None else (str(pair.certificate), str(pair.key))
        self._client.tls_set(str(ca), *files)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._address = (parts.hostname or "", parts.port or 0)

    def enter(self) -> int:
        """The broker's answer to CONNECT; raises OSError when TLS does not get so far."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 60
        self._client.connect(*self._address, keepalive=20, clean_start=False, properties=properties)
        self._client.loop_start()
        self._wait(lambda: self._connected or self.ended)
        if not self._connected:
            raise ConnectionError("the broker hung up")
        return self._connected[-1]

    def __enter__(self) -> Self:
        assert self.enter() == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, *filters: str) -> list[int]:
        """The broker's answers."""
        count = len(self._subscribed)
        self._client.subscribe([(f"{PREFIX}/{one}" if one != "#" else one, 1) for one in filters])
        self._wait(lambda: len(self._subscribed) > count)
        return self._subscribed[-1]

    def publish(
        self, topic: str, payload: bytes = b"{}", *, retain: bool = False, prefix: str = f"{PREFIX}/"
    ) -> int:
        """The broker's answer."""
        mid = self._client.publish(f"{prefix}{topic}", payload, qos=1, retain=retain).mid
        self._wait(lambda: mid in self._acked)
        return self._acked[mid]

    def _wait(self, happened: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: happened() or self.ended, 10.0), (
                "the broker does not answer"
            )

    def _tell(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _on_connect(
        self, _: Client, __: object, ___: ConnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        self._tell(lambda: self._connected.append(code.value))

    def _on_subscribe(
        self, _: Client, __: object, ___: int, codes: list[ReasonCode], ____: Properties | None
    ) -> None:
        self._tell(lambda: self._subscribed.append([code.value for code in codes]))

    def _on_publish(self, _: Client, __: object, mid: int, code: ReasonCode, ___: Properties | None) -> None:
        self._tell(lambda: self._acked.update({mid: code.value}))

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        self._tell(lambda: self.messages.append((message.topic, bytes(message.payload))))

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        self._tell(lambda: self.ended.append(code.value))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[DocumentedBroker]:
    with DocumentedBroker(tmp_path / "mosquitto") as running:
        yield running


@pytest.fixture
def agent(tmp_path: Path, broker: DocumentedBroker) -> Iterator[AgentProcess]:
    """Device 1, at its work."""
    agent = AgentProcess(tmp_path, broker.devices_url)
    pair = broker.issue(agent.device)
    agent.add_kind("numbers", NUMBERS_KIND)
    agent.configure(
        streams=[{"id": "scene", "source": SCENE}],
        algorithms=[{"id": "facts", "kind": "probe", "streams": ["scene"], "interval": 0.2}],
        device={"groups": ["halls"]},
        broker={
            "ca_file": str(broker.authority.path),
            "cert_file": str(pair.certificate),
            "key_file": str(pair.key),
        },
    )
    with agent:
        yield agent


@pytest.fixture
def operator(agent: AgentProcess, broker: DocumentedBroker) -> Iterator[Watcher]:
    with Watcher(broker.people_url("operator"), agent.device, ca=broker.authority.path) as operator:
        operator.wait_for_results(1, 40.0)
        yield operator


def test_the_normal_work_goes_through(
    agent: AgentProcess, broker: DocumentedBroker, operator: Watcher
) -> None:
    assert operator.call("ping")["code"] == 200
    assert operator.call("stream.add", {"id": "two", "source": SCENE})["code"] == 200
    eventually(lambda: (operator.latest("d/+/s/two/status") or {}).get("state") == "running", 40.0)
    assert operator.call("snapshot.take", {"stream": "scene"})["code"] == 200
    operator.wait_for(lambda message: message.topic.endswith("/s/scene/snapshot"))
    without_topic = operator.command("ping")
    eventually(lambda: operator.replies(without_topic), what="the reply on the device's own topic")
    for number, path in enumerate(("g/halls", "all")):
        inbox = f"{PREFIX}/client/{operator.name}/resp"
        request = f'{{"id": "several-{number}"}}'.encode()
        operator.publish(f"{path}/cmd/ping", request, response_topic=inbox, content_type="application/json")
        eventually(lambda number=number: operator.replies(f"several-{number}"), what=f"a reply to {path}")  # type: ignore[misc]
    assert operator.latest("d/+/info")["device"] == agent.device
    assert operator.latest("d/+/reported")["delivery"]["dead"] == 0
    assert operator.latest("d/+/reported")["delivery"]["subscriptions_refused"] == 0
    assert operator.call("stream.remove", {"id": "two"})["code"] == 200
    with Watcher(broker.people_url("dashboard"), agent.device, ca=broker.authority.path) as dashboard:
        dashboard.wait_for_results(3, 40.0)
        eventually(lambda: (dashboard.latest("d/+/status") or {}).get("state") == "online")
    # A session that outlives the connection: what was said meanwhile is done afterwards.
    broker.stop()
    broker.start()
    operator.wait_connected()
    since = len(operator.messages)
    operator.wait_for_results(2, 30.0, since=since)
    assert operator.call("ping")["code"] == 200
    # What is said while it is away, and before another restart, it hears when it comes back.
    assert agent.terminate() == 0
    eventually(lambda: operator.latest("d/+/status")["state"] == "offline", what="it says good-bye")
    waiting = operator.command("ping")
    broker.stop()
    broker.start()
    operator.wait_connected()
    agent.start()
    eventually(lambda: operator.replies(waiting), 40.0, what="the command waited for the device")


def test_a_device_may_publish_whatever_the_contract_has(broker: DocumentedBroker) -> None:
    """A topic that is added to the contract is allowed here, too, and heard by the dashboard."""
    ids = dict.fromkeys(("stream", "algorithm", "request", "part", "verb", "group", "client"), "x")
    with (
        Visitor(broker.devices_url, broker.authority.path, broker.issue("gate-7")) as device,
        Visitor(broker.people_url("operator"), broker.authority.path, client_id="x") as operator,
    ):
        operator.subscribe("#")
        outgoing = [topic for topic in TOPICS if topic.direction == "out"]
        for topic in outgoing:
            assert device.publish(topic.filter("", device="gate-7", **ids).removeprefix("/")) < 0x80, topic
        heard = [topic.filter(PREFIX, device="gate-7", **ids) for topic in outgoing]
        eventually(lambda: {topic for topic, _ in operator.messages} == set(heard), what="all of it is heard")
        device.subscribe("#")
        for topic in TOPICS:
            if topic.direction == "in":
                path = topic.filter("", device="gate-7", **ids).removeprefix("/")
                assert operator.publish(path, b"in") < 0x80
                eventually(lambda path=path: (f"{PREFIX}/{path}", b"in") in device.messages)  # type: ignore[misc]


def test_another_device_neither_reads_nor_writes(
    agent: AgentProcess, broker: DocumentedBroker, operator: Watcher
) -> None:
    one = f"d/{agent.device}"
    pair = broker.issue("gate-8")
    with Visitor(broker.devices_url, broker.authority.path, pair) as attacker:
        attacker.subscribe("#", "d/+/#", f"{one}/#", f"{one}/cmd/+", f"{one}/resp", f"{one}/s/+/a/+/result")
        attacker.subscribe(f"client/{operator.name}/resp", "client/+/resp", f"{one}/status")
        for topic in (
            f"{one}/cmd/stream.remove",
            f"{one}/cmd/ping",
            f"{one}/status",
            f"{one}/info",
            f"{one}/reported",
            f"{one}/resp",
            f"{one}/s/scene/status",
            f"{one}/s/scene/a/facts/result",
            f"{one}/s/scene/snapshot",
            "g/all/cmd/stream.remove",
            "all/cmd/stream.remove",
            "d/gate-8/../" + agent.device + "/cmd/ping",
        ):
            for retain in (False, True):
                code = attacker.publish(topic, b'{"id": "evil", "args": {"id": "scene"}}', retain=retain)
                assert (code == NOT_AUTHORIZED) == (not topic.startswith("d/gate-8/")), topic
        # Its own, to see that it would hear what it may.
        attacker.publish("d/gate-8/status", b"me")
        eventually(lambda: (f"{PREFIX}/d/gate-8/status", b"me") in attacker.messages)
        since = len(operator.messages)
        assert operator.call("ping")["code"] == 200
        operator.wait_for_results(3, 40.0, since=since)
        assert operator.call("state.get")["data"]["streams"].keys() == {"scene"}
        # In one order for one subscriber: what was said before would have come before.
        attacker.publish("d/gate-8/status", b"end")
        eventually(lambda: (f"{PREFIX}/d/gate-8/status", b"end") in attacker.messages)
        assert {topic.split("/")[3] for topic, _ in attacker.messages} == {"gate-8"}
    assert all(b"evil" not in message.payload for message in operator.messages)


def test_a_device_announces_itself_to_home_assistant_and_nobody_else(tmp_path: Path) -> None:
    with DocumentedBroker(tmp_path / "mosquitto", homeassistant=True) as broker:
        agent = AgentProcess(tmp_path, broker.devices_url)
        pair = broker.issue(agent.device)
        agent.configure(
            streams=[{"id": "scene", "source": SCENE}],
            homeassistant={"enabled": True, "algorithms": []},
            broker={
                "ca_file": str(broker.authority.path),
                "cert_file": str(pair.certificate),
                "key_file": str(pair.key),
            },
        )
        home = Watcher(
            broker.people_url("homeassistant"),
            ca=broker.authority.path,
            filters=["homeassistant/#", "vedette/#"],
        )
        root = f"homeassistant/device/{agent.device}"

        def announced() -> set[str]:
            return {
                one.topic for one in home.messages[since:] if one.topic.startswith("homeassistant/device/")
            }

        with home, agent:
            since = 0
            eventually(lambda: announced() == {f"{root}/config", f"{root}/scene/config"}, 40.0, "announced")
            eventually(lambda: (home.latest("d/+/s/scene/status") or {}).get("state") == "running", 40.0)
            since = len(home.messages)
            home._client.publish("homeassistant/status", b"online", qos=1)
            eventually(lambda: len(announced()) == 2, 20.0, "the agent hears the birth")
            topic = f"vedette/v1/d/{agent.device}/cmd"
            home._client.publish(f"{topic}/stream.remove", b'{"id": "1", "args": {"id": "scene"}}', qos=1)
            home._client.publish(f"{topic}/snapshot.take", b'{"id": "2", "args": {"stream": "scene"}}', qos=1)
            home.wait_for(lambda message: message.topic.endswith("/s/scene/snapshot"), 20.0)
            assert "subscriptions_refused" not in agent.log()
            other = broker.issue("gate-8")
            with Visitor(broker.devices_url, broker.authority.path, other) as attacker:
                for theirs in (f"{root}/config", f"{root}/scene/config", "homeassistant/status"):
                    assert attacker.publish(theirs, prefix="") == NOT_AUTHORIZED
                assert attacker.publish("homeassistant/device/gate-8/config", prefix="") < 0x80


def test_without_these_lines_nothing_is_announced(broker: DocumentedBroker) -> None:
    with Visitor(broker.devices_url, broker.authority.path, broker.issue("gate-7")) as device:
        assert device.publish("homeassistant/device/gate-7/config", prefix="") == NOT_AUTHORIZED


def test_another_device_does_not_take_over_the_session(
    agent: AgentProcess, broker: DocumentedBroker, operator: Watcher
) -> None:
    before = operator.call("state.get")["data"]
    pair = broker.issue("gate-8")
    for client_id in (f"vedette-{agent.device}", agent.device):
        with Visitor(broker.devices_url, broker.authority.path, pair, client_id=client_id) as attacker:
            attacker.subscribe("#")
            since = len(operator.messages)
            operator.wait_for_results(3, 40.0, since=since)
            assert operator.call("ping")["code"] == 200
            assert attacker.messages == []
    # Nor people with a password, who choose their own client id.
    with Visitor(
        broker.people_url("dashboard"), broker.authority.path, client_id=f"vedette-{agent.device}"
    ) as attacker:
        since = len(operator.messages)
        operator.wait_for_results(3, 40.0, since=since)
    after = operator.call("state.get")["data"]
    assert "broker.waiting" not in agent.log()
    assert after["epoch"] == before["epoch"]


def test_people_have_their_rights_and_no_more(
    agent: AgentProcess, broker: DocumentedBroker, operator: Watcher
) -> None:
    one = f"d/{agent.device}"
    with Visitor(broker.people_url("dashboard"), broker.authority.path) as dashboard:
        dashboard.subscribe("#")
        for topic in (f"{one}/cmd/ping", f"{one}/status", "all/cmd/ping", f"client/{operator.name}/resp"):
            assert dashboard.publish(topic) == NOT_AUTHORIZED
        assert operator.call("ping")["code"] == 200
        since = len(operator.messages)
        operator.wait_for_results(2, 40.0, since=since)
        eventually(lambda: any("/result" in topic for topic, _ in dashboard.messages))
        assert not any("/cmd/" in topic or "/client/" in topic for topic, _ in dashboard.messages)
    with Visitor(broker.people_url("operator"), broker.authority.path) as visitor:
        for topic in (f"{one}/status", f"{one}/s/scene/a/facts/result", "client/x/resp"):
            assert visitor.publish(topic) == NOT_AUTHORIZED


def test_who_has_no_valid_certificate_stays_outside(tmp_path: Path, broker: DocumentedBroker) -> None:
    ca = broker.authority.path
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "ca")  # of the same name, with another key
    valid, revoked = broker.issue("gate-7"), broker.issue("gate-9")
    strangers: dict[str, Pair | None] = {
        "none": None,
        "expired": broker.issue("gate-6", expired=True),
        "other": other.issue("gate-7"),
    }
    for pair in strangers.values():
        with pytest.raises(OSError):  # noqa: PT011  one of several, by version of TLS
            _entered(broker.devices_url, ca, pair)
    parts = urlsplit(broker.devices_url)
    with (
        socket.create_connection((parts.hostname, parts.port)) as sock,
        pytest.raises(ssl.SSLCertVerificationError),  # an agent of another authority does not come in here
    ):
        ssl.create_default_context(cafile=other.path).wrap_socket(sock, server_hostname="127.0.0.1")
    assert _entered(broker.devices_url, ca, revoked) == 0
    broker.revoke(revoked)
    broker.stop()
    broker.start()
    with pytest.raises(OSError):  # noqa: PT011  see above
        _entered(broker.devices_url, ca, revoked)
    assert _entered(broker.devices_url, ca, valid) == 0
    assert _entered(broker.people_url("operator"), ca, None) == 0
    for url in (
        broker.people_url("operator").replace("pa55word-2", "pa55word-1"),
        broker.people_url("operator").replace("operator:pa55word-2@", ""),
        broker.people_url("operator").replace("operator", "gate-7"),
    ):
        assert _entered(url, ca, None) == NOT_AUTHORIZED


def _entered(url: str, ca: Path, pair: Pair | None) -> int:
    visitor = Visitor(url, ca, pair)
    try:
        return visitor.enter()
    finally:
        visitor.leave()


def test_an_agent_whose_certificate_is_revoked_says_so(
    agent: AgentProcess, broker: DocumentedBroker, operator: Watcher
) -> None:
    pair = Pair(certificate=broker.folder / f"{agent.device}.crt", key=broker.folder / f"{agent.device}.key")
    broker.revoke(pair)
    broker.stop()
    broker.start()
    # With TLS 1.3 the reason comes after the handshake, if the end of the connection does not overtake it.
    why = "(CERTIFICATE_REVOKED|ended TLS: without saying why)"
    agent.wait_for_log(rf'"event": "broker.waiting".*{why}.*"cause": "tls"', 45.0)
    operator.wait_connected()


def test_the_certificates_of_the_document_work(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        leave_out("openssl is not installed (Debian: apt-get install openssl)")
    text = (ROOT / "docs" / "broker.md").read_text("utf-8").replace("DNS:broker.example.org", "IP:127.0.0.1")
    making, revoking = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    made = tmp_path / "made"
    made.mkdir()

    def follow(commands: str) -> None:
        subprocess.run(["bash", "-euc", commands], cwd=made, check=True, capture_output=True, timeout=30)

    follow(making)
    device = Pair(certificate=made / "gate-7.crt", key=made / "gate-7.key")
    with (
        DocumentedBroker(tmp_path / "before", made) as broker,
        Visitor(broker.devices_url, made / "ca.crt", device) as visitor,
    ):
        assert visitor.publish("d/gate-7/status") < NOT_AUTHORIZED
        assert visitor.publish("d/gate-8/status") == NOT_AUTHORIZED
    follow(revoking)
    with DocumentedBroker(tmp_path / "after", made) as broker, pytest.raises(OSError):  # noqa: PT011  as above
        _entered(broker.devices_url, made / "ca.crt", device)


# --- subscriptions that a broker refuses --------------------------------------------------------------------


@pytest.fixture
def denying(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets everybody in, and refuses to let them subscribe."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))  # of Debian's mosquitto
    access = {
        "publishClientSend": True,
        "publishClientReceive": True,
        "unsubscribe": True,
        "subscribe": False,
    }
    config = tmp_path / "dynamic-security.json"
    config.write_text(json.dumps({"defaultACLAccess": access, "clients": [], "groups": [], "roles": []}))
    settings = f"plugin {plugin}\nplugin_opt_config_file {config}"
    with Mosquitto(tmp_path / "mosquitto", settings=settings) as running:
        yield running


def test_a_refused_subscription_is_told(tmp_path: Path, denying: Mosquitto) -> None:
    agent = AgentProcess(tmp_path, denying.url)
    agent.configure()
    with agent:
        agent.wait_for_log(
            r'"event": "broker.connected", "reason": "127.0.0.1:\d+ refuses the subscription to '
            rf'vedette/v1/d/{agent.device}/cmd/\+ \(Not authorized\).*"cause": "auth"',
            40.0,
        )
        done = subprocess.run(
            [sys.executable, "-m", "agent", "call", agent.device, "ping", "--broker", denying.url],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode != 0
        assert "refuses the subscription to vedette/v1/client/" in done.stderr
