"""Commands as the network sends them: good, bad, late, doubled, retained and huge."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import NUMBERS_KIND, AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE = "test://scene?size=320x240&fps=25"


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent with one scene and one algorithm."""
    agent = AgentProcess(tmp_path, broker.url)
    agent.add_kind("numbers", NUMBERS_KIND)
    agent.configure(
        streams=[{"id": "scene", "source": SCENE}],
        algorithms=[{"id": "facts", "kind": "probe", "streams": ["scene"], "interval": 0.2}],
    )
    with agent:
        yield agent


@pytest.fixture
def watcher(agent: AgentProcess, broker: Mosquitto) -> Iterator[Watcher]:
    """A client of that agent, which is up."""
    with Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for_results(1, 20.0)
        yield watcher


REFUSED: list[tuple[str, dict[str, object], int, str]] = [
    ("stream.add", {"id": "scene", "source": "test://scene?seed=9"}, 409, "already"),
    ("stream.add", {"id": "x", "source": "exec:ls"}, 403, "exec"),
    ("stream.add", {"id": "x", "source": "/etc/passwd"}, 403, "media_roots"),
    ("stream.add", {"id": "x", "source": SCENE, "fsp": 5}, 422, "fps"),
    ("stream.add", {"id": "a/b", "source": SCENE}, 422, "id"),
    ("stream.remove", {"id": "scen"}, 404, "scene"),
    ("algorithm.add", {"id": "x", "kind": "moton"}, 404, "motion"),
    ("algorithm.add", {"id": "x", "kind": "motion", "params": {"min_are": 1}}, 422, "min_area"),
    ("algorithm.add", {"id": "x", "kind": "probe", "streams": ["scen"]}, 422, "scene"),
    ("algorithm.add", {"id": "x", "kind": "probe", "frame_count": 256, "size": [8000, 8000]}, 409, "MB"),
    ("algorithm.restart", {"id": "x"}, 404, "x"),
    ("snapshot.take", {"stream": "nowhere"}, 404, "nowhere"),
    ("stream.ad", {}, 404, "stream.add"),
]


def test_refused_commands_say_why_and_change_nothing(watcher: Watcher) -> None:
    before = watcher.call("state.get")["data"]
    for verb, args, code, words in REFUSED:
        reply = watcher.call(verb, args)
        assert (reply["ok"], reply["code"]) == (False, code), (verb, args, reply)
        assert words in reply["error"], (verb, args, reply)
        after = watcher.call("state.get")["data"]
        assert after["revision"] == before["revision"], (verb, args)
        assert list(after["streams"]) == ["scene"]
        assert list(after["algorithms"]) == ["facts"]


def test_every_verb_of_this_agent_works(watcher: Watcher, agent: AgentProcess) -> None:
    assert watcher.call("ping")["data"]["epoch"] == 1
    assert watcher.call("ping", codec="msgpack")["code"] == 200
    assert watcher.call("stream.add", {"id": "two", "source": SCENE + "&seed=2"})["data"]["changed"] is True
    assert watcher.call("stream.add", {"id": "two", "source": SCENE + "&seed=2"})["data"]["changed"] is False
    more = {"id": "more", "kind": "motion", "streams": ["*"], "interval": 0.2, "params": {"min_area": 0.01}}
    assert watcher.call("algorithm.add", more)["code"] == 200
    watcher.wait_for_results(2, 20.0, stream="two", algorithm="more")
    assert watcher.call("stream.update", {"id": "two", "fps": 5})["code"] == 200
    assert (
        watcher.call("algorithm.update", {"id": "more", "interval": 0.5, "size": [160, 120]})["code"] == 200
    )
    before = len(watcher.messages)
    watcher.wait_for_results(2, 20.0, stream="two", algorithm="more", since=before)
    assert set(watcher.call("stream.list")["data"]["streams"]) == {"scene", "two"}
    assert watcher.call("algorithm.list")["data"]["algorithms"]["more"]["config"]["interval"] == 0.5
    taken = watcher.call("snapshot.take", {"stream": "scene", "max_width": 160})["data"]
    picture = watcher.wait_for(lambda m: m.topic.endswith("/snapshot"))
    assert picture.payload[:2] == b"\xff\xd8"
    assert picture.content_type == "image/jpeg"
    assert (taken["width"], taken["bytes"]) == (160, len(picture.payload))
    assert dict(picture.user_properties)["frame"] == str(taken["frame"])
    assert watcher.call("stream.pause", {"id": "two"})["code"] == 200
    eventually(lambda: not agent.children("vd:two"), what="the camera of a paused stream is free")
    eventually(lambda: watcher.latest("d/+/s/two/status")["state"] == "paused", what="it says so")
    before = len(watcher.messages)
    assert watcher.call("stream.resume", {"id": "two"})["code"] == 200
    watcher.wait_for_results(1, 20.0, stream="two", since=before)
    assert watcher.call("algorithm.restart", {"id": "more"})["code"] == 200
    assert watcher.call("log.level", {"level": "debug", "for_s": 60})["data"]["level"] == "debug"
    assert watcher.call("config.get")["data"]["config"]["device"]["id"] == agent.device
    assert watcher.call("stream.remove", {"id": "two"})["code"] == 200
    assert watcher.call("algorithm.remove", {"id": "more"})["code"] == 200
    report = watcher.call("state.get")["data"]
    assert (list(report["streams"]), list(report["algorithms"])) == (["scene"], ["facts"])
    info = watcher.latest("d/+/info")
    assert {"motion", "probe", "codes", "quality", "Numbers"} <= set(info["kinds"])
    assert info["kinds"]["motion"]["params_schema"]["properties"]["min_area"]


def test_same_id_gets_the_same_reply_and_no_second_action(watcher: Watcher, agent: AgentProcess) -> None:
    args = {"id": "once", "source": SCENE}
    first = watcher.call("stream.add", args, id="order-1")
    again = watcher.call("stream.add", args, id="order-1")
    assert first == again
    revision = watcher.call("state.get")["data"]["revision"]
    agent.kill()
    agent.start()
    before = len(watcher.messages)
    watcher.wait_for(lambda m: m.topic.endswith("/result"), 30.0, since=before)
    assert watcher.call("stream.add", args, id="order-1") == first  # remembered over the restart
    assert watcher.call("state.get")["data"]["revision"] == revision


def test_expired_retained_malformed_and_oversized_commands(watcher: Watcher) -> None:
    past = int((time.time() - 60) * 1e6)
    reply = watcher.call("stream.remove", {"id": "scene"}, fields={"expires": past})
    assert reply["code"] == 410
    stale = watcher.call("stream.remove", {"id": "scene"}, fields={"if_revision": 99})
    assert stale["code"] == 409
    retained = watcher.command("stream.remove", {"id": "scene"}, retain=True)
    for payload, code in (
        (b"{", 400),
        (b"[1, 2]", 400),
        (b"\xc1\xff", 400),
        (b"", 400),
        (b'{"id": "../x", "args": {}}', 400),
        (b'{"id": "big", "args": {"x": "' + b"y" * 300_000 + b'"}}', 413),
        (json.dumps({"id": "deep", "args": {"a": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}}).encode(), 400),
    ):
        before = len(watcher.messages)
        watcher.publish(f"d/{watcher.device}/cmd/ping", payload)
        message = watcher.wait_for(lambda m: m.topic.endswith("/resp"), since=before)
        assert message.document["code"] == code, (payload[:40], message.document)
    assert watcher.call("ping")["code"] == 200
    assert watcher.replies(retained) == []
    assert list(watcher.call("state.get")["data"]["streams"]) == ["scene"]


def test_replies_go_nowhere_else(watcher: Watcher) -> None:
    """The agent is no reflector: a foreign response topic gets nothing, the device's own does."""
    before = len(watcher.messages)
    asked = watcher.command("ping", {}, response_topic="vedette/v1/d/other/cmd/restart")
    message = watcher.wait_for(lambda m: m.topic.endswith("/resp"), since=before)
    assert message.document["id"] == asked
    assert message.topic == f"vedette/v1/d/{watcher.device}/resp"
