"""docs/node-red.json in the real Node-RED, with a real broker and a real agent.

Node-RED takes more room than the rest together: this runs where it is installed (`npm install -g node-red`).
"""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.broker import Mosquitto, free_port
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

FLOW = Path(__file__).parents[2] / "docs" / "node-red.json"
PATIENCE_S = 30.0


class NodeRed:
    """The program with the flow of the documentation, whose debug nodes also write to its log."""

    def __init__(self, folder: Path, program: str, broker_port: int, device: str) -> None:
        folder.mkdir()
        self.port = free_port()
        self._log = folder / "log"
        self._flow = json.loads(FLOW.read_text("utf-8"))
        for node in self._flow:
            if node["type"] == "mqtt-broker":
                node["port"] = str(broker_port)
            elif node["type"] == "tab":
                node["env"][0]["value"] = device
            elif node["type"] == "debug":
                node["console"] = True
        (folder / "flows.json").write_text(json.dumps(self._flow), "utf-8")
        (folder / "settings.js").write_text(
            "module.exports = {uiHost: '127.0.0.1', flowFile: 'flows.json', telemetry: {enabled: false}}",
            "utf-8",
        )
        settings = ("--settings", folder / "settings.js", "--port", str(self.port))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "--userDir", folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def says(self, text: str) -> None:
        """Until its log has this."""
        eventually(lambda: text in self.log(), PATIENCE_S, what=f"Node-RED says {text!r}")

    def log(self) -> str:
        return self._log.read_text("utf-8", errors="replace")

    def press(self, name: str) -> None:
        """The button of an inject node."""
        (node,) = [n["id"] for n in self._flow if n["type"] == "inject" and n["name"] == name]
        assert self._ask("POST", f"/inject/{node}")[0] == HTTPStatus.OK

    def snapshot(self) -> bytes:
        """What its page shows."""
        status, kind, body = self._ask("GET", "/vedette/snapshot")
        assert status == HTTPStatus.OK
        assert kind == "image/jpeg"
        return body

    def _ask(self, method: str, path: str) -> tuple[int, str | None, bytes]:
        """Status, content type and body of the answer."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, headers={"Content-Length": "0"})
            answer = connection.getresponse()
            return answer.status, answer.headers["content-type"], answer.read()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        agent = AgentProcess(tmp_path, broker.url)
        agent.add_kind("seer", SEER)
        agent.configure(
            streams=[{"id": "scene", "source": "test://scene?size=320x180&fps=10&shapes=3"}],
            algorithms=[
                {"id": "movement", "kind": "motion", "interval": 0.2, "params": {"warmup_s": 0.5}},
                {"id": "seer", "kind": "Seer", "streams": ["scene"]},
            ],
            delivery={"codec": "both"},
        )
        with agent:
            yield agent


SEER = '''
from typing import Any
from algos import BaseAlgo, Frames

class Seer(BaseAlgo):
    """Sees the same each time."""

    def run(self, frames: Frames) -> dict[str, Any]:
        return {"boxes": [[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6]], "labels": ["person", "dog"]}
'''


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_the_flow_receives_commands_and_alarms(agent: AgentProcess, tmp_path: Path) -> None:
    program = shutil.which("node-red")
    if program is None:
        pytest.skip("Node-RED is not installed (npm install -g node-red)")
    port = int(agent.broker_url.rpartition(":")[2])
    with Watcher(agent.broker_url, agent.device) as watcher:
        red = NodeRed(tmp_path / "red", program, port, agent.device)
        try:
            red.says("Started flows")
            red.says(f"{agent.device} is there")
            red.says(f"{agent.device}/scene: movement in ")
            red.says(f"{agent.device}/scene: person, dog")

            for done, button in enumerate(("ping", "add the stream node-red"), 1):
                red.press(button)
                eventually(
                    lambda done=done: red.log().count(f"{agent.device}: done (20") == done,  # type: ignore[misc]
                    PATIENCE_S,
                    what=button,
                )
            watcher.wait_for(
                lambda m: m.topic.endswith("/s/node-red/status") and m.document["state"] == "running",
                PATIENCE_S,
            )
            red.press("snapshot of it")
            eventually(lambda: red.snapshot().startswith(b"\xff\xd8\xff"), PATIENCE_S, what="a picture")
            red.press("remove it")
            watcher.wait_for(lambda m: m.topic.endswith("/s/node-red/status") and not m.payload, PATIENCE_S)

            red.press("snapshot of it")
            red.says(f"{agent.device}: refused (404): ")

            agent.kill()
            red.says(f"{agent.device} is lost, since 20")
            assert "[error]" not in red.log()
        finally:
            red.stop()
