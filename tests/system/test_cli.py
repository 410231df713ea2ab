"""The commands for people, as a person or a script runs them: real processes, a real broker."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from tests.broker import Mosquitto, free_port
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("run", "demo", "watch", "call", "diag", "check"),
    *("dashboard", "infer", "keys", "kinds", "new", "schema", "studio"),
)
SCENE = "test://scene?size=320x180&fps=25&seed=1"


def vedette(*arguments: str, timeout_s: float = 30.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal, or what pretends to be one (pytest sets COLUMNS)."""
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        cwd=ROOT,
        env=inherited | environment,
    )


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent with one scene, and `probe` on it five times a second; the test starts it."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure(
        streams=[{"id": "scene", "source": SCENE}],
        algorithms=[{"id": "facts", "kind": "probe", "streams": ["*"], "interval": 0.2}],
    )
    yield agent
    if agent.started:
        agent.kill()


@pytest.fixture
def running(agent: AgentProcess, broker: Mosquitto) -> Iterator[AgentProcess]:
    """The same, when it gives results."""
    with agent:
        with Watcher(broker.url, agent.device) as watcher:
            watcher.wait_for_results(1, timeout_s=20.0)
        yield agent


# --- help -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    done = vedette(command, "--help", COLUMNS="120")
    assert done.returncode == 0
    assert f"vedette {command}" in done.stdout.partition("Examples:")[2]
    assert f"Usage: vedette {command}" in done.stdout


def test_the_whole_has_help_a_version_and_completion() -> None:
    done = vedette("--help", COLUMNS="120")
    assert done.returncode == 0
    assert all(f" {command} " in done.stdout for command in (*COMMANDS, "--install-completion"))
    assert vedette("--version").stdout.startswith("vedette ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "No such command"),
        (("call", "gate-7", "stream.lst"), "stream.list"),
        (("call", "gate/7", "ping"), "DEVICE"),
        (("call", "gate-7", "ping", "x"), "KEY=VALUE"),
        (("watch", "a/b"), "DEVICE"),
        (("run", "--log-level", "loud"), "--log-level"),
    ],
)
def test_wrong_usage_ends_with_2_and_no_traceback(arguments: tuple[str, ...], says: str) -> None:
    done = vedette(*arguments, COLUMNS="120")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


# --- watch, call ----------------------------------------------------------------------------------------


def test_watch_gives_results_as_json_lines_and_nothing_else(running: AgentProcess, broker: Mosquitto) -> None:
    done = vedette("watch", running.device, "--json", "--count", "5", "--broker", broker.url)
    assert done.returncode == 0
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["seq"] - results[0]["seq"] for result in results] == [0, 1, 2, 3, 4]
    assert {(result["stream"], result["algorithm"], result["data"]["width"]) for result in results} == {
        ("scene", "facts", 320)
    }
    assert f"{running.device} online" in done.stderr


def test_watch_gives_lines_and_leaves_no_session(running: AgentProcess, broker: Mosquitto) -> None:
    done = vedette("watch", "--config", str(running.config), "--algorithm", "facts", "-n", "3")
    assert done.returncode == 0
    assert re.search(rf"{running.device} online", done.stdout)
    assert re.search(r"stream scene running 320x180", done.stdout)
    assert len(re.findall(r"scene/facts #\d+ .* ms: width 320, height 180", done.stdout)) == 3
    broker.save()
    assert b"vedette-visitor" not in (broker.folder / "mosquitto.db").read_bytes()


def test_call_shows_the_reply_and_says_whether_it_was_done(running: AgentProcess, broker: Mosquitto) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return vedette("call", running.device, *arguments, "--broker", broker.url)

    pong = call("ping", "--json")
    assert pong.returncode == 0
    reply: dict[str, Any] = json.loads(pong.stdout)
    assert (reply["ok"], reply["code"], reply["device"]) == (True, 200, running.device)

    added = call("stream.add", "id=7", f"source={SCENE}", "fps=5")
    assert (added.returncode, added.stderr) == (0, "")
    assert "changed  yes" in added.stdout

    again = call("stream.add", "id=7", "source=test://scene")
    assert again.returncode == 1
    assert again.stderr.startswith(f"vedette: {running.device} refuses stream.add (409): ")

    wrong = call("algorithm.update", "id=facts", "params.step_pxx=4", "--json")
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["code"] == 422
    assert "step_px" in wrong.stderr

    updated = call("algorithm.update", "--args", '{"id": "facts"}', "params.step_px=4")
    assert updated.returncode == 0
    listed = json.loads(call("algorithm.list", "--json").stdout)
    assert listed["data"]["algorithms"]["facts"]["config"]["params"] == {"step_px": 4}
    assert "source  test://scene" in call("state.get").stdout


def test_call_says_why_there_is_no_reply(running: AgentProcess, broker: Mosquitto) -> None:
    other = f"{running.device}x"
    nobody = vedette("call", other, "ping", "--broker", broker.url)
    assert nobody.returncode == 1
    assert nobody.stderr == f"vedette: no device {other} at this broker; did you mean {running.device}?\n"

    running.terminate()
    away = vedette("call", running.device, "ping", "--timeout", "1", "--broker", broker.url)
    assert away.returncode == 1
    assert "is offline" in away.stderr

    unreachable = f"mqtt://127.0.0.1:{free_port()}"
    for command in (("call", "x", "ping"), ("watch",)):
        done = vedette(*command, "--broker", unreachable)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "cannot be reached" in done.stderr


# --- check ----------------------------------------------------------------------------------------------


def _findings(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], dict[str, str]]:
    document = json.loads(done.stdout)
    return {(finding["section"], finding["subject"]): finding for finding in document["findings"]}


def test_check_finds_nothing_wrong_where_nothing_is(agent: AgentProcess) -> None:
    done = vedette("check", "--config", str(agent.config), "--json")
    findings = _findings(done)
    assert "scene 320x180, 25 fps" in findings["source", "scene"]["text"]
    assert findings["algorithm", "facts"]["verdict"] == "right"
    assert findings["broker", ""]["verdict"] == "right"
    assert "MQTT 5" in findings["broker", ""]["text"]
    assert findings["shared memory", ""]["verdict"] == "right"
    assert done.returncode == 0
    shown = vedette("check", "--config", str(agent.config))
    assert shown.returncode == 0
    assert "✓" in shown.stdout
    assert "✗" not in shown.stdout
    assert not agent.state.exists()  # it changes nothing


def test_check_says_which_sources_do_not_open_and_why(agent: AgentProcess, tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(os.urandom(4096))
    port = free_port()
    agent.configure(
        streams=[
            {"id": "scene", "source": SCENE},
            {"id": "gone", "source": str(tmp_path / "gone.mp4")},
            {"id": "noise", "source": str(noise)},
            {"id": "off", "source": f"rtsp://viewer:pa55word@127.0.0.1:{port}/stream"},
            {"id": "resting", "source": "rtsp://127.0.0.1:1/", "paused": True},
        ],
        algorithms=[
            {"id": "big", "kind": "probe", "streams": ["scene"], "size": [8192, 8192], "frame_count": 256},
            {"id": "typo", "kind": "probbe"},
            {"id": "params", "kind": "probe", "params": {"step_pxx": 1}},
        ],
    )
    done = vedette("check", "--config", str(agent.config), "--json")
    findings = _findings(done)
    assert done.returncode == 1
    assert findings["source", "scene"]["verdict"] == "right"
    assert findings["source", "gone"]["text"].startswith("not-found: ")
    assert findings["source", "noise"]["verdict"] == "wrong"
    assert findings["source", "off"]["text"].startswith("refused: ")
    assert findings["source", "resting"]["verdict"] == "right"
    assert findings["shared memory", ""]["verdict"] == "wrong"
    assert "did you mean 'probe'" in findings["algorithm", "typo"]["text"]
    assert "step_px" in findings["algorithm", "params"]["text"]
    wrong = [finding for finding in findings.values() if finding["verdict"] == "wrong"]
    assert all(finding["advice"] for finding in wrong)
    assert "pa55word" not in done.stdout + done.stderr


def test_check_says_what_is_wrong_with_the_broker(agent: AgentProcess, tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "strict", users={"gate": "right-one"}) as strict:
        agent.configure(broker={"url": strict.url, "username": "gate", "password": "wrong-one"})
        done = vedette("check", "--config", str(agent.config), "--json")
        finding = _findings(done)["broker", ""]
        assert (done.returncode, finding["verdict"]) == (1, "wrong")
        assert "broker.password" in finding["advice"]
        assert "wrong-one" not in done.stdout + done.stderr

        agent.configure(broker={"url": strict.url, "username": "gate", "password": "{secret:gate}"})
        done = vedette("check", "--config", str(agent.config), "--json", VEDETTE_SECRET_GATE="right-one")
        assert done.returncode == 0
        assert "right-one" not in done.stdout + done.stderr
    agent.configure(broker={"url": f"mqtt://127.0.0.1:{free_port()}"})
    done = vedette("check", "--config", str(agent.config), "--json")
    assert done.returncode == 1
    assert "cannot be reached" in _findings(done)["broker", ""]["text"]


def test_check_says_what_is_wrong_with_the_configuration(agent: AgentProcess) -> None:
    agent.configure(streams=[{"id": "door", "source": "rtsp://{secret:door}@127.0.0.1:1/", "paused": True}])
    done = vedette("check", "--config", str(agent.config))
    assert done.returncode == 78
    assert "VEDETTE_SECRET_DOOR" in done.stdout

    agent.configure(streams=[{"id": "door", "sauce": SCENE}], broker={"urll": "x"})
    done = vedette("check", "--config", str(agent.config))
    assert done.returncode == 78
    assert "did you mean `source`?" in done.stdout
    assert "did you mean `url`?" in done.stdout
    run = vedette("run", "--config", str(agent.config))
    assert run.returncode == 78
    assert run.stderr.startswith("vedette: ")
    assert "Traceback" not in run.stderr


# --- kinds, schema --------------------------------------------------------------------------------------


def test_kinds_shows_what_is_installed_and_what_cannot_be_loaded(agent: AgentProcess) -> None:
    agent.add_kind("heads", _HEADS)
    agent.add_kind("bad", "import nothing_of_that_name\n")
    done = vedette("kinds", "--config", str(agent.config), "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert {"motion", "probe", "Heads"} <= document["kinds"].keys()
    (failed,) = (error for origin, error in document["failed"].items() if origin.endswith("bad.py"))
    assert "nothing_of_that_name" in failed
    assert "Counts heads." in vedette("kinds", "--config", str(agent.config)).stdout

    one = vedette("kinds", "Heads", "--config", str(agent.config))
    assert one.returncode == 0
    assert re.search(r"min_score\s+number\s+0 to 1\s+0.4\s+Weaker ones do not count", one.stdout)

    none = vedette("kinds", "Haeds", "--config", str(agent.config))
    assert none.returncode == 1
    assert "did you mean 'Heads'" in none.stderr


_HEADS = '''
from pydantic import Field
from algos import BaseAlgo

class Heads(BaseAlgo):
    """Counts heads.

    All of them.
    """

    class Params(BaseAlgo.Params):
        min_score: float = Field(0.4, ge=0, le=1, description="Weaker ones do not count.")

    def run(self, frames):
        return 0
'''


def test_schema_writes_both_documents() -> None:
    schemas = json.loads(vedette("schema").stdout)
    assert {"Result", "Reply", "StreamStatus"} <= schemas["$defs"].keys()
    assert json.loads(vedette("schema", "--asyncapi", "--json").stdout)["asyncapi"].startswith("3.")
    assert vedette("schema", "--asyncapi").stdout == (ROOT / "docs" / "asyncapi.yaml").read_text("utf-8")


# --- demo -----------------------------------------------------------------------------------------------


def _demo_folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("vedette-demo-*"))


def test_demo_without_a_terminal_gives_a_line_a_result_and_leaves_nothing() -> None:
    done = vedette("demo", "--seconds", "3", timeout_s=50.0, VEDETTE_BROKER__URL="mqtt://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert "for trying out only" in done.stdout
    results = re.findall(r"demo scene/(\w+) #(\d+) ", done.stdout)
    assert {"probe", "motion"} <= {name for name, _ in results}
    assert [int(seq) for _, seq in results] == list(range(1, len(results) + 1))
    assert "missing" not in done.stdout
    assert _demo_folders() == []


def test_demo_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = vedette("demo", "--source", str(tmp_path / "none.mp4"))
    assert done.returncode == 1
    assert done.stderr == (
        f"vedette: there is no file {tmp_path}/none.mp4; give a video file, a folder of pictures or a URL\n"
    )


def test_demo_on_a_terminal_shows_a_table_until_ctrl_c() -> None:
    with _Terminal("demo") as terminal:
        terminal.wait_for(r"demo.*online")
        terminal.wait_for(r"scene.*running.*640x360")
        terminal.wait_for(r"scene/motion\s+\d+\s+[\d.-]+\s+[\d.]+ ms")
        terminal.wait_for(r"none missing")
        terminal.type(b"\x03")
        assert terminal.process.wait(15.0) == 0
        terminal.wait_for(r"\d+ results\. Next:")
        assert "Traceback" not in terminal.text
    assert _demo_folders() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_demo_takes_its_agent_with_it(number: signal.Signals) -> None:
    with _Terminal("demo") as terminal:
        terminal.wait_for(r"scene.*running")
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        assert len(family) >= 3
        terminal.process.send_signal(number)
        assert terminal.process.wait(15.0) == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        eventually(lambda: not any(child.is_running() for child in family), 10.0, "the agent is gone")
    if number is signal.SIGKILL:  # nobody is left who could remove it
        for folder in _demo_folders():
            shutil.rmtree(folder)
    assert _demo_folders() == []


class _Terminal:
    """A command on a terminal of its own, 120 by 40 characters, inside its `with`."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._output = b""

    def __enter__(self) -> Self:
        self._keyboard, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            # setsid makes it the terminal's own, so that Ctrl-C reaches it as a person's would.
            ["setsid", "--ctty", "--wait", sys.executable, "-m", "agent", *self._arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=ROOT,
            env=environment,
        )
        os.close(terminal)
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._keyboard)

    @property
    def text(self) -> str:
        """Everything that was written, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._output.decode("utf-8", "replace"))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._keyboard, keys)

    def wait_for(self, pattern: str, timeout_s: float = 20.0) -> None:
        """Until something that was written matches."""
        deadline_s = time.monotonic() + timeout_s
        while not re.search(pattern, self.text):
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"no {pattern!r} within {timeout_s:g} s in:\n{self.text[-3000:]}"
            if select.select([self._keyboard], [], [], left_s)[0]:
                try:
                    self._output += os.read(self._keyboard, 65536)
                except OSError:  # the last one on the other side has closed it
                    assert re.search(pattern, self.text), self.text[-3000:]
