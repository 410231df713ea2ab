"""Signed commands to a real agent over a real broker: who may not command changes nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.control.signatures import SigningKey
from tests.broker import Mosquitto
from tests.signing import OPS, OTHER, public, request, sealed
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Message, Watcher

ROOT = Path(__file__).parents[2]
KEYS = {
    "ops": {"public_key": public(OPS), "groups": ["berlin"]},
    "viewer": {"public_key": public(OTHER), "verbs": ["ping", "stream.list"]},
    "old": {"public_key": public(OTHER), "expires": "2020-12-31"},
}
PAUSE = {"id": "scene"}


def configure(agent: AgentProcess, keys: dict[str, Any], groups: list[str], **broker: str) -> None:
    agent.configure(
        streams=[{"id": "scene", "source": "test://scene?size=320x180&fps=5"}],
        device={"groups": groups},
        security={"require_signature": True, "keys": keys, "commands_per_s": 1000},
        broker=broker,
    )


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that obeys signed commands only."""
    agent = AgentProcess(tmp_path, broker.url)
    configure(agent, KEYS, ["berlin", "north"])
    with agent:
        yield agent


@pytest.fixture
def watcher(agent: AgentProcess, broker: Mosquitto) -> Iterator[Watcher]:
    """A client of that agent, which is up."""
    with Watcher(broker.url, agent.device) as watcher:
        wait_online(watcher)
        yield watcher


def wait_online(watcher: Watcher, since: int = 0) -> None:
    watcher.wait_for(
        lambda message: message.topic.endswith("/status") and b'"online"' in message.payload, 30, since=since
    )


def now_us(ahead_s: float = 60) -> int:
    return time.time_ns() // 1000 + int(ahead_s * 1e6)


def send(watcher: Watcher, path: str, payload: bytes) -> Message:
    """Publish a payload, and wait for the reply to it."""
    since = len(watcher.messages)
    inbox = f"vedette/v1/client/{watcher.name}/resp"
    tag = os.urandom(8)
    watcher.publish(path, payload, response_topic=inbox, correlation_data=tag)
    return watcher.wait_for(
        lambda message: (message.topic, message.correlation_data) == (inbox, tag),
        since=since,
        what=f"reply to {path}",
    )


def ask(watcher: Watcher, verb: str, args: dict[str, Any] | None = None, codec: str = "json") -> Any:  # noqa: ANN401
    """The reply to a command that is signed as it has to be."""
    path = f"d/{watcher.device}/cmd/{verb}"
    said = request(os.urandom(8).hex(), args=args, expires=now_us())
    return send(watcher, path, sealed(f"vedette/v1/{path}", said, codec=codec)).document


def state(watcher: Watcher) -> tuple[int, dict[str, str]]:
    data = ask(watcher, "state.get")["data"]
    return data["revision"], {name: stream["state"] for name, stream in data["streams"].items()}


def test_signed_commands_are_obeyed_and_all_others_change_nothing(watcher: Watcher) -> None:
    device = watcher.device
    path = f"d/{device}/cmd/stream.remove"
    topic = f"vedette/v1/{path}"

    def said(ahead_s: float = 60) -> bytes:
        return request(os.urandom(8).hex(), args=PAUSE, expires=now_us(ahead_s))

    def altered() -> bytes:
        good = json.loads(sealed(topic.replace("remove", "pause"), said()))
        return json.dumps(good).encode()

    def swapped() -> bytes:
        return json.dumps(json.loads(sealed(topic, said())) | {"signed": said().decode()}).encode()

    refused: dict[str, tuple[str, Callable[[], bytes], int]] = {
        "unsigned": (path, said, 401),
        "unsigned, to the group": ("g/berlin/cmd/stream.remove", said, 401),
        "unsigned, to all": ("all/cmd/stream.remove", said, 401),
        "unreadable": (path, lambda: b"{", 401),
        "an unknown key": (path, lambda: sealed(topic, said(), name="nobody"), 401),
        "the wrong key": (path, lambda: sealed(topic, said(), key=OTHER), 401),
        "another verb": (path, altered, 401),
        "altered": (path, swapped, 401),
        "for another device": (path, lambda: sealed("vedette/v1/d/x/cmd/stream.remove", said()), 401),
        "expired": (path, lambda: sealed(topic, said(-1)), 401),
        "too long ahead": (path, lambda: sealed(topic, said(4000)), 401),
        "no expiry": (path, lambda: sealed(topic, request("a", args=PAUSE, expires=None)), 401),
        "a verb that is not the key's": (path, lambda: sealed(topic, said(), key=OTHER, name="viewer"), 403),
        "an expired key": (path, lambda: sealed(topic, said(), key=OTHER, name="old"), 403),
        "a group that is not the key's": (
            "g/north/cmd/stream.remove",
            lambda: sealed("vedette/v1/g/north/cmd/stream.remove", said()),
            403,
        ),
        "all": (
            "all/cmd/stream.remove",
            lambda: sealed("vedette/v1/all/cmd/stream.remove", said()),
            403,
        ),
    }
    before = state(watcher)
    for what, (where, make, code) in refused.items():
        reply = send(watcher, where, make()).document
        assert (reply["ok"], reply["code"]) == (False, code), (what, reply)
        assert reply["error"]
        assert state(watcher)[0] == before[0], what
    assert list(state(watcher)[1]) == ["scene"]
    assert ask(watcher, "stream.remove", PAUSE, codec="msgpack")["code"] == 200
    assert state(watcher) == (before[0] + 1, {})
    assert ask(watcher, "config.get")["data"]["config"]["security"]["keys"]["ops"]["verbs"] == ["*"]
    assert watcher.latest("d/+/info")["limits"]["require_signature"] is True


def test_a_replay_is_refused_also_after_a_restart(watcher: Watcher, agent: AgentProcess) -> None:
    path = f"d/{watcher.device}/cmd/stream.pause"
    payload = sealed(f"vedette/v1/{path}", request("once", args=PAUSE, expires=now_us(3000)))
    question = sealed(f"vedette/v1/d/{watcher.device}/cmd/state.get", request("ask", expires=now_us(3000)))
    assert send(watcher, path, payload).document["code"] == 200
    assert send(watcher, f"d/{watcher.device}/cmd/state.get", question).document["code"] == 200
    assert ask(watcher, "stream.resume", PAUSE)["code"] == 200
    revision = state(watcher)[0]

    def replay() -> None:
        for name, what in (("stream.pause", payload), ("state.get", question)):
            reply = send(watcher, f"d/{watcher.device}/cmd/{name}", what).document
            assert (reply["code"], reply.get("data")) == (401, None), reply
            assert "replayed" in reply["error"]
        assert state(watcher)[0] == revision

    replay()
    for end in (agent.kill, agent.terminate):
        since = len(watcher.messages)
        end()
        agent.start()
        wait_online(watcher, since)
        replay()
    eventually(lambda: state(watcher)[1] == {"scene": "running"}, 20, what="the stream runs on")


def test_keys_are_exchanged_by_a_reload(watcher: Watcher, agent: AgentProcess) -> None:
    assert ask(watcher, "ping")["code"] == 200
    configure(agent, {"ops": {"public_key": public(OTHER)}}, ["berlin"])
    agent.signal(signal.SIGHUP)
    agent.wait_for_log(r"config.reloaded", 20)
    assert ask(watcher, "ping")["code"] == 401


# --- the command line ---------------------------------------------------------------------------------


def vedette(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A new private key, called berlin-ops."""
    file = tmp_path / "berlin-ops.pem"
    SigningKey.new().write(file)
    return file


@contextmanager
def started(folder: Path, broker: Mosquitto, key_file: Path, **settings: str) -> Iterator[AgentProcess]:
    """An agent that is up, and obeys that key."""
    folder.mkdir()
    agent = AgentProcess(folder, broker.url)
    key = {"public_key": SigningKey.read(key_file).public, "groups": ["berlin"]}
    configure(agent, {"berlin-ops": key | {"verbs": ["ping", "stream.*"]}}, ["berlin"], **settings)
    with Watcher(broker.url, agent.device) as watcher, agent:
        wait_online(watcher)
        yield agent


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_call_signs_and_shows_why_it_is_refused(
    tmp_path: Path, broker: Mosquitto, key_file: Path, protocol: str
) -> None:
    with started(tmp_path / "one", broker, key_file, protocol=protocol) as agent:

        def call(*arguments: str) -> subprocess.CompletedProcess[str]:
            return vedette("call", *arguments, "--config", str(agent.config))

        unsigned = call(agent.device, "ping")
        assert (unsigned.returncode, unsigned.stdout) == (1, "")
        assert unsigned.stderr.startswith(f"vedette: {agent.device} refuses ping (401): ")
        signed = call(agent.device, "stream.pause", "id=scene", "--sign", str(key_file), "--expires", "20")
        assert (signed.returncode, signed.stderr) == (0, "")
        assert "changed  yes" in signed.stdout
        misnamed = call(agent.device, "ping", "--sign", str(key_file), "--key", "other")
        assert "(401): this device knows no key 'other'" in misnamed.stderr
        forbidden = call(agent.device, "log.level", "level=debug", "--sign", str(key_file))
        assert "(403): key 'berlin-ops' may not use 'log.level'" in forbidden.stderr
        group = call("g/berlin", "ping", "--json", "--sign", str(key_file), "--timeout", "2")
        assert json.loads(group.stdout)["device"] == agent.device


def test_call_shows_the_replies_of_a_group_and_of_all(
    tmp_path: Path, broker: Mosquitto, key_file: Path
) -> None:
    with (
        started(tmp_path / "one", broker, key_file) as one,
        started(tmp_path / "two", broker, key_file) as two,
    ):
        sign = ("--sign", str(key_file), "--timeout", "3", "--broker", broker.url)
        group = vedette("call", "g/berlin", "ping", *sign)
        assert (group.returncode, group.stderr) == (0, "")
        assert all(re.search(rf"^{agent.device}$", group.stdout, re.MULTILINE) for agent in (one, two))
        fleet = vedette("call", "all", "ping", *sign)
        assert fleet.returncode == 1
        assert fleet.stderr == "vedette: 2 of 2 devices refuse ping\n"
        assert fleet.stdout.count("refuses (403): key 'berlin-ops' may not command all devices") == 2
        nobody = vedette("call", "g/paris", "ping", *sign)
        assert nobody.stderr == "vedette: nobody at this broker listens to commands for group paris\n"
