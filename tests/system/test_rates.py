"""Clients beside each other on a real broker: one that floods, and one that asks in peace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.watcher import Watcher

FLOOD = 400


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that has nothing to do."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure(security={"commands_per_s": 5.0})
    with agent:
        yield agent


def test_one_client_floods_and_another_is_answered(agent: AgentProcess, broker: Mosquitto) -> None:
    with Watcher(broker.url, agent.device) as noisy, Watcher(broker.url, agent.device) as calm:
        noisy.wait_for(lambda message: message.topic.endswith("/status"), 20.0)
        inbox = f"{noisy.prefix}/client/{noisy.name}/resp"
        for _ in range(FLOOD):
            noisy.command("ping", response_topic=inbox)
        assert calm.call("ping")["code"] == 200
        noisy.wait_for(lambda message: message.topic == inbox and message.document["code"] == 429)
        codes = [message.document["code"] for message in noisy.messages if message.topic == inbox]
        assert codes.count(200) >= 10  # two seconds' worth at once
        assert set(codes) == {200, 429}
        assert len(codes) < FLOOD  # it is not told each time
        assert calm.call("ping")["code"] == 200
