"""The shared memory that is lent to one stream's algorithms, and when it can be given up.

Invariant: a segment is closed once nobody reads from it any more; until then its slots stay as they are.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.frames import FrameFormat, Segment, allocate
from agent.ipc.message import Message
from agent.ipc.messages import Lend, Retire
from agent.schedule import Pair

WINDOWS_PER_PAIR = 2  # one that runs, and one that was asked for

Post = Callable[[str, Message, tuple[int, ...]], None]


@dataclass(slots=True, eq=False)
class Pool:
    """Slots of one format, made for one pair; other algorithms of the stream may share what is in them."""

    number: int
    pair: Pair
    format: FrameFormat
    count: int
    segment: Segment
    readers: set[str] = field(default_factory=set)  # workers that have it mapped
    windows: int = 0  # windows that are out and have frames in it
    retired: bool = False

    @property
    def lend(self) -> Lend:
        """The message that goes with the segment's descriptor."""
        return Lend(self.number, self.format.width, self.format.height, self.format.pixel_format, self.count)


class Pools:
    """All segments that the agent has lent."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._numbers = itertools.count(1)
        self._pools: dict[int, Pool] = {}

    def close(self) -> None:
        """Give up everything: the children are gone."""
        for pool in self._pools.values():
            pool.segment.close()
        self._pools.clear()

    def provide(self, pair: Pair, frame_format: FrameFormat, frame_count: int) -> bool:
        """Lend the capture process what windows of `pair` need; whether that was new. Raises NoRoomError."""
        count = frame_count * WINDOWS_PER_PAIR
        for pool in self._of(pair):
            if pool.format == frame_format and pool.count == count:
                return False
            self._retire(pool)
        segment = allocate(
            frame_format.slot_bytes * count,
            purpose=f"algorithm {pair.algorithm!r} on stream {pair.stream!r} ({count} frames of "
            f"{frame_format.width}x{frame_format.height} {frame_format.pixel_format})",
        )
        pool = Pool(next(self._numbers), pair, frame_format, count, segment)
        self._pools[pool.number] = pool
        self._post(f"capture/{pair.stream}", pool.lend, (segment.fd,))
        return True

    def take_back(self, pair: Pair) -> None:
        """The pair is gone, or its capture process: its slots are not written again."""
        for pool in self._of(pair):
            self._retire(pool)

    def lend_to(self, worker: str, numbers: set[int]) -> None:
        """Let a worker read these pools, if it does not yet."""
        for number in numbers:
            pool = self._pools[number]
            if worker not in pool.readers:
                pool.readers.add(worker)
                self._post(worker, pool.lend, (pool.segment.fd,))

    def frame_bytes(self, number: int) -> int:
        """Bytes of a frame in this pool."""
        return self._pools[number].format.frame_bytes

    def lends(self, numbers: set[int]) -> list[tuple[Message, tuple[int, ...]]]:
        """The messages, with descriptors, that let somebody read these pools for a moment."""
        pools = [self._pools[number] for number in sorted(numbers)]
        return [(pool.lend, (pool.segment.fd,)) for pool in pools]

    def worker_gone(self, worker: str) -> None:
        """Its mappings went with it."""
        for pool in self._pools.values():
            pool.readers.discard(worker)

    def has(self, numbers: set[int]) -> bool:
        """Whether none of these pools was given up meanwhile."""
        return numbers <= self._pools.keys()

    def window_out(self, numbers: set[int]) -> None:
        """A window with frames in these pools is out."""
        for number in numbers:
            self._pools[number].windows += 1

    def window_back(self, numbers: set[int]) -> None:
        """A window is back."""
        for number in numbers:
            pool = self._pools[number]
            pool.windows -= 1
            self._drop_if_idle(pool)

    def lent_bytes(self) -> int:
        """Shared memory in use."""
        return sum(pool.segment.size_bytes for pool in self._pools.values())

    def segments(self) -> list[dict[str, object]]:
        """What is lent to whom, for people."""
        return [
            {
                "number": pool.number,
                "stream": pool.pair.stream,
                "algorithm": pool.pair.algorithm,
                "format": f"{pool.format.width}x{pool.format.height} {pool.format.pixel_format}",
                "slots": pool.count,
                "bytes": pool.segment.size_bytes,
                "fd": pool.segment.fd,
                "readers": sorted(pool.readers),
                "windows": pool.windows,
                "retired": pool.retired,
            }
            for pool in self._pools.values()
        ]

    def _of(self, pair: Pair) -> list[Pool]:
        return [pool for pool in self._pools.values() if pool.pair == pair and not pool.retired]

    def _retire(self, pool: Pool) -> None:
        pool.retired = True
        self._post(f"capture/{pool.pair.stream}", Retire(pool.number), ())
        self._drop_if_idle(pool)

    def _drop_if_idle(self, pool: Pool) -> None:
        if pool.retired and pool.windows == 0:
            for worker in pool.readers:
                self._post(worker, Retire(pool.number), ())
            pool.segment.close()
            del self._pools[pool.number]
