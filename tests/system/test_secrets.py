"""Passwords in every place that takes one, every error there is, and a search of all that comes out."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.broker import Mosquitto, free_port
from tests.camera.http import HttpCamera
from tests.camera.rtsp import RtspCamera
from tests.foreign_sinks import install
from tests.planted import Planted, quoted
from tests.receiver import Answer, Receiver, Request
from tests.system.agent_process import AgentProcess
from tests.system.test_diag import by_mqtt
from tests.video import encode
from tests.waiting import eventually
from tests.watcher import Watcher

ROOT = Path(__file__).parents[2]
OPENLY = "an openly shown text"
"""Planted where no secret belongs: it has to be found, or the search sees nothing."""

KINDS = '''
import os, sys, threading, time, warnings
from pydantic import Field, field_validator
from algos import BaseAlgo

class Careless(BaseAlgo):
    """Tells its parameters to everybody, in every way."""

    class Params(BaseAlgo.Params):
        password: str = ""
        way: str = ""
        motto: str = ""
        account: dict[str, str] = {}
        upload: str = ""
        api_key: str = ""

        @field_validator("password")
        @classmethod
        def _not_refused(cls, password):
            if "refused" in password:
                raise ValueError(f"{password} will not do")
            return password

    def told(self):
        return f"{self.params!r} {self.params.password} {self.params.model_dump_json()} {self.params.upload}"

    def init(self):
        if self.params.way == "init":
            raise RuntimeError(self.told())
        if self.params.way == "exit":
            sys.exit(self.told())

    def run(self, frames):
        match self.params.way:
            case "raise":
                raise RuntimeError(self.told())
            case "long":  # the password lies across the place where the text is cut
                raise RuntimeError("x" * (1000 - len("RuntimeError: ") - 5) + self.told() + "y" * 8180)
            case "print":
                print(self.told())
                print(self.told(), file=sys.stderr)
                self.log.warning("%s", self.told())
                warnings.warn(self.told())
                threading.Thread(target=lambda: 1 / (0 if self.told() else 1)).start()
                def fail():
                    raise ValueError(self.told())
                threading.Thread(target=fail).start()
            case "unpackable":
                return {self.params.password: object()}
            case "hang":
                print(self.told())
                time.sleep(1000)
            case "crash":
                os.abort()
        return self.params.motto

class Strict(BaseAlgo):
    """Does not take what it is given."""
    class Params(BaseAlgo.Params):
        token: int
    def run(self, frames):
        return None
'''


@dataclass
class Scene:
    """An agent in a world where everything has a password, and most of them are wrong."""

    agent: AgentProcess
    watcher: Watcher
    planted: Planted
    web: HttpCamera
    said: dict[str, bytes] = field(default_factory=dict)
    """What was told in other ways than by topics and log: by the place."""

    def call(self, verb: str, args: dict[str, Any] | None = None, **fields: Any) -> int:  # noqa: ANN401
        """The code of the reply, which is kept."""
        reply = self.watcher.call(verb, args, timeout_s=40.0, **fields)
        self.said[f"reply {len(self.said)} {verb}"] = json.dumps(reply).encode()
        return int(reply["code"])


SINK = '''
"""A sink that tells its parameters to everybody."""
from agent.sink import Sink, SinkBusyError, SinkRefusedError

class Careless(Sink):
    class Params(Sink.Params):
        way: str
        password: str
        dsn: str

    def told(self):
        return f"{self.params!r} {self.params.model_dump_json()}"

    def open(self):
        print(self.told())
        if self.params.way == "open":
            raise RuntimeError(self.told())

    def send(self, items):
        self.log.warning("%s", self.told())
        if self.params.way == "refuse":
            raise SinkRefusedError(self.told())
        raise SinkBusyError(self.told())
'''

WAYS = ("raise", "long", "print", "unpackable", "hang", "crash", "init", "exit")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    planted = Planted()
    broker_password = planted.password("broker")
    credentials, folder = tmp_path / "credentials", tmp_path / "secrets"
    for place, name, value in (
        (credentials, "broker", broker_password),
        (folder, "yard", planted.password("secrets folder")),
        (folder, "sink", planted.password("sink, by name")),
    ):
        place.mkdir(exist_ok=True)
        (place / name).write_text(value + "\n", "utf-8")
    environment = {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "VEDETTE_SECRET_LANE": planted.password("environment"),
    }
    packages = install(tmp_path / "site", "careless_sink", SINK, {"careless": "careless_sink:Careless"})
    environment["PYTHONPATH"] = f"{ROOT}:{packages}"
    video = encode(tmp_path / "v.mp4", frames=50, fps=25, gop=25)
    with ExitStack() as stack:
        broker = stack.enter_context(
            Mosquitto(tmp_path / "mosquitto", users={"gate": broker_password, "watcher": "watcher"})
        )
        yard = (folder / "yard").read_text("utf-8").removesuffix("\n")
        right = stack.enter_context(RtspCamera(video, user="viewer", password=yard, auth="basic"))
        wrong = stack.enter_context(RtspCamera(video, user="viewer", password="another"))
        web = stack.enter_context(HttpCamera(tmp_path / "mosquitto", user="viewer", password="another"))
        echo = stack.enter_context(Receiver(_echo))
        agent = AgentProcess(tmp_path, broker.url, environment=environment)
        agent.add_kind("careless", KINDS)
        agent.configure(
            _streams(planted, right, wrong, web),
            [*(_careless(planted, way) for way in WAYS), _strict(planted)],
            sinks=_sinks(planted, echo),
            broker={"username": "gate", "password": "{secret:broker}"},
            device={"labels": {"floor": "2", "token": planted.password("label")}},
            paths={"secrets": str(folder)},
            log={"level": "debug"},
            health={"listen": f"127.0.0.1:{free_port()}"},
        )
        watcher = Watcher(broker.url.replace("//", "//watcher:watcher@"))
        watcher._filters = ["#", "$SYS/broker/version"]
        watcher.device = agent.device
        stack.enter_context(watcher)
        stack.enter_context(agent)
        yield Scene(agent, watcher, planted, web)


def _streams(planted: Planted, right: RtspCamera, wrong: RtspCamera, web: HttpCamera) -> list[dict[str, Any]]:
    def secret(place: str) -> str:
        return quoted(planted.password(place))

    nobody = free_port()
    host = wrong.bare_url.removeprefix("rtsp://").partition("/")[0]
    sources = {
        "yard": right.bare_url.replace("//", "//viewer:{secret:yard}@"),
        "lane": wrong.bare_url.replace("//", "//viewer:{secret:lane}@"),
        "door": wrong.bare_url.replace("//", f"//viewer:{secret('source')}@"),
        "opencv": wrong.bare_url.replace("//", f"//viewer:{secret('source by OpenCV')}@"),
        "web": web.url("x.mkv").replace("another", secret("source by HTTP")),
        "token": f"http://127.0.0.1:{nobody}/live?token={secret('token')}&user=x",
        "pw": f"http://127.0.0.1:{web.port}/live?usr=x&pwd={secret('parameter of a URL')}",
        "path": f"rtsp://{host}/user=x_password={secret('path')}_channel=1.sdp",
        "nowhere": f"rtsp://viewer:{secret('source without a host')}@no-such-host.invalid/",
    }
    streams: list[dict[str, Any]] = [
        {"id": name, "source": source, "open_timeout_s": 3.0, "read_timeout_s": 2.0}
        for name, source in sources.items()
    ]
    next(stream for stream in streams if stream["id"] == "opencv")["backend"] = "opencv"
    return streams


def _echo(request: Request) -> Answer:
    """A server that tells in its refusal what it was sent."""
    said = f"{dict(request.headers)} {request.path}".encode()
    return Answer(status=401, headers={"X-Said": "no"}, body=said)


def _sinks(planted: Planted, echo: Receiver) -> list[dict[str, Any]]:
    def foreign(way: str) -> dict[str, Any]:
        params = {
            "way": way,
            "password": planted.password(f"password of the sink {way}"),
            "dsn": f"amqp://me:{quoted(planted.password(f'URL of the sink {way}'))}@10.0.0.9/",
        }
        return {"id": f"sink-{way}", "kind": "careless", "params": params, "batch_wait_s": 0.0}

    token = planted.password("header of a webhook", "-")
    url = echo.url.replace("//", f"//me:{quoted(planted.password('URL of a webhook'))}@")
    params = {
        "url": f"{url}?token={quoted(planted.password('parameter of a webhook'))}",
        "headers": {"X-Authorization": f"Bearer {token}", "X-Api-Key": planted.password("API key", "-")},
        "secret": "{secret:sink}",
    }
    webhook = {"id": "hook", "kind": "webhook", "params": params, "batch_wait_s": 0.0}
    return [webhook, *(foreign(way) for way in ("open", "refuse", "busy"))]


def _careless(planted: Planted, way: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    params = {
        "way": way,
        "password": planted.password(f"password of {way}"),
        "account": {"user": "me", "token": planted.password(f"token of {way}")},
        "upload": f"http://me:{quoted(planted.password(f'URL of {way}'))}@10.0.0.9/up",
        "api_key": planted.password(f"key of {way}"),
        **more,
    }
    # Short, so that what dies is started again and again within the test.
    return {
        "id": way,
        "kind": "Careless",
        "streams": ["yard"],
        "interval": 0.3,
        "timeout_s": 2.0,
        "params": params,
        "on_crash": "keep",
    }


def _strict(planted: Planted) -> dict[str, Any]:
    token = planted.password("what pydantic refuses")
    return {"id": "strict", "kind": "Strict", "streams": ["yard"], "params": {"token": token}}


def _provoke_sources_and_algorithms(scene: Scene) -> None:
    """Until each of them has failed as it should."""

    def failed() -> bool:
        report = scene.watcher.latest("d/+/reported")
        streams = {name: status["cause"] for name, status in report["streams"].items()}
        assert streams["yard"] is None
        assert {streams[name] for name in ("lane", "door", "web", "pw")} == {"auth"}, streams
        assert all(streams[name] for name in ("opencv", "token", "path", "nowhere")), streams
        sinks = report["sinks"]
        assert all(sink["error"] or sink["dead"] for sink in sinks.values()), sinks
        algorithms = report["algorithms"]
        assert all(algorithms[name]["error"] for name in (*WAYS, "strict") if name != "print"), algorithms
        assert algorithms["print"]["runs"]
        return True

    eventually(lambda: scene.watcher.latest("d/+/reported"), 20.0, "the agent reports")
    eventually(failed, 90.0, "every source and every algorithm has failed")


def _provoke_commands(scene: Scene) -> set[str]:
    """Commands with passwords in them, most of them refused; the places of those that were taken."""
    planted, watcher = scene.planted, scene.watcher

    def stream(place: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        source = f"rtsp://viewer:{quoted(planted.password(place))}@127.0.0.1:{free_port()}/s"
        return {"id": "cmd", "source": source, **more}

    def algorithm(place: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"id": "cmd", "kind": "Careless", "streams": ["yard"]} | {
            "params": {"password": planted.password(place), "way": "raise"},
            **more,
        }

    assert scene.call("stream.add", stream("refused: unknown key", fsp=5)) == 422
    assert scene.call("stream.add", stream("refused: bad value", fps="many")) == 422
    assert scene.call("stream.add", stream("refused: id") | {"id": planted.password("as an id")}) == 422
    forbidden = stream("refused: host")
    assert scene.call("stream.add", forbidden | {"source": forbidden["source"].replace("127.", "1.")}) == 403
    scheme = stream("refused: scheme")
    assert scene.call("stream.add", scheme | {"source": scheme["source"].replace("rtsp", "gopher")}) == 403
    broken = f"rtsp://viewer:12/{planted.password('refused: broken URL', '#')}@127.0.0.1/s"
    assert scene.call("stream.add", {"id": "cmd", "source": broken}) in (403, 422)
    assert scene.call("stream.ad", stream("refused: unknown verb")) == 404
    assert scene.call("stream.add", stream("refused: late"), fields={"expires": 10**15}) == 410
    assert scene.call("stream.add", stream("refused: revision"), fields={"if_revision": 99_999}) == 409
    assert scene.call("algorithm.add", algorithm("refused: kind", kind="Carless")) == 404
    assert scene.call("algorithm.add", algorithm("refused: stream", streams=["yrd"])) == 422
    refused = planted.password("refused by its validator", "-refused-'\"")
    assert scene.call("algorithm.add", algorithm("-") | {"params": {"password": refused}}) == 422
    assert (
        scene.call("algorithm.add", algorithm("refused: no room", frame_count=256, size=[8000, 8000])) == 409
    )
    for payload in (b'{"id": "x", "args": {"password": "%s"', b'{"id": {"%s": 1}}', b"\x81\xa2id\xff%s"):
        text = planted.password("refused: no request", "-").encode()
        watcher.publish(f"d/{scene.agent.device}/cmd/stream.add", payload.replace(b"%s", text))
    watcher.publish(
        f"d/{scene.agent.device}/cmd/stream.add",
        json.dumps({"id": "kept", "args": stream("refused: retained")}).encode(),
        retain=True,
    )
    # These are obeyed, and remembered as they are.
    assert scene.call("stream.add", stream("taken: stream")) == 200
    assert scene.call("stream.update", stream("taken: update")) == 200
    assert scene.call("stream.add", stream("refused: taken id")) == 409
    assert scene.call("algorithm.add", algorithm("taken: algorithm")) == 200

    def failed() -> bool:
        report = watcher.latest("d/+/reported")
        stream, algorithm = report["streams"].get("cmd"), report["algorithms"].get("cmd")
        return bool(stream and stream["error"] and algorithm and algorithm["failures"])

    eventually(failed, 60.0, "what was taken has failed, too")
    # A source of a command is looked at again when it is opened: this one by a proxy of the agent's own.
    source = f"http://me:{quoted(planted.password('taken: HTTP'))}@127.0.0.1:{scene.web.port}/x"
    source += f"?token={quoted(planted.password('taken: token'))}"
    assert scene.call("stream.add", {"id": "cmdweb", "source": source}) == 200
    eventually(lambda: (watcher.latest("d/+/s/cmdweb/status") or {}).get("cause") == "auth", 60.0)
    return {
        "taken: update",
        "taken: algorithm",
        "taken: HTTP",
        "taken: token",
    }  # what was replaced is not kept


def _ask_everything(scene: Scene) -> None:
    for verb in ("config.get", "state.get", "stream.list", "algorithm.list"):
        assert scene.call(verb) == 200
    assert scene.call("snapshot.take", {"stream": "door"}) == 409
    assert scene.call("diag", {"to": "file"}) == 200
    for name, text in by_mqtt(scene.watcher).items():
        scene.said[f"bundle {name}"] = text.encode()
    listen = scene.watcher.call("config.get")["data"]["config"]["health"]["listen"]
    for path in ("metrics", "livez", "readyz", "nothing"):
        try:
            with urllib.request.urlopen(f"http://{listen}/{path}", timeout=10) as page:
                scene.said[path] = page.read()
        except urllib.error.HTTPError as err:
            scene.said[path] = err.read()
    for process in (psutil.Process(scene.agent.process.pid), *scene.agent.children()):
        for name in ("cmdline", "comm", "status", "maps", "mountinfo"):
            scene.said[f"/proc {process.name()} {name}"] = _proc(process.pid, name)


def _proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.timeout(300)  # it takes 20 s; a dozen processes start at once, which a busy machine takes hard
def test_no_secret_comes_out_anywhere(scene: Scene) -> None:
    planted = scene.planted
    openly = planted.password(OPENLY, "-")
    _provoke_sources_and_algorithms(scene)
    motto = {
        "id": "open",
        "kind": "Careless",
        "streams": ["yard"],
        "interval": 0.3,
        "params": {"motto": openly},
    }
    assert scene.call("algorithm.add", motto) == 200
    scene.watcher.wait_for_results(1, 20.0, algorithm="open")
    motto |= {"id": "openly", "params": {"motto": openly, "way": "print"}}
    assert scene.call("algorithm.add", motto) == 200
    remembered = _provoke_commands(scene)
    eventually(lambda: OPENLY in planted.found_in(scene.agent.log().encode()), 20.0, "it is in the log")
    # The other children's environments, and what these start.
    environments = {child.pid: _proc(child.pid, "environ") for child in scene.agent.children()}
    _ask_everything(scene)
    # The agent itself has in its environment what was put there, and nothing else.
    for environ in (*environments.values(), _proc(scene.agent.process.pid, "environ")):
        assert planted.found_in(environ) <= {"environment"}
    scene.agent.terminate()

    found = {name: places for name, data in scene.said.items() if (places := planted.found_in(data))}
    for message in scene.watcher.messages:
        if "/cmd/" not in message.topic and (
            places := planted.found_in(f"{message}".encode()) | planted.found_in(message.payload)
        ):
            found.setdefault(message.topic, set()).update(places)
    if places := planted.found_in(scene.agent.log().encode()):
        found["log"] = places
    files = planted.found_in_files(scene.agent.state)

    # What is no secret was found wherever it is told: the search can see.
    assert OPENLY in found["log"]
    assert OPENLY in found.get("bundle desired.json", set())
    assert OPENLY in found.get("bundle log/worker-openly-0.jsonl", set())
    assert any(topic.endswith("/a/open/result") for topic in found)
    assert any(name.startswith("reply") for name in found)
    assert OPENLY in files["control.db"]
    # And of the secrets there is none.
    assert {name: places - {OPENLY} for name, places in found.items() if places - {OPENLY}} == {}
    # On the disk they stand where they have to, for their owner alone.
    windows = {name for name in files if name.startswith("crashes/")}
    assert windows
    assert {name: places - {OPENLY} for name, places in files.items() if name not in windows} | {
        "control.db": set()
    } == {name: set() for name in files if name not in windows}
    assert files["control.db"] - {OPENLY} == remembered
    for name in files:
        assert (scene.agent.state / name).stat().st_mode & 0o077 == 0, name
