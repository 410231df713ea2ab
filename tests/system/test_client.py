"""`agent.client` with a real broker and agent: typed replies, refusals, silence, and what is heard."""

import asyncio
import contextlib
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.client import (
    AsyncClient,
    Client,
    Happening,
    Missing,
    NoReplyError,
    Notice,
    RefusedError,
    Result,
    Signer,
    SigningKey,
    Watch,
)
from agent.contract.commands import Changed, Pong
from agent.contract.topics import DEFAULT_PREFIX, STATUS
from agent.contract.verbs import VERBS
from agent.delivery.client import Client as Visitor
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Outgoing
from agent.delivery.reasons import LinkError
from agent.errors import VedetteError
from tests.broker import Mosquitto
from tests.parts.test_docs import CLIENT, python_files
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually

SCENE = {"id": "scene", "source": "test://scene?size=320x180&fps=10&seed=1"}
NUMBERS = {"id": "probe", "kind": "probe", "interval": 0.1}


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure(streams=[SCENE], algorithms=[NUMBERS], device={"groups": ["berlin"]})
    with agent:
        yield agent


@pytest.fixture
def client(broker: Mosquitto, agent: AgentProcess) -> Client:
    client = Client(broker.url)
    eventually(lambda: _answers(client, agent.device), 30.0, "the agent answers")
    return client


def _answers(client: Client, device: str) -> bool:
    try:
        client.call(device, "ping", wait_s=2.0)
    except NoReplyError:
        return False
    return True


def until(watch: Watch, wanted: Callable[[Happening], bool], timeout_s: float = 30.0) -> list[Happening]:
    """What was heard, up to and with what is wanted."""
    heard: list[Happening] = []

    def found() -> bool:
        heard.extend(watch.receive(0.2))
        return any(map(wanted, heard))

    eventually(found, timeout_s, "what is wanted is heard")
    return heard


def test_replies_are_of_their_types_and_refusals_say_why(client: Client, agent: AgentProcess) -> None:
    assert isinstance(client.call(agent.device, "ping"), Pong)
    changed = client.call(agent.device, "stream.pause", id="scene")
    assert isinstance(changed, Changed)
    assert changed.changed
    with pytest.raises(RefusedError, match="404") as refused:
        client.call(agent.device, "stream.pause", id="other")
    assert refused.value.reply.code == 404
    with pytest.raises(VedetteError, match=r"no verb 'stream\.jump'"):
        client.call(agent.device, "stream.jump")
    with pytest.raises(NoReplyError, match=f"did you mean {agent.device}"):
        client.call(agent.device + "x", "ping", wait_s=3.0)


def test_a_group_and_all_devices(client: Client, agent: AgentProcess) -> None:
    replies = list(client.call_all("ping", group="berlin", wait_s=1.5))
    assert [(reply.device, reply.ok) for reply in replies] == [(agent.device, True)]
    with pytest.raises(NoReplyError, match="nobody"):
        list(client.call_all("ping", group="paris", wait_s=1.5))


def test_pictures(client: Client, agent: AgentProcess) -> None:
    def taken() -> Any:  # noqa: ANN401  a snapshot, once there is one
        try:
            return client.snapshot(agent.device, "scene", max_width=160)
        except RefusedError:
            return None  # no frame yet

    snapshot = eventually(taken, 20.0, "a picture")
    assert snapshot.jpeg.startswith(b"\xff\xd8")
    assert snapshot.facts.width == 160


def _size(jpeg: bytes) -> int:
    """The width of a JPEG, from its frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return int(struct.unpack_from(">H", jpeg, at + 7)[0])


def test_each_viewer_gets_the_picture_it_asked_for(client: Client, agent: AgentProcess) -> None:
    got: list[tuple[int, int]] = []

    def look(width: int) -> None:
        while len([one for one, _ in got if one == width]) < 8:
            with contextlib.suppress(RefusedError):  # no frame yet, or too many at once
                got.append((width, _size(client.snapshot(agent.device, "scene", max_width=width).jpeg)))

    viewers = [threading.Thread(target=look, args=(width,), daemon=True) for width in (96, 160, 224)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join(30.0)
    assert len(got) == 24
    assert [pair for pair in got if pair[0] != pair[1]] == []


def test_no_argument_of_a_verb_is_taken_for_the_client_s_own(client: Client, agent: AgentProcess) -> None:
    assert not any({"wait_s", "group"} & set(verb.args.model_fields) for verb in VERBS.values())
    client.call(agent.device, "algorithm.update", id="probe", timeout_s=33.0)
    listed = client.call(agent.device, "algorithm.list").model_dump()
    assert listed["algorithms"]["probe"]["config"]["timeout_s"] == 33.0


def test_a_stranger_s_nonsense_harms_no_command(
    client: Client, agent: AgentProcess, broker: Mosquitto
) -> None:
    status = Outgoing(
        topic=STATUS.build(DEFAULT_PREFIX, device="stranger"),
        payload=b"{}",
        kind="event",
        content_type="application/json",
        retain=True,
    )
    with Visitor(Endpoint.from_url(broker.url, client_id="stranger")) as stranger:
        stranger.publish(status)
    assert isinstance(client.call(agent.device, "ping"), Pong)


def test_a_watch_closed_before_it_was_entered_does_not_connect() -> None:
    watch = Client("mqtt://127.0.0.1:9").watch()  # nobody is there: to connect is a LinkError
    watch.close()
    with watch:
        assert list(watch) == []


def test_results_are_heard_without_a_gap_over_a_broken_connection(
    client: Client, agent: AgentProcess, broker: Mosquitto
) -> None:
    with client.watch(agent.device, algorithm="probe") as watch:
        first = until(watch, lambda heard: isinstance(heard, Result))
        assert any(isinstance(heard, Notice) and heard.text == "online" for heard in first)
        broker.kill()
        lost = until(watch, lambda heard: isinstance(heard, Notice) and "connection lost" in heard.text)
        assert not any(isinstance(heard, Missing) for heard in first + lost)
        broker.start()
        until(watch, lambda heard: isinstance(heard, Notice) and "again" in heard.text)
        after = until(watch, lambda heard: isinstance(heard, Result))
        assert after
        device = watch.observed.devices[agent.device]
        assert device.completeness is not None
        assert device.completeness.heard > 0


@pytest.mark.usefixtures("client")
def test_no_broker_and_an_old_one(agent: AgentProcess, broker: Mosquitto) -> None:
    with pytest.raises(LinkError):
        Client("mqtt://127.0.0.1:9").call(agent.device, "ping")
    with pytest.raises(LinkError), Client("mqtt://127.0.0.1:9").watch():
        pass
    old = Client(broker.url, protocol="3.1.1")
    assert isinstance(old.call(agent.device, "ping"), Pong)


def test_signed_commands(tmp_path: Path, broker: Mosquitto) -> None:
    key = SigningKey.new()
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure(security={"require_signature": True, "keys": {"ops": {"public_key": key.public}}})
    signing = Client(broker.url, signer=Signer(key=key, name="ops", valid_s=60))
    with agent:
        eventually(lambda: _answers(signing, agent.device), 30.0, "the agent answers")
        with pytest.raises(RefusedError, match="401"):
            Client(broker.url).call(agent.device, "ping")


def test_asyncio(client: Client, agent: AgentProcess) -> None:
    async def visit() -> tuple[object, int]:
        both = AsyncClient(client)
        answer = await both.call(agent.device, "ping")
        results = 0
        async with contextlib.aclosing(both.watch(agent.device)) as heard:
            async for happening in heard:
                results += isinstance(happening, Result)
                if results == 3:
                    break
        endless = asyncio.create_task(_drain(both, agent.device))
        await asyncio.sleep(0)
        endless.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await endless
        return answer, results

    answer, results = asyncio.run(visit())  # the fixtures see to it that nothing is left
    assert isinstance(answer, Pong)
    assert results == 3


async def _drain(client: AsyncClient, device: str) -> None:
    async for _ in client.watch(device):
        pass


def test_the_documented_programs_run(
    client: Client, agent: AgentProcess, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = python_files(CLIENT)
    told: dict[str, Any] = {}
    exec(programs["pausing.py"], told)  # noqa: S102  our own document
    told["client"] = client
    for device, stream in ((agent.device, "scene"), (agent.device, "other"), ("nobody", "scene")):
        told["pause"](device, stream)
    paused, refused, silent = capsys.readouterr().out.splitlines()
    assert paused == "paused"
    assert refused.startswith("404")
    assert "no device nobody" in silent
    client.call(agent.device, "stream.resume", id="scene")
    exec(programs["counting.py"].replace("mqtt://127.0.0.1", broker.url), told)  # noqa: S102
    assert asyncio.run(told["count"](agent.device)) > 0


def test_it_is_light_to_import() -> None:
    program = "import sys, agent.client; print({'av', 'cv2', 'agent.app', 'algos'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
