"""The examples that take results elsewhere: a real agent, a real Redis, a real server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.broker import Mosquitto, free_port
from tests.foreign_sinks import install
from tests.left_out import leave_out
from tests.system.agent_process import AgentProcess
from tests.system.sink_parts import FACTS, ROOT, SCENE
from tests.waiting import eventually
from tests.watcher import Watcher

EXAMPLES = ROOT / "examples"


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    package = EXAMPLES / "redis_sink"
    points = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"][
        "vedette.sinks"
    ]
    source = (package / "vedette_redis.py").read_text("utf-8")
    site = install(tmp_path / "site", "vedette_redis", source, points)
    agent = AgentProcess(tmp_path, broker.url, environment={"PYTHONPATH": f"{ROOT}:{site}"})
    yield agent
    if agent.started:
        agent.kill()


class RedisServer:
    """A redis-server of the test's own, that keeps what it has on the disk."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            leave_out("redis-server is not installed")
        folder.mkdir()
        self.port = free_port()
        self._command = [program, "--port", str(self.port), "--dir", str(folder), "--save", ""]
        self._command += ["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"]
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator["redis.Redis"]:
        self.start()
        client = redis.Redis(port=self.port, decode_responses=True)
        try:
            yield client
        finally:
            client.close()
            self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

        def answers() -> bool:
            with redis.Redis(port=self.port) as client:
                try:
                    return bool(client.ping())
                except redis.exceptions.ConnectionError:
                    return False

        eventually(answers, 10.0, "Redis answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def seqs(client: "redis.Redis", device: str) -> list[int]:
    entries: Any = client.xrange(f"vedette:{device}")
    return [json.loads(fields["result"])["seq"] for _, fields in entries]


def test_redis_has_every_result_once_though_it_was_killed(
    agent: AgentProcess, broker: Mosquitto, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path / "redis")
    with server.running() as client, Watcher(broker.url, agent.device) as watcher:
        params = {"url": f"redis://127.0.0.1:{server.port}/0"}
        agent.configure([SCENE], [FACTS], sinks=[{"id": "redis", "kind": "redis", "params": params}])
        with agent:
            eventually(lambda: len(seqs(client, agent.device)) >= 10, 30.0, "results arrive")
            server.kill()
            so_far = len(watcher.results())
            watcher.wait_for_results(so_far + 10, 30.0)
            server.start()
            eventually(lambda: max(seqs(client, agent.device), default=0) > so_far + 10, 40.0, "they go on")
            assert agent.terminate() == 0
        made = [result["seq"] for result in watcher.results()]
        assert sorted(seqs(client, agent.device)) == made == list(range(1, len(made) + 1))


def test_the_rest_server_takes_what_is_signed(agent: AgentProcess, broker: Mosquitto) -> None:
    port = free_port()
    given = tomllib.loads((EXAMPLES / "rest_sink" / "agent.toml").read_text("utf-8"))
    given["sinks"][0]["params"]["url"] = f"http://127.0.0.1:{port}/"
    out = agent.folder / "received"
    command = [sys.executable, str(EXAMPLES / "rest_sink" / "server.py"), str(port), "the-shared-secret"]
    with out.open("wb") as file, subprocess.Popen(command, stdout=file, env=dict(os.environ)) as server:
        agent.configure(given["streams"], given["algorithms"], sinks=given["sinks"])
        with Watcher(broker.url, agent.device) as watcher, agent:
            watcher.wait_for_results(5, 30.0)
            eventually(lambda: len(out.read_text().splitlines()) >= 5, 20.0, "they arrive there")
        server.terminate()
    first = out.read_text().splitlines()[0]
    assert first.startswith("1 scene/facts {")
