"""The site under test: an agent, the broker, two cameras, rogues, and somebody who hears everything."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.broker import Mosquitto
from tests.camera import RtspCamera
from tests.chaos.ground import HERE, STATE, Ground
from tests.chaos.judge import Accepted, Durability, End, Gap, Heard, Killed
from tests.chaos.kinds import MEMORY_MAX, SOURCE, Orders
from tests.chaos.relay import Relay
from tests.clock import Clock
from tests.system.agent_process import AgentProcess
from tests.video import encode
from tests.watcher import Watcher

ROOT = Path(__file__).parents[2]
CHILDREN_LIMIT_S = 10.0  # the kernel kills them when the agent is gone
REST_LIMIT_S = 90.0  # the longest back-off is a minute
HONEST = ("each", "pairs")
STREAMS = ("door", "yard")


class Site:
    """Everything that runs; `with` starts it and ends it. `restless`: back-offs are short."""

    def __init__(self, folder: Path, durability: Durability, *, restless: bool = False) -> None:
        self.folder = folder
        self.durability = durability
        self.kills: list[Killed] = []
        self.ended_by_itself: list[str] = []
        self.left_by_kills: list[str] = []
        self.wrong_replies: list[str] = []
        self.burst = False  # of commands, the large one
        self.starts = 0
        self._down = False  # on purpose
        self._restless = restless
        self._lifetime = ExitStack()
        self.ground: Ground
        self.broker: Mosquitto
        self.relay: Relay
        self.cameras: tuple[RtspCamera, ...]
        self.clock: Clock
        self.watcher: Watcher
        self.agent: AgentProcess
        self.orders: Orders

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.ground = stack.enter_context(Ground())
            self.broker = stack.enter_context(Mosquitto(self.folder / "mosquitto"))
            self.relay = stack.enter_context(Relay(HERE, lambda: self.broker.port))
            clip = encode(self.folder / "clip.mp4", width=160, height=120, frames=50, gop=10)
            self.cameras = tuple(stack.enter_context(RtspCamera(clip, host=HERE)) for _ in STREAMS)
            self.clock = stack.enter_context(Clock(self.folder / "clock"))
            self.orders = Orders(self.folder)
            self.agent = AgentProcess(
                self.folder,
                self.relay.url,
                environment=self._environment(),
                program=("-m", "tests.chaos.launched"),
                inside=self.ground.inside,
            )
            self.agent.state = STATE
            self.agent.add_kind("kinds", SOURCE)
            self.configure()
            self.watcher = stack.enter_context(Watcher(self.broker.url, self.agent.device))
            stack.callback(self._end)
            self._start()
            self._lifetime = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lifetime.__exit__(kind, error, trace)

    def configure(self, *, streams: bool = True) -> None:
        """Write agent.toml; without `streams` there is nothing to do but to send what is left."""
        door, yard = self.cameras
        listed = [
            {"id": "door", "source": door.url, "read_timeout_s": 2.0, "open_timeout_s": 5.0},
            {"id": "yard", "source": yard.url, "read_timeout_s": 2.0, "open_timeout_s": 5.0, "fps": 10},
        ]
        honest: dict[str, Any] = {"kind": "Counted", "streams": list(STREAMS), "restarts_per_hour": 3600}
        rogue = {
            "id": "rogue",
            "kind": "Rogue",
            "streams": ["yard"],
            "interval": 0.2,
            "timeout_s": 1.0,
            "memory_max": MEMORY_MAX,
            "restarts_per_hour": 3600,
            "params": self.orders.params,
        }
        each = honest | {"id": "each", "interval": 0}
        pairs = honest | {"id": "pairs", "interval": 0.2, "frame_count": 2, "timeout_s": 5.0}
        self.agent.configure(
            listed if streams else [],
            [each, pairs, rogue] if streams else [],
            broker={"url": self.relay.url, "protocol": "5"},
            delivery={"durability": self.durability},
            security={"commands_per_s": 10_000, "all_commands_per_s": 10_000},
        )

    # --- the agent ---

    def keep(self) -> None:
        """What an init system does: an agent that has ended without being told to is started again."""
        if not self._down and self.agent.process.poll() is not None:
            self.ended_by_itself.append(f"exit code {self.agent.process.returncode}")
            self.kills.append(Killed(time.monotonic_ns()))
            self._start()

    def pass_until(self, at_s: float) -> None:
        """Let time pass, to a moment of the monotonic clock, and look after the agent."""
        while (left_s := at_s - time.monotonic()) > 0:
            self.keep()
            time.sleep(min(left_s, 0.05))

    @contextmanager
    def agent_killed(self) -> Iterator[None]:
        """Kill it with all that it has; it is started again at the end of the block."""
        self._down = True
        family = self.agent.children()
        self.agent.process.kill()
        at_ns = time.monotonic_ns()
        self.agent.process.wait()
        _, left = psutil.wait_procs(family, CHILDREN_LIMIT_S)
        self.kills.append(Killed(at_ns, saved=self.saved()))
        self.left_by_kills += [repr(child) for child in left]
        try:
            yield
        finally:
            self._start()

    def stop(self) -> int:
        """End it in good order; the exit code."""
        self._down = True
        return self.agent.terminate()

    def restart(self) -> None:
        """Start it again after `stop`."""
        self._start()

    def child(self, name: str) -> psutil.Process:
        """One of its processes; psutil.NoSuchProcess when there is none."""
        found = self.agent.children(f"vd:{name}")
        if not found:
            raise psutil.NoSuchProcess(0, name)
        return found[0]

    def state(self) -> dict[str, Any]:
        """The agent's answer to `state.get`."""
        data: dict[str, Any] = self.watcher.call("state.get", timeout_s=30.0)["data"]
        return data

    def rest(self) -> None:
        """Wait until every honest algorithm gives results of every stream again."""
        since = len(self.watcher.messages)
        deadline_s = time.monotonic() + REST_LIMIT_S
        for stream in STREAMS:
            for algorithm in HONEST:
                left_s = max(1.0, deadline_s - time.monotonic())
                self.watcher.wait_for_results(2, left_s, stream=stream, algorithm=algorithm, since=since)

    # --- the books ---

    def accepted(self) -> list[Accepted]:
        """What delivery was handed, by the ledger, in order."""
        path = self._ledger
        if not path.exists():
            return []
        rows = [line.split() for line in path.read_text("ascii").splitlines()]
        return [Accepted(int(epoch), int(seq), int(at_ns)) for epoch, seq, at_ns in rows]

    def heard(self) -> list[Heard]:
        """What the subscriber has got, in order."""
        found = []
        for message in self.watcher.matching(f"d/{self.agent.device}/s/+/a/+/result"):
            result = message.document
            data = result["data"]
            origin = f"{data['life']}/{data['count']}" if "life" in data else None
            content = hash((message.topic, message.payload))
            found.append(Heard(result["epoch"], result["seq"], content, origin))
        return found

    def saved(self) -> frozenset[tuple[int, int]]:
        """Results in the spool of an agent that is not running."""
        query = "SELECT epoch, seq FROM messages WHERE epoch IS NOT NULL AND seq IS NOT NULL"
        return frozenset((epoch, seq) for epoch, seq in self._spooled(query))

    def gaps(self) -> list[Gap]:
        """What the agent tells subscribers that it has dropped."""
        told = self._told()["gaps"]
        return [Gap(gap["epoch"], gap["first"], gap["last"], gap["reason"]) for gap in told]

    def ends(self) -> list[End]:
        """Where, as the agent tells subscribers, its epochs have ended."""
        told = self._told()["epochs"]
        return [End(end["epoch"], end["last"], exact=end["exact"]) for end in told]

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = self.watcher.latest(f"d/{self.agent.device}/gaps") or {
            "gaps": [],
            "epochs": [],
        }
        return told

    def temporary(self) -> list[str]:
        """Files in the agent's temporary folder."""
        return sorted(path.name for path in self._tmp.iterdir())

    def _spooled(self, query: str) -> list[Any]:
        spool = STATE / "spool.sqlite3"
        if not spool.exists():
            return []
        # A copy, so that the agent finds what it left, and not what somebody has tidied up.
        copy = self.folder / "copy.sqlite3"
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
            if Path(f"{spool}{suffix}").exists():
                shutil.copy(f"{spool}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as database:
            return database.execute(query).fetchall()

    @property
    def _ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def _tmp(self) -> Path:
        return self.folder / "tmp"

    def _environment(self) -> dict[str, str]:
        self._tmp.mkdir()
        environment = {
            **self.clock.environment,
            "TMPDIR": str(self._tmp),
            "CHAOS_LEDGER": str(self._ledger),
        }
        if self._restless:
            environment["SHIFTED_PATIENCE_S"] = "0.02"
        return environment

    def _start(self) -> None:
        self.agent.start()
        self.starts += 1
        self._down = False

    def _end(self) -> None:
        self._down = True
        self.agent.kill()
        kept = os.environ.get("CHAOS_KEEP")
        if kept is not None:
            name = f"{self.durability}{'-restless' if self._restless else ''}.log"
            (Path(kept) / name).write_text(self.agent.log(), "utf-8")
