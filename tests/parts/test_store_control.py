"""Commands from the gate to the disk and back: one reply each, none done twice, a refused one undone."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.config.tables import PathsConfig, SecurityConfig
from agent.contract import commands as c
from agent.contract.status import Reported, StreamState, StreamStatus
from agent.contract.topics import Topics
from agent.control import control as control_module
from agent.control.control import Control
from agent.control.desired import Desired
from agent.control.messages import CommandMessage, ReplyMessage
from agent.control.store import Store
from agent.errors import Cause, KindError, NoRoomError, SourceError
from tests.signing import OPS as SIGNER
from tests.signing import public, request, sealed
from tests.waiting import eventually

TOPICS = Topics("vedette/v1", "gate-7")
FILE = Settings(
    streams=(StreamConfig(id="door", source="rtsp://admin:pa55word@10.0.0.5/1"),),
    algorithms=(AlgorithmConfig(id="m", kind="motion", streams=("door",)),),
    security=SecurityConfig(commands_per_s=1000),
    paths=PathsConfig(state_dir=Path("/nowhere")),
)


class Clock:
    """The machine's, set ahead by hand."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us

    def monotonic_s(self) -> float:
        return time.monotonic()


class Agent:
    """The rest of the agent, as far as commands see it; what happens is noted."""

    def __init__(self, store: Store, settings: Settings = FILE, clock: Clock | None = None) -> None:
        self.replies: list[ReplyMessage] = []
        self.told: list[Desired] = []
        self.done: list[str] = []
        self.at_work = asyncio.Event()
        self.hold: dict[str, asyncio.Event] = {}  # checks and actions wait for theirs
        self.control = Control(
            settings,
            store,
            TOPICS,
            views=self,
            actions=self,
            checks=self,
            publish=self.replies.append,
            on_desired=self.told.append,
            resolve=self.resolve,
            clock=clock,
        )

    async def call(self, verb: str, args: dict[str, Any] | None = None, **request: object) -> dict[str, Any]:
        """Send one command, and wait for its end."""
        before = len(self.replies)
        await self.control.handle(command(verb, args, **request))
        (reply,) = self.replies[before:]
        tree: dict[str, Any] = json.loads(reply.payload)
        return tree

    async def resolve(self, name: str) -> tuple[str, ...]:
        return ("203.0.113.7",) if name == "camera.example.org" else ("127.0.0.1",)

    # --- views ---

    def reported(self) -> Reported:
        status = StreamStatus(
            id="door", state=StreamState.RUNNING, since=1, origin="file", source="rtsp://10.0.0.5/1"
        )
        return Reported(revision=0, epoch=1, time=2, streams={"door": status})

    def config_shown(self) -> c.ConfigShown:
        return c.ConfigShown(file=None, config={})

    def pong(self) -> c.Pong:
        return c.Pong(version="1", epoch=1, time=2, uptime_s=3.0)

    # --- actions ---

    def preview(self, command: c.PreviewStart | c.PreviewStop) -> c.Previewed:
        """Somebody looks, or does so no more."""
        assert command.viewer
        return c.Previewed(topic="", viewers=0, fps=0, max_width=0)

    async def take_snapshot(self, command: c.SnapshotTake, request_id: str) -> c.SnapshotTaken:
        await self._note(f"snapshot {command.stream} {request_id}")
        if request_id == "no-picture":
            raise SourceError(Cause.TIMEOUT, "no picture in 10 s")
        return c.SnapshotTaken(topic="t", width=1, height=1, bytes=1, frame=1, pts=0.0, time=1)

    async def restart_algorithm(self, algorithm: str) -> None:
        await self._note(f"restart {algorithm}")

    async def diagnose(self, command: c.Diag, request_id: str) -> c.Diagnosed:
        await self._note(f"diag {command.to}")
        return c.Diagnosed(name=request_id, bytes=1, sha256="")

    async def set_log_level(self, command: c.LogSetLevel) -> c.LogLevelSet:
        await self._note(f"log {command.level}")
        return c.LogLevelSet(level=command.level)

    # --- checks ---

    async def check_algorithm(self, config: AlgorithmConfig) -> None:
        await self._note(f"check {config.id}")
        if config.kind == "none":
            raise KindError("no algorithm kind 'none'")
        if config.kind == "bug":
            raise ZeroDivisionError

    async def check_fit(self, desired: Desired) -> None:
        await self._note(f"fit {desired.revision}")
        if any(item.config.frame_count > 99 for item in desired.algorithms.values()):
            raise NoRoomError("600 MiB are needed, 10 MiB are there")

    def check_load(self, before: Desired, after: Desired) -> str | None:
        grown = len(after.algorithms) - len(before.algorithms)
        return "needs about 9 cores, 0.4 of 2 are free" if grown and len(after.algorithms) > 5 else None

    async def _note(self, what: str) -> None:
        self.done.append(what)
        self.at_work.set()
        if (event := self.hold.get(what)) is not None:
            await event.wait()


_numbers = iter(range(10**9))


def command(verb: str, args: dict[str, Any] | None = None, **request: object) -> CommandMessage:
    tree = {"id": f"c{next(_numbers)}", "args": args or {}} | request
    return CommandMessage(topic=TOPICS.command(verb), payload=json.dumps(tree).encode())


OPS = {"ops": {"public_key": public(SIGNER)}}
SIGNED = FILE.model_copy(
    update={
        "security": SecurityConfig.model_validate(
            {"keys": OPS, "require_signature": True, "commands_per_s": 1000}
        )
    }
)


def signed(verb: str, args: dict[str, Any] | None = None, **place: Any) -> CommandMessage:  # noqa: ANN401
    """A command by a key, valid for a minute."""
    topic = TOPICS.command(verb)
    said = request(f"c{next(_numbers)}", args=args, expires=time.time_ns() // 1000 + 60_000_000)
    return CommandMessage(topic=topic, payload=sealed(topic, said), **place)


def play(folder: Path, script: Callable[[Agent], Awaitable[None]], settings: Settings = FILE) -> None:
    """One life of an agent on this folder."""

    async def life() -> None:
        with Store(folder) as store:
            await script(Agent(store, settings))

    asyncio.run(life())


ADD = {"id": "yard", "source": "rtsp://camera.example.org/1"}
COUNT = {"id": "n", "kind": "motion", "streams": ["yard"]}


def test_what_commands_changed_survives_and_is_told(tmp_path: Path) -> None:
    async def first(agent: Agent) -> None:
        assert (await agent.control.reload(FILE)).revision == 1
        assert agent.told == []
        reply = await agent.call("stream.add", ADD)
        assert reply == {
            "id": reply["id"],
            "ok": True,
            "code": 200,
            "data": {"id": "yard", "changed": True, "warnings": []},
            "device": "gate-7",
            "revision": 2,
        }
        assert (await agent.call("algorithm.add", COUNT))["revision"] == 3
        assert (await agent.call("stream.update", {"id": "door", "fps": 5}))["revision"] == 4
        assert (await agent.call("algorithm.remove", {"id": "m"}))["revision"] == 5
        assert [desired.revision for desired in agent.told] == [2, 3, 4, 5]
        assert agent.told[-1] is agent.control.desired
        same = await agent.call("stream.add", ADD)
        assert (same["code"], same["revision"]) == (200, 5)
        assert same["data"] == {"id": "yard", "changed": False, "warnings": []}
        assert len(agent.told) == 4

    async def second(agent: Agent) -> None:
        desired = agent.control.desired
        assert desired.revision == 5
        assert {key: item.origin for key, item in desired.streams.items()} == {
            "door": "file+command",
            "yard": "command",
        }
        assert desired.algorithms.keys() == {"n"}
        listed = (await agent.call("stream.list"))["data"]["streams"]
        assert listed["door"]["origin"] == "file+command"
        assert listed["door"]["config"]["fps"] == 5
        assert listed["door"]["status"]["state"] == "running"
        assert listed["door"]["config"]["source"] == "rtsp://admin:***@10.0.0.5/1"
        assert (await agent.call("algorithm.list"))["data"]["algorithms"]["n"]["config"]["kind"] == "motion"
        state = await agent.call("state.get")
        assert state["revision"] == state["data"]["revision"] == 5

    play(tmp_path, first)
    play(tmp_path, second)


REFUSED: list[tuple[str, dict[str, Any], int, str, list[str]]] = [
    ("stream.add", {"id": "x", "source": "rtsp://127.0.0.1/1"}, 403, "loopback", []),
    ("stream.add", {"id": "x", "source": "rtsp://rebound.example.org/1"}, 403, "loopback", []),
    ("stream.add", {"id": "x", "source": "concat:a|b"}, 403, "never", []),
    ("stream.add", {"id": "x", "source": "/etc/passwd"}, 403, "media_roots", []),
    ("stream.update", {"id": "door", "source": "file:///etc/passwd"}, 403, "media_roots", []),
    ("stream.add", {"id": "door", "source": "test://scene"}, 409, "already", []),
    ("stream.remove", {"id": "dor"}, 404, "did you mean 'door'", []),
    (
        "algorithm.add",
        {"id": "n", "kind": "none", "streams": ["door"]},
        422,
        "no algorithm kind",
        ["check n"],
    ),
    (
        "algorithm.add",
        {"id": "n", "kind": "motion", "streams": ["door"], "frame_count": 100},
        409,
        "600 MiB",
        ["check n", "fit 2"],
    ),
    ("algorithm.restart", {"id": "x"}, 404, "no algorithm", []),
    ("snapshot.take", {"stream": "x"}, 404, "no stream", []),
    ("stream.paus", {"id": "door"}, 404, "stream.pause", []),
]


@pytest.mark.parametrize(("verb", "args", "code", "words", "done"), REFUSED)
def test_a_refused_command_changes_nothing(
    tmp_path: Path, verb: str, args: dict[str, Any], code: int, words: str, done: list[str]
) -> None:
    async def script(agent: Agent) -> None:
        before = agent.control.desired
        reply = await agent.call(verb, args)
        assert (reply["code"], reply["ok"], reply["revision"]) == (code, False, 1)
        assert words in reply["error"]
        assert agent.control.desired is before
        assert agent.told == []
        assert agent.done == done

    play(tmp_path, script)

    async def again(agent: Agent) -> None:
        assert agent.control.desired.revision == 1

    play(tmp_path, again)


def test_the_source_of_the_file_is_trusted_when_a_command_changes_something_else(tmp_path: Path) -> None:
    trusted = FILE.model_copy(update={"streams": (StreamConfig(id="door", source="rtsp://127.0.0.1/1"),)})

    async def script(agent: Agent) -> None:
        assert (await agent.call("stream.update", {"id": "door", "fps": 5}))["code"] == 200
        assert (await agent.call("stream.pause", {"id": "door"}))["code"] == 200

    play(tmp_path, script, trusted)


def test_actions_are_done_once_and_their_errors_are_told(tmp_path: Path) -> None:
    async def first(agent: Agent) -> None:
        for _ in range(2):
            assert (await agent.call("algorithm.restart", {"id": "m"}, id="r"))["code"] == 200
            assert (await agent.call("log.level", {"level": "debug"}, id="l"))["data"]["level"] == "debug"
            assert (await agent.call("snapshot.take", {"stream": "door"}, id="s"))["data"]["width"] == 1
            assert (await agent.call("snapshot.take", {"stream": "door"}, id="no-picture"))["code"] == 409
        assert agent.done == ["restart m", "log debug", "snapshot door s", "snapshot door no-picture"]

    async def second(agent: Agent) -> None:
        for command_id in ("r", "l", "s", "no-picture"):
            await agent.call("ping", id=command_id)
        assert agent.done == []

    play(tmp_path, first)
    play(tmp_path, second)


def test_the_same_id_is_not_obeyed_twice_in_this_life_or_the_next(tmp_path: Path) -> None:
    kept: list[bytes] = []

    async def first(agent: Agent) -> None:
        await agent.call("stream.add", ADD, id="add")
        await agent.call("stream.remove", {"id": "none"}, id="refused")
        await agent.call("stream.remove", {"id": "yard"}, id="remove")
        await agent.call("stream.add", ADD, id="add")
        assert "yard" not in agent.control.desired.streams
        kept.extend(reply.payload for reply in agent.replies)
        assert kept[0] == kept[3]

    async def second(agent: Agent) -> None:
        await agent.call("stream.add", ADD, id="add")
        await agent.call("stream.add", {"id": "none", "source": "test://scene"})
        await agent.call("stream.remove", {"id": "none"}, id="refused")
        assert agent.control.desired.streams.keys() == {"door", "none"}
        assert [agent.replies[0].payload, agent.replies[2].payload] == kept[:2]

    play(tmp_path, first)
    play(tmp_path, second)


def test_changes_wait_for_each_other_in_order_and_questions_wait_for_none(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        slow = agent.hold["check m"] = asyncio.Event()
        picture = agent.hold["snapshot door s"] = asyncio.Event()
        sent = [
            command("snapshot.take", {"stream": "door"}, id="s"),
            command("algorithm.update", {"id": "m", "interval": 2}, id="1"),
            command("stream.pause", {"id": "door"}, id="2"),
            command("stream.resume", {"id": "door"}, id="3"),
            command("algorithm.update", {"id": "m", "interval": 2}, id="1"),  # again, while it is at work
            command("ping", id="p"),
            command("stream.pause", {"id": "door"}, id="old", if_revision=1),
        ]
        async with asyncio.TaskGroup() as tasks:
            for message in sent:
                tasks.create_task(agent.control.handle(message))
            for _ in range(20):
                await asyncio.sleep(0)
            assert [json.loads(reply.payload)["id"] for reply in agent.replies] == ["p"]
            assert agent.control.desired.revision == 1
            slow.set()
            picture.set()
        replies = {tree["id"]: tree for tree in (json.loads(reply.payload) for reply in agent.replies)}
        assert len(agent.replies) == len(replies) == 6
        assert [replies[key]["revision"] for key in "123"] == [2, 3, 4]
        assert (replies["old"]["code"], replies["old"]["revision"]) == (409, 4)
        assert [desired.streams["door"].config.paused for desired in agent.told] == [False, True, False]

    play(tmp_path, script)


def test_a_revision_that_is_the_right_one_lets_the_command_through(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        assert (await agent.call("stream.pause", {"id": "door"}, if_revision=1))["code"] == 200
        assert (await agent.call("ping", if_revision=2))["code"] == 200
        assert (await agent.call("ping", if_revision=1))["code"] == 409

    play(tmp_path, script)


def test_a_bug_is_answered_and_raised_and_changes_nothing(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        bug = {"id": "n", "kind": "bug", "streams": ["door"]}
        with pytest.raises(ZeroDivisionError):
            await agent.control.handle(command("algorithm.add", bug, id="b"))
        (reply,) = agent.replies
        assert json.loads(reply.payload)["code"] == 500
        assert agent.control.desired.algorithms.keys() == {"m"}
        assert (await agent.call("stream.pause", {"id": "door"}))["code"] == 200

    play(tmp_path, script)


def test_what_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "CHECK_LIMIT_S", 0.01)
    monkeypatch.setattr(control_module, "ACTION_LIMIT_S", 0.01)

    async def script(agent: Agent) -> None:
        agent.hold["check m"] = agent.hold["restart m"] = asyncio.Event()
        reply = await agent.call("algorithm.update", {"id": "m", "interval": 2})
        assert (reply["code"], reply["revision"]) == (500, 1)
        assert "longer than" in reply["error"]
        assert (await agent.call("algorithm.restart", {"id": "m"}))["code"] == 500

    play(tmp_path, script)


def test_a_cancelled_command_gives_no_reply_and_may_come_again(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        agent.hold["check m"] = asyncio.Event()
        task = asyncio.create_task(
            agent.control.handle(command("algorithm.update", {"id": "m", "interval": 2}, id="u"))
        )
        await agent.at_work.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert agent.replies == []
        del agent.hold["check m"]
        assert (await agent.call("algorithm.update", {"id": "m", "interval": 2}, id="u"))["code"] == 200

    play(tmp_path, script)


def test_a_change_that_cannot_be_stored_is_not_made(tmp_path: Path) -> None:
    async def script() -> None:
        with Store(tmp_path) as store:
            agent = Agent(store)
            await agent.control.reload(FILE)
            store._writer.execute("PRAGMA query_only = 1")  # as on a disk that was remounted read-only
            reply = await agent.call("stream.add", ADD)
            assert (reply["code"], reply["revision"]) == (500, 1)
            assert "(state)" in reply["error"]
            assert "yard" not in agent.control.desired.streams
            assert agent.told == []
            assert (await agent.call("log.level", {"level": "info"}))["code"] == 200
            assert (await agent.call("stream.remove", {"id": "x"}))["code"] == 404
            store._writer.execute("PRAGMA query_only = 0")
            assert (await agent.call("stream.add", ADD))["code"] == 200

    asyncio.run(script())


def test_the_store_waits_for_no_other_work(tmp_path: Path) -> None:
    let_go = threading.Event()

    async def script(agent: Agent) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        others = loop.run_in_executor(None, let_go.wait)
        try:
            async with asyncio.timeout(20):
                assert (await agent.call("stream.pause", {"id": "door"}))["code"] == 200
            assert agent.control.owes_since() is None
        finally:
            let_go.set()
            await others

    play(tmp_path, script)


def test_a_write_counts_from_when_it_is_begun_and_not_from_when_it_was_asked_for(tmp_path: Path) -> None:
    async def script() -> None:
        with Store(tmp_path) as store:
            agent = Agent(store)
            let_go = threading.Event()
            before = store._thread.submit(let_go.wait)  # a write before it
            change = asyncio.create_task(agent.call("stream.pause", {"id": "door"}))
            await asyncio.to_thread(eventually, lambda: not store._thread._work_queue.empty())
            assert agent.control.owes_since() is None
            begun_s = time.monotonic()
            with store._writing:  # a disk that takes its time
                let_go.set()
                since_s = await asyncio.to_thread(eventually, agent.control.owes_since)
                assert since_s is not None
                assert since_s >= begun_s
            assert (await change)["code"] == 200
            assert agent.control.owes_since() is None
            assert before.result()

    asyncio.run(script())


def test_a_file_that_was_read_again_changes_what_differs(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        await agent.call("stream.pause", {"id": "door"})
        await agent.call("stream.add", ADD)
        assert await agent.control.reload(FILE) is not None
        assert len(agent.told) == 2  # nothing differs
        other = FILE.model_copy(
            update={
                "streams": (StreamConfig(id="door", source="rtsp://10.0.0.6/1"),),
                "security": SecurityConfig(source_schemes=("rtsp",)),
            }
        )
        desired = await agent.control.reload(other)
        assert (desired.revision, agent.told[-1]) == (4, desired)
        assert desired.streams["door"].config.source == "rtsp://10.0.0.6/1"
        assert not desired.streams["door"].config.paused
        assert desired.streams["yard"].origin == "command"
        assert (await agent.call("stream.add", {"id": "t", "source": "test://scene"}))["code"] == 403

    play(tmp_path, script)

    async def again(agent: Agent) -> None:
        assert agent.control.desired.revision == 5  # the file says "door" as at first, which is new
        assert agent.control.desired.streams["door"].origin == "file"

    play(tmp_path, again)


def test_messages_that_are_no_commands_are_counted_and_ignored(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        retained = CommandMessage(topic=TOPICS.command("ping"), payload=b'{"id": "x"}', retain=True)
        await agent.control.handle(retained)
        assert agent.replies == []
        assert agent.control.fates["ignored"] == 1

    play(tmp_path, script)


# --- signed ---------------------------------------------------------------------------------------------

THIEF: dict[str, Any] = {"response_topic": "vedette/v1/client/thief/resp"}


@pytest.mark.parametrize(
    ("verb", "args", "answer"),
    [
        ("stream.add", ADD, 200),
        ("stream.remove", {"id": "dor"}, 404),
        ("algorithm.restart", {"id": "m"}, 200),
        ("log.level", {"level": "debug"}, 200),
        ("snapshot.take", {"stream": "door"}, 200),
        ("state.get", None, 200),
    ],
)
def test_a_signed_command_is_not_carried_out_again_by_a_later_life(
    tmp_path: Path, verb: str, args: dict[str, Any] | None, answer: int
) -> None:
    message = signed(verb, args)
    said: list[bytes] = []

    async def first(agent: Agent) -> None:
        await agent.control.handle(message)
        said.append(agent.replies[-1].payload)
        assert json.loads(said[0])["code"] == answer

    async def second(agent: Agent) -> None:
        before = agent.control.desired
        await agent.control.handle(replace(message, **THIEF))
        assert json.loads(agent.replies[-1].payload)["code"] == 401
        await agent.control.handle(message)
        reply = agent.replies[-1].payload
        # The reply to a question is not stored: that it was answered is.
        assert reply == said[0] if verb != "state.get" else json.loads(reply)["code"] == 401
        assert (agent.done, agent.told) == ([], [])
        assert agent.control.desired is before
        await agent.control.handle(signed(verb, args))
        assert json.loads(agent.replies[-1].payload)["code"] == answer

    play(tmp_path, first, SIGNED)
    play(tmp_path, second, SIGNED)


def test_a_signed_command_that_expires_while_it_waits_is_refused_as_one_that_came_too_late(
    tmp_path: Path,
) -> None:
    clock = Clock()

    async def script(agent: Agent) -> None:
        agent.hold["check n"] = asyncio.Event()
        works = [
            asyncio.create_task(agent.control.handle(signed("algorithm.add", COUNT | {"streams": ["door"]})))
        ]
        await agent.at_work.wait()
        works.append(asyncio.create_task(agent.control.handle(signed("stream.remove", {"id": "door"}))))
        await asyncio.sleep(0)
        clock.ahead_us = 61_000_000
        agent.hold["check n"].set()
        await asyncio.gather(*works)
        assert [json.loads(reply.payload)["code"] for reply in agent.replies] == [200, 401]
        assert "door" in agent.control.desired.streams

    async def life() -> None:
        with Store(tmp_path) as store:
            await script(Agent(store, SIGNED, clock))

    asyncio.run(life())


def test_what_cannot_be_marked_is_not_done_but_questions_are_answered(tmp_path: Path) -> None:
    async def script(agent: Agent) -> None:
        with sqlite3.connect(tmp_path / "control.db") as database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON mark BEGIN SELECT RAISE(ABORT, 'full'); END"
            )
        database.close()
        for verb, args, code in (
            ("algorithm.restart", {"id": "m"}, 500),
            ("stream.remove", {"id": "door"}, 500),
            ("stream.remove", {"id": "none"}, 500),  # changes nothing, and yet its mark is not stored
            ("stream.resume", {"id": "door"}, 500),
            ("ping", None, 200),
        ):
            await agent.control.handle(signed(verb, args))
            assert json.loads(agent.replies[-1].payload)["code"] == code
        assert (agent.done, agent.told) == ([], [])

    play(tmp_path, script, SIGNED)
