"""Windows on their way, against captures and workers that behave at random: none is lost, none is doubled."""

import asyncio
import random
import time
from collections import Counter

import pytest

from agent.frames import FrameFormat, free_bytes
from agent.ipc.message import Message
from agent.ipc.messages import Done, Filled, FrameRef, Lend, Release, Retire, Run, Want
from agent.schedule import Pair
from agent.supervise.dispatch import Dispatcher, Need

FORMAT = FrameFormat(64, 48, "gray8")
STREAMS = ("s0", "s1", "s2")
WORKERS = ("worker/a/0", "worker/a/1", "worker/b/0")


class World:
    """Plays every child: it keeps the slots and windows, and does what chance wants."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  it picks faults, not keys
        self.dispatcher = Dispatcher(self.post)
        self.wants: dict[str, dict[str, int]] = {stream: {} for stream in STREAMS}
        self.pools: dict[str, list[Lend]] = {stream: [] for stream in STREAMS}
        self.filled: Counter[int] = Counter()
        self.released: Counter[int] = Counter()
        self.given: dict[str, list[Run]] = {worker: [] for worker in WORKERS}
        self.mapped: dict[str, set[int]] = {worker: set() for worker in WORKERS}
        self.runs = 0

    def post(self, name: str, message: Message, fds: tuple[int, ...]) -> None:
        kind, _, stream = name.partition("/")
        match message:
            case Want(algorithm, ticket):
                self.wants[stream][algorithm] = ticket
            case Release(ticket):
                self.released[ticket] += 1
            case Lend() if kind == "capture":
                assert len(fds) == 1
                self.pools[stream].append(message)
            case Lend(pool):
                self.mapped[name].add(pool)
            case Retire(pool) if kind == "capture":
                self.pools[stream] = [lend for lend in self.pools[stream] if lend.pool != pool]
            case Retire(pool):
                self.mapped[name].discard(pool)
            case Run():
                assert not self.given[name], "a worker gets one window at a time"
                assert {frame.pool for frame in message.frames} <= self.mapped[name]
                self.given[name].append(message)

    def fill(self, stream: str) -> None:
        if not self.wants[stream] or not self.pools[stream]:
            return
        algorithm, ticket = self.wants[stream].popitem()
        now_ns = time.monotonic_ns()
        age_ns = self.chance.choice((0, 0, 0, 5_000_000_000))  # now and then one grows stale
        frame = FrameRef(self.pools[stream][0].pool, 0, 1, 0.0, 0, now_ns - age_ns)
        self.filled[ticket] += 1
        self.dispatcher.filled(stream, Filled(ticket, algorithm, 1, (frame,), 0, now_ns))

    def finish(self, worker: str) -> None:
        if self.given[worker]:
            self.runs += 1
            self.dispatcher.done(
                worker, Done(self.given[worker].pop().ticket, b"x", b"", 1_000_000, 1_000_000)
            )

    def die(self, worker: str) -> None:
        self.given[worker].clear()
        self.mapped[worker].clear()
        self.dispatcher.worker_gone(worker)

    def camera_dies(self, stream: str, pairs: set[Pair]) -> None:
        self.wants[stream].clear()
        self.pools[stream].clear()
        for pair in pairs:
            if pair.stream == stream:
                self.dispatcher.stream_gone(pair)


@pytest.mark.parametrize("seed", range(8))
def test_every_window_comes_back_exactly_once(seed: int) -> None:  # noqa: C901  a table of faults
    async def play() -> None:  # noqa: C901, PLR0912  as above
        world = World(seed)
        chance, dispatcher = world.chance, world.dispatcher
        pairs: set[Pair] = set()
        for worker in WORKERS:
            dispatcher.add_worker(worker)
        for _ in range(3000):
            match chance.randrange(12):
                case 0:
                    pair = Pair(chance.choice(STREAMS), chance.choice("ab"))
                    if pair not in pairs:
                        workers = tuple(name for name in WORKERS if f"/{pair.algorithm}/" in name)
                        dispatcher.add_pair(pair, workers, Need(2, 0.0))
                        pairs.add(pair)
                case 1 if pairs and chance.random() < 0.3:
                    pair = chance.choice(sorted(pairs))
                    pairs.discard(pair)
                    world.wants[pair.stream].pop(pair.algorithm, None)
                    dispatcher.remove_pair(pair)
                case 2 if chance.random() < 0.3:
                    world.die(chance.choice(WORKERS))
                case 3 if chance.random() < 0.3:
                    world.camera_dies(chance.choice(STREAMS), pairs)
                case 4 | 5 if pairs:
                    dispatcher.set_format(chance.choice(sorted(pairs)), FORMAT)
                case 6:
                    worker = chance.choice(WORKERS)
                    if not world.given[worker]:
                        dispatcher.worker_ready(worker)
                case 7 | 8 | 9:
                    world.fill(chance.choice(STREAMS))
                case _:
                    world.finish(chance.choice(WORKERS))
        assert world.runs > 100
        for pair in sorted(pairs):
            dispatcher.remove_pair(pair)
        for worker in WORKERS:
            world.die(worker)
        assert set(world.filled.values()) == {1}
        assert world.released == world.filled
        assert dispatcher.lent_bytes() == 0
        dispatcher.close()

    free = free_bytes()
    asyncio.run(play())
    assert free_bytes() >= free - (64 << 20)
