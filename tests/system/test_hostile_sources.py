"""The whole agent against sources that nobody may name: refused aloud, and nothing of them touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.camera import HttpCamera
from tests.canary import Canary
from tests.hostile import HOSTILE, filled, lay_out
from tests.servers import playlist, redirecting, serving
from tests.system.agent_process import AgentProcess
from tests.video import encode
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE = "test://scene?size=320x240&fps=25"
# The names of the unit tests' resolver are nobody's here: asking a real one would only take time.
TABLE = [source for source in HOSTILE if "example.org" not in source and "google" not in source]


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> AgentProcess:
    return AgentProcess(tmp_path, broker.url)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    with Canary(tmp_path, ("127.0.0.1", "127.0.0.2", "::1")) as canary:
        yield canary
        assert canary.seen == []


def test_the_table_is_as_long_as_promised() -> None:
    assert len(TABLE) >= 60
    assert sum("PORT" in source or "CANARY" in source for source in TABLE) >= 60


def test_every_hostile_source_is_refused_and_nothing_of_it_is_touched(
    tmp_path: Path, agent: AgentProcess, broker: Mosquitto, canary: Canary
) -> None:
    media = lay_out(tmp_path / "files")
    (tmp_path / "files" / "canary.mp4").symlink_to(canary.file)
    agent.configure(
        streams=[{"id": "scene", "source": SCENE}],
        paths={"media_roots": [str(media)]},
        security={"source_hosts": [], "commands_per_s": 5000},
    )
    with agent, Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for(lambda m: m.topic.endswith("/s/scene/status"), 40.0)
        before = watcher.call("state.get")["data"]
        for number, row in enumerate(TABLE):
            source = filled(row, media, canary.port)
            reply = watcher.call("stream.add", {"id": f"h{number}", "source": source})
            # What cannot even be written into agent.toml is no source, and is told from a refused one.
            code = 403 if source and source.isprintable() else 422
            assert (reply["ok"], reply["code"]) == (False, code), (source, reply)
            assert reply["error"].startswith("the source is refused: ") or code == 422, reply
            assert "pa55word" not in reply["error"], reply
        for row in ("http://127.0.0.1:PORT/x", "CANARY", "concat:CANARY|CANARY"):
            source = filled(row, media, canary.port)
            reply = watcher.call("stream.update", {"id": "scene", "source": source})
            assert (reply["ok"], reply["code"]) == (False, 403), (source, reply)
        after = watcher.call("state.get")["data"]
        assert after["revision"] == before["revision"]
        assert list(after["streams"]) == ["scene"]
        assert canary.seen == []


def test_what_leads_elsewhere_after_it_was_taken_is_told_in_the_status(
    tmp_path: Path, agent: AgentProcess, broker: Mosquitto, canary: Canary
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    encode(agent.media / "clip.mp4", codec="libx264", frames=20, gop=5, b_frames=0)
    (agent.media / "link.mp4").symlink_to(agent.media / "clip.mp4")
    elsewhere = f"http://127.0.0.2:{canary.port}/part.ts"
    (served / "list.m3u8").write_text(playlist(elsewhere))
    agent.configure(security={"source_hosts": ["127.0.0.1"]})
    with (
        HttpCamera(served) as server,
        serving(redirecting(elsewhere)) as port,
        agent,
        Watcher(broker.url, agent.device) as watcher,
    ):
        watcher.wait_for(lambda m: m.topic.endswith("/status"), 40.0)

        def is_forbidden(name: str, words: str) -> None:
            def told() -> bool:
                status = watcher.latest(f"d/+/s/{name}/status")
                return bool(status) and status["cause"] == "forbidden" and words in status["error"]

            eventually(told, 40.0, f"the status of {name} says so")

        for name, source in (
            ("redirected", f"http://127.0.0.1:{port}/video"),
            ("playlist", server.url("list.m3u8")),
            ("linked", str(agent.media / "link.mp4")),
        ):
            assert watcher.call("stream.add", {"id": name, "source": source})["code"] == 200
        is_forbidden("redirected", "the host 127.0.0.2 is not allowed")
        is_forbidden("playlist", "the host 127.0.0.2 is not allowed")
        eventually(
            lambda: (watcher.latest("d/+/s/linked/status") or {}).get("state") in ("running", "ended"),
            40.0,
            "the file plays",
        )
        assert watcher.call("stream.pause", {"id": "linked"})["code"] == 200
        (agent.media / "link.mp4").unlink()
        (agent.media / "link.mp4").symlink_to(canary.file)
        assert watcher.call("stream.resume", {"id": "linked"})["code"] == 200
        is_forbidden("linked", "paths.media_roots")
