"""Windows on their way: asked of capture processes, handed to workers, given back.

Every window that was handed out comes back exactly once, whoever dies on the way.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.frames import FrameFormat
from agent.ipc.message import Message
from agent.ipc.messages import Done, Failed, Filled, FrameRef, Release, Run, Want
from agent.schedule import Pair, Scheduler
from agent.supervise.pools import Pools

STALE_NS = 1_000_000_000  # a window older than this, and than its interval, is thrown away unrun


@dataclass(frozen=True, slots=True)
class Window:
    """A filled window."""

    ticket: int
    pair: Pair
    frames: tuple[FrameRef, ...]
    pools: set[int]
    skipped: int
    began_ns: int = 0  # when its worker got it


@dataclass(frozen=True, slots=True)
class Need:
    """What a pair needs of its stream."""

    frame_count: int
    interval_s: float


class Dispatcher:
    """Moves windows from streams to workers; `post` sends a message to a child by name."""

    def __init__(self, post: Callable[[str, Message, tuple[int, ...]], None]) -> None:
        self._post = post
        self._scheduler = Scheduler()
        self._pools = Pools(post)
        self._tickets = itertools.count(1)
        self._needs: dict[Pair, Need] = {}
        self._asked: dict[int, Pair] = {}
        self._filled: dict[Pair, Window] = {}
        self._running: dict[str, Window] = {}
        self._skipped: dict[Pair, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def close(self) -> None:
        """All children are gone."""
        for timer in self._timers.values():
            timer.cancel()
        self._pools.close()

    # --- workers ---

    def add_worker(self, worker: str) -> None:
        """A worker is wanted."""
        self._scheduler.add_worker(worker)

    def remove_worker(self, worker: str) -> None:
        """A worker is wanted no more; its pairs have to be added again for others."""
        for pair in self._scheduler.remove_worker(worker):
            self._forget(pair)
        if timer := self._timers.pop(worker, None):
            timer.cancel()

    def worker_ready(self, worker: str) -> None:
        """`init()` is through."""
        self._scheduler.set_ready(worker, ready=True)
        self._move(worker)

    def worker_gone(self, worker: str, *, hold: bool = False) -> Window | None:
        """The process is gone; returns the window that it was at. `hold`: it stays until `let_go`."""
        self._pools.worker_gone(worker)
        window = self._running.pop(worker, None)
        if window is not None:
            if not hold:
                self.let_go(window)
            self._skipped[window.pair] = self._skipped.get(window.pair, 0) + window.skipped + 1
        self.worker_stops(worker)
        return window

    def worker_stops(self, worker: str) -> None:
        """The worker takes no more windows; the one that it is at may still be done."""
        if worker in self._scheduler.workers():
            for pair in self._scheduler.pairs_of(worker):
                if waiting := self._filled.pop(pair, None):
                    self._skip(waiting)
            self._scheduler.set_ready(worker, ready=False)

    def let_go(self, window: Window) -> None:
        """Nobody needs the frames of a window that its worker left behind."""
        self._give_back(window, used=True)

    def size_of(self, window: Window) -> int:
        """Bytes of a window's frames."""
        return sum(self._pools.frame_bytes(frame.pool) for frame in window.frames)

    def lends(self, window: Window) -> list[tuple[Message, tuple[int, ...]]]:
        """What a process has to be told to read the frames of a window."""
        return self._pools.lends(window.pools)

    def running_ns(self, worker: str, now_ns: int) -> int:
        """For how long a worker has been at its window; 0 when it has none."""
        window = self._running.get(worker)
        return now_ns - window.began_ns if window is not None else 0

    def mean_run_ms(self, worker: str) -> float:
        """The mean run time, over the last few runs; 0: none yet."""
        return self._scheduler.mean_run_ns(worker) / 1e6

    # --- pairs ---

    def add_pair(self, pair: Pair, workers: tuple[str, ...], need: Need) -> str:
        """An algorithm is to run on a stream, once `set_format` is called; returns its worker."""
        self._needs[pair] = need
        return self._scheduler.add_pair(pair, workers, time.monotonic_ns())

    def remove_pair(self, pair: Pair) -> None:
        """An algorithm runs on a stream no more."""
        self._scheduler.remove_pair(pair)
        self._forget(pair)

    def set_format(self, pair: Pair, frame_format: FrameFormat) -> None:
        """The stream is open and the size of its frames known: lend it slots. Raises NoRoomError."""
        need = self._needs[pair]
        self._pools.provide(pair, frame_format, need.frame_count)
        self._scheduler.set_live(pair, time.monotonic_ns(), live=True)
        self._move(self._worker(pair))

    def stream_gone(self, pair: Pair) -> None:
        """The capture process is gone: what was asked of it is lost, what it filled is not."""
        self._pools.take_back(pair)
        self.stream_silent(pair)

    def stream_silent(self, pair: Pair) -> None:
        """The stream gives no frames for now."""
        self._scheduler.set_live(pair, time.monotonic_ns(), live=False)
        self._asked = {ticket: asked for ticket, asked in self._asked.items() if asked != pair}

    def worker_of(self, pair: Pair) -> str | None:
        """The worker that serves a pair."""
        return self._scheduler.worker_of(pair)

    def workers(self) -> tuple[str, ...]:
        """The workers that are wanted."""
        return self._scheduler.workers()

    def pairs_of(self, worker: str) -> tuple[Pair, ...]:
        """The pairs that a worker serves."""
        return self._scheduler.pairs_of(worker)

    def lent_bytes(self) -> int:
        """Shared memory in use."""
        return self._pools.lent_bytes()

    def segments(self) -> list[dict[str, object]]:
        """The same, piece by piece, for people."""
        return self._pools.segments()

    # --- windows ---

    def filled(self, stream: str, message: Filled) -> None:
        """A capture process filled a window that was asked for."""
        pair = self._asked.pop(message.ticket, None)
        if pair is None:  # asked for by a pair that is gone, or that has given up on it
            self._post(f"capture/{stream}", Release(message.ticket, used=False), ())
            return
        pools = {frame.pool for frame in message.frames}
        if not self._pools.has(pools):  # shared with an algorithm that went while this was on its way
            self._post(f"capture/{stream}", Release(message.ticket, used=False), ())
            self._scheduler.unasked(pair)
            self._move(self._worker(pair))
            return
        self._pools.window_out(pools)
        self._filled[pair] = Window(message.ticket, pair, message.frames, pools, message.skipped)
        self._scheduler.filled(pair, message.next_due_ns, time.monotonic_ns())
        self._move(self._worker(pair))

    def done(self, worker: str, message: Done | Failed) -> Window | None:
        """A worker is through with its window, which is returned, with all that was skipped before it."""
        window = self._running.get(worker)
        if window is None or window.ticket != message.ticket:
            return None
        del self._running[worker]
        self._give_back(window, used=True)
        if worker in self._scheduler.workers():
            self._scheduler.done(worker, message.run_ns)
            self._move(worker)
        return window

    def _move(self, worker: str) -> None:
        """Hand the worker a window, and ask for the next ones."""
        now_ns = time.monotonic_ns()
        while (pair := self._scheduler.take(worker, now_ns)) is not None:
            window = self._filled.pop(pair)
            if self._is_stale(window, now_ns):
                self._skip(window)
                self._scheduler.unused(worker)
                continue
            self._pools.lend_to(worker, window.pools)
            skipped = window.skipped + self._skipped.pop(pair, 0)
            self._running[worker] = Window(window.ticket, pair, window.frames, window.pools, skipped, now_ns)
            self._post(worker, Run(window.ticket, pair.stream, window.frames), ())
        for pair in self._scheduler.asks(worker, now_ns):
            ticket = next(self._tickets)
            self._asked[ticket] = pair
            self._post(f"capture/{pair.stream}", Want(pair.algorithm, ticket), ())
        self._wake_later(worker, now_ns)

    def _wake_later(self, worker: str, now_ns: int) -> None:
        if timer := self._timers.pop(worker, None):
            timer.cancel()
        at_ns = self._scheduler.next_ask_ns(worker, now_ns)
        if at_ns is not None:
            delay_s = (at_ns - now_ns) / 1e9
            self._timers[worker] = asyncio.get_running_loop().call_later(delay_s, self._move, worker)

    def _is_stale(self, window: Window, now_ns: int) -> bool:
        limit_ns = max(STALE_NS, int(self._needs[window.pair].interval_s * 1e9))
        return now_ns - window.frames[-1].mono_ns > limit_ns

    def _skip(self, window: Window) -> None:
        """A filled window that nobody will run on."""
        self._skipped[window.pair] = self._skipped.get(window.pair, 0) + window.skipped + 1
        self._give_back(window, used=False)

    def _give_back(self, window: Window, *, used: bool) -> None:
        self._post(f"capture/{window.pair.stream}", Release(window.ticket, used), ())
        self._pools.window_back(window.pools)

    def _forget(self, pair: Pair) -> None:
        self._asked = {ticket: asked for ticket, asked in self._asked.items() if asked != pair}
        if window := self._filled.pop(pair, None):
            self._give_back(window, used=False)
        self._pools.take_back(pair)
        self._skipped.pop(pair, None)
        self._needs.pop(pair, None)

    def _worker(self, pair: Pair) -> str:
        worker = self._scheduler.worker_of(pair)
        assert worker is not None  # noqa: S101  only known pairs get here
        return worker
