"""The door for commands, with a real store behind it, and what must be true of each message that comes."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack

from agent.config.algorithms import AlgorithmConfig
from agent.config.keys import KeyConfig
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.config.tables import PathsConfig, SecurityConfig
from agent.contract import commands as c
from agent.contract.codec import MAX_DATA_BYTES
from agent.contract.codes import CODES
from agent.contract.decode import JSON_TYPE, MSGPACK_TYPE
from agent.contract.status import Reported, StreamState, StreamStatus
from agent.contract.topics import Topics
from agent.contract.verbs import VERBS
from agent.control.control import Control
from agent.control.desired import Desired
from agent.control.messages import CommandMessage, ReplyMessage
from agent.control.store import Store
from tests.signing import OPS, public

TOPICS = Topics("vedette/v1", "gate-7")
SETTINGS = Settings(
    streams=(StreamConfig(id="door", source="rtsp://admin:pa55word@10.0.0.5/1"),),
    algorithms=(AlgorithmConfig(id="movement", kind="motion", streams=("door",)),),
    security=SecurityConfig(
        commands_per_s=10_000,
        all_commands_per_s=10_000,
        source_hosts=("10.0.0.0/8", "camera.example.org"),
        keys={"ops": KeyConfig(public_key=public(OPS), verbs=("ping", "stream.*"))},
    ),
    paths=PathsConfig(state_dir=Path("/nowhere"), media_roots=(Path("/nowhere/media"),)),
)
Target = Callable[[bytes], None]
FOLDER_VARIABLE = "VEDETTE_TEST_FUZZ_FOLDER"
MAX_MESSAGES = 5000  # in one life of the door: then it begins anew, with nothing remembered
MAX_ITEMS = 40  # streams and algorithms, likewise
_CODECS: dict[str, Callable[[bytes], Any]] = {JSON_TYPE: json.loads, MSGPACK_TYPE: msgpack.unpackb}
_NOW_US = 1_790_000_000_000_000


class _Rest:
    """The rest of the agent, which takes everything: what it would refuse is tested elsewhere."""

    def reported(self) -> Reported:
        status = StreamStatus(id="door", state=StreamState.RUNNING, since=1, origin="file", source="rtsp://x")
        return Reported(revision=0, epoch=1, time=2, streams={"door": status})

    def config_shown(self) -> c.ConfigShown:
        return c.ConfigShown(file=None, config=SETTINGS.redacted())

    def pong(self) -> c.Pong:
        return c.Pong(version="1", epoch=1, time=2, uptime_s=3.0)

    def preview(self, command: c.PreviewStart | c.PreviewStop) -> c.Previewed:
        """Somebody looks, or does so no more."""
        assert command.viewer
        return c.Previewed(topic="", viewers=0, fps=0, max_width=0)

    async def take_snapshot(self, command: c.SnapshotTake, request_id: str) -> c.SnapshotTaken:
        assert command.stream
        assert request_id
        return c.SnapshotTaken(topic="t", width=1, height=1, bytes=1, frame=1, pts=0.0, time=1)

    async def restart_algorithm(self, algorithm: str) -> None:
        assert algorithm

    async def diagnose(self, command: c.Diag, request_id: str) -> c.Diagnosed:
        return c.Diagnosed(name=f"{request_id}-{command.to}", bytes=1, sha256="")

    async def set_log_level(self, command: c.LogSetLevel) -> c.LogLevelSet:
        return c.LogLevelSet(level=command.level)

    async def check_algorithm(self, config: AlgorithmConfig) -> None:
        json.dumps(config.params, allow_nan=False).encode()  # a worker gets them

    def check_load(self, before: Desired, after: Desired) -> str | None:
        return "much" if len(after.algorithms) > len(before.algorithms) else None

    async def check_fit(self, desired: Desired) -> None:
        assert desired.changes().revision == desired.revision


class _Hands:
    """Clocks that go on by a second with each message, so that no message comes too fast."""

    seconds = 0.0

    def now_us(self) -> int:
        return _NOW_US + int(self.seconds * 1e6)

    def monotonic_s(self) -> float:
        return self.seconds


class Door:
    """Takes messages one after the other; one that breaks a promise is an AssertionError, or its error."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def send(self, message: CommandMessage) -> dict[str, Any] | None:
        """The one reply to a message; None when it was refused without one, and counted."""
        desired = self._control.desired
        if self._sent >= MAX_MESSAGES or len(desired.streams) + len(desired.algorithms) >= MAX_ITEMS:
            self._shut()
            self._open()
        self._sent += 1
        self._clock.seconds += 1.0
        before, counted = self._control.desired, self._refused()
        self._loop.run_until_complete(self._control.handle(message))
        replies, self._replies[:] = self._replies[:], []
        refused = self._refused() - counted
        assert (len(replies), refused) in {(1, 0), (0, 1)}, (len(replies), refused)
        after = self._control.desired
        reply = self._checked(replies[0], message) if replies else None
        if reply is None or reply["code"] != 200:
            assert after is before, "a message that was refused has changed something"
        assert self._store.changes == after.changes() or after is before
        return reply

    @property
    def now_us(self) -> int:
        """The wall clock at which the next message comes."""
        return self._clock.now_us() + 1_000_000

    def _refused(self) -> int:
        """Messages that were counted instead of answered."""
        return sum(self._control.fates[fate] for fate in ("ignored", "flooded", "dropped"))

    def _checked(self, reply: ReplyMessage, message: CommandMessage) -> dict[str, Any]:
        assert len(reply.payload) <= MAX_DATA_BYTES
        tree: dict[str, Any] = _CODECS[reply.content_type](reply.payload)
        assert tree["code"] in CODES
        assert tree["code"] != 500, tree
        assert tree["ok"] is (tree["code"] < 300)
        assert tree["ok"] or tree["error"]
        assert tree["device"] == "gate-7"
        assert "pa55word" not in repr(tree)
        assert reply.correlation_data == message.correlation_data
        assert reply.topic in {message.response_topic, TOPICS.response}
        assert TOPICS.may_respond_to(reply.topic)
        assert not set("+#\0") & set(reply.topic)
        return tree

    def _open(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vedette-door-", dir=memory()))
        self._store = Store(self._folder, clock=(clock := _Hands()))
        self._store.__enter__()
        self._clock = clock
        self._sent = 0
        self._replies: list[ReplyMessage] = []
        rest = _Rest()
        self._control = Control(
            SETTINGS,
            self._store,
            TOPICS,
            views=rest,
            actions=rest,
            checks=rest,
            publish=self._replies.append,
            on_desired=lambda _desired: None,
            clock=clock,
            resolve=_resolve,
        )
        self._loop.run_until_complete(self._control.reload(SETTINGS))

    def _shut(self) -> None:
        self._store.__exit__(None, None, None)
        shutil.rmtree(self._folder)


def command(verb: str, payload: bytes, **fields: Any) -> CommandMessage:  # noqa: ANN401 - of the message
    """A message on the topic of a verb."""
    return CommandMessage(topic=f"vedette/v1/d/gate-7/cmd/{verb}", payload=payload, **fields)


def requests() -> list[tuple[str, dict[str, Any]]]:
    """A good request of each verb."""
    return [(name, {"id": f"r-{name}", "args": verb.example}) for name, verb in VERBS.items()]


async def _resolve(name: str) -> tuple[str, ...]:
    return ("10.0.0.9",) if len(name) % 2 else ("127.0.0.1",)


def memory() -> str | None:
    """The folder that a long run gives, so that no disk is worn out; None for the usual one."""
    return os.environ.get(FOLDER_VARIABLE)
