"""When to ask for a window, and which window a free worker takes."""

import bisect
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

SLACK_NS = 50_000_000  # a window may wait this long for its worker; decoding it comes on top, as measured
LATE_NS = 200_000_000  # a stream that does not fill a window this long after it was due holds up no other
FIRST_GUESS_NS = 1_000_000  # run time of an algorithm that has not run yet
_SMOOTHING = 0.2  # share of the newest run in the mean run time


class Pair(NamedTuple):
    """One algorithm on one stream."""

    stream: str
    algorithm: str


class Next(Enum):
    """Where the next window of a pair is."""

    IDLE = "idle"  # not asked for
    ASKED = "asked"  # the capture process fills it when it is due
    FILLED = "filled"  # it waits for its worker


@dataclass(slots=True)
class _Row:
    due_ns: int  # when the next window is due, or has been since
    after_ns: int = 0  # when the one after a filled window is due
    next: Next = Next.IDLE
    asked_ns: int = 0
    live: bool = False  # the stream gives frames


class _Queue:
    """Rows in the order in which they are due."""

    def __init__(self) -> None:
        self._order: list[tuple[int, Pair]] = []

    def __iter__(self) -> Iterator[tuple[int, Pair]]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def first(self) -> Pair:
        """The most overdue."""
        return self._order[0][1]

    def add(self, pair: Pair, row: _Row) -> None:
        bisect.insort(self._order, (row.due_ns, pair))

    def remove(self, pair: Pair, row: _Row) -> None:
        del self._order[bisect.bisect_left(self._order, (row.due_ns, pair))]


@dataclass(slots=True)
class _Crew:
    """One worker and the pairs that it serves; each row of a live stream is in the queue of its state."""

    rows: dict[Pair, _Row] = field(default_factory=dict)
    idle: _Queue = field(default_factory=_Queue)
    asked: _Queue = field(default_factory=_Queue)
    filled: _Queue = field(default_factory=_Queue)
    ready: bool = False
    busy: bool = False
    began_ns: int = 0
    run_ns: float = 0.0  # mean; 0: has not run yet
    fill_ns: float = 0.0  # mean time from when a window was due, or asked for if later, to when it is there

    @property
    def cost_ns(self) -> float:
        return self.run_ns or FIRST_GUESS_NS

    @property
    def slack_ns(self) -> float:
        """So long before its worker is free a window is asked for."""
        return SLACK_NS + self.fill_ns

    def free_ns(self, now_ns: int) -> float:
        """When the worker is expected to be free."""
        return max(now_ns, self.began_ns + self.cost_ns) if self.busy else now_ns

    def queue(self, row: _Row) -> _Queue | None:
        """Where the row is; None for one that waits for its stream."""
        match row.next:
            case Next.IDLE:
                return self.idle if row.live else None
            case Next.ASKED:
                return self.asked
            case Next.FILLED:
                return self.filled

    def move(
        self, pair: Pair, row: _Row, to: Next, *, due_ns: int | None = None, live: bool | None = None
    ) -> None:
        """Change a row, and the queue that it is in."""
        if (before := self.queue(row)) is not None:
            before.remove(pair, row)
        row.next = to
        row.due_ns = row.due_ns if due_ns is None else due_ns
        row.live = row.live if live is None else live
        if (after := self.queue(row)) is not None:
            after.add(pair, row)

    def in_turn(self, now_ns: int) -> Iterator[tuple[int, Pair]]:
        """What the worker still has to do, in the order in which it is due; without streams that are late."""
        for due_ns, pair in heapq.merge(self.asked, self.filled):
            row = self.rows[pair]
            if row.next is Next.FILLED or now_ns - max(due_ns, row.asked_ns) < LATE_NS:
                yield due_ns, pair


class Scheduler:
    """Bookkeeping of pairs, workers and windows; the caller carries out what it answers.

    Times are CLOCK_MONOTONIC in nanoseconds. A pair belongs to one worker, so that what an algorithm
    remembers of a stream stays in one place; with several workers pairs are spread evenly.
    """

    def __init__(self) -> None:
        self._crews: dict[str, _Crew] = {}
        self._worker_of: dict[Pair, str] = {}

    # --- who is there ---

    def add_worker(self, worker: str) -> None:
        """A worker that is not ready yet."""
        self._crews[worker] = _Crew()

    def remove_worker(self, worker: str) -> tuple[Pair, ...]:
        """The worker is no longer wanted; its pairs go with it, and are returned."""
        pairs = tuple(self._crews.pop(worker).rows)
        for pair in pairs:
            del self._worker_of[pair]
        return pairs

    def set_ready(self, worker: str, *, ready: bool) -> None:
        """The worker can take windows; or it is gone and may be back: the windows it was to get are lost."""
        crew = self._crews[worker]
        crew.ready, crew.busy = ready, False
        if not ready:
            for _, pair in list(crew.filled):
                crew.move(pair, crew.rows[pair], Next.IDLE)

    def add_pair(self, pair: Pair, workers: tuple[str, ...], now_ns: int) -> str:
        """A pair, due now and not live yet; returns its worker, the one with the fewest pairs."""
        worker = min(workers, key=lambda name: len(self._crews[name].rows))
        self._crews[worker].rows[pair] = _Row(due_ns=now_ns)
        self._worker_of[pair] = worker
        return worker

    def remove_pair(self, pair: Pair) -> None:
        """The pair is no longer wanted; its worker may still be at its last window."""
        crew = self._crews[self._worker_of.pop(pair)]
        row = crew.rows.pop(pair)
        if (queue := crew.queue(row)) is not None:
            queue.remove(pair, row)

    def set_live(self, pair: Pair, now_ns: int, *, live: bool) -> None:
        """The stream gives frames, or none for now: what was asked of it is lost."""
        crew, row = self._find(pair)
        lost = row.next is Next.ASKED and not (live and row.live)
        to = Next.IDLE if lost else row.next
        crew.move(pair, row, to, due_ns=max(row.due_ns, now_ns), live=live)

    def worker_of(self, pair: Pair) -> str | None:
        """The worker of a pair; None for a pair that is not known."""
        return self._worker_of.get(pair)

    def workers(self) -> tuple[str, ...]:
        """All workers that are known."""
        return tuple(self._crews)

    def pairs_of(self, worker: str) -> tuple[Pair, ...]:
        """The pairs that a worker serves."""
        return tuple(self._crews[worker].rows)

    # --- what happens to windows ---

    def asks(self, worker: str, now_ns: int) -> list[Pair]:
        """The pairs of a worker whose next window is to be asked for now, the most overdue first.

        A window is asked for when its worker, after all that is due before it, will get to it within
        SLACK_NS of its due time and of the time that windows take to be decoded and filled. The pairs
        returned count as asked.
        """
        crew = self._crews[worker]
        if not crew.ready or not crew.idle:
            return []
        free_ns = crew.free_ns(now_ns)
        cost_ns = crew.cost_ns
        if (
            free_ns - now_ns + cost_ns * (len(crew.idle) + len(crew.asked) + len(crew.filled))
            <= crew.slack_ns
        ):
            asks = [pair for _, pair in crew.idle]  # whatever comes first, the worker gets to each in time
        else:
            asks = self._fitting(crew, free_ns, now_ns)
        for pair in asks:
            row = crew.rows[pair]
            row.asked_ns = now_ns
            crew.move(pair, row, Next.ASKED)
        return asks

    def _fitting(self, crew: _Crew, free_ns: float, now_ns: int) -> list[Pair]:
        """The idle pairs that the worker gets to in time, after all that is due before them."""
        cost_ns = crew.cost_ns
        asks: list[Pair] = []
        before = crew.in_turn(now_ns)
        ahead = next(before, None)
        for idle_ns, pair in crew.idle:
            while ahead is not None and ahead <= (idle_ns, pair):
                free_ns = max(free_ns, ahead[0]) + cost_ns
                ahead = next(before, None)
            due_ns = max(idle_ns, now_ns)
            start_ns = max(free_ns, due_ns)
            if start_ns - due_ns <= crew.slack_ns:
                asks.append(pair)
                free_ns = start_ns + cost_ns
        return asks

    def next_ask_ns(self, worker: str, now_ns: int) -> int | None:
        """When `asks` may answer otherwise although nothing has happened; None: not before something does."""
        crew = self._crews[worker]
        if not crew.ready or not crew.idle:
            return None
        times = [max(due_ns, crew.rows[pair].asked_ns) + LATE_NS for due_ns, pair in crew.asked]
        if crew.busy:
            times.append(int(crew.began_ns + crew.cost_ns - crew.slack_ns))
        return min((time_ns for time_ns in times if time_ns > now_ns), default=None)

    def unasked(self, pair: Pair) -> None:
        """What was asked for came to nothing: it is to be asked for again."""
        crew, row = self._find(pair)
        crew.move(pair, row, Next.IDLE)

    def filled(self, pair: Pair, next_due_ns: int, now_ns: int) -> None:
        """The window that was asked for is there; the one after it is due at `next_due_ns`."""
        crew, row = self._find(pair)
        took_ns = min(LATE_NS, max(0, now_ns - max(row.due_ns, row.asked_ns)))
        crew.fill_ns += _SMOOTHING * (took_ns - crew.fill_ns)
        crew.move(pair, row, Next.FILLED)
        row.after_ns = next_due_ns

    def take(self, worker: str, now_ns: int) -> Pair | None:
        """The pair whose window the worker is to run now, the most overdue; the worker counts as busy."""
        crew = self._crews[worker]
        if not crew.ready or crew.busy or not crew.filled:
            return None
        pair = crew.filled.first()
        row = crew.rows[pair]
        crew.move(pair, row, Next.IDLE, due_ns=row.after_ns)
        crew.busy, crew.began_ns = True, now_ns
        return pair

    def done(self, worker: str, run_ns: int) -> None:
        """The worker is through with its window."""
        crew = self._crews[worker]
        crew.busy = False
        crew.run_ns = run_ns if crew.run_ns == 0 else crew.run_ns + _SMOOTHING * (run_ns - crew.run_ns)

    def unused(self, worker: str) -> None:
        """The window just taken was thrown away: the worker is still free."""
        self._crews[worker].busy = False

    def mean_run_ns(self, worker: str) -> float:
        """The mean run time of a worker's algorithm, over the last few runs; 0: none yet."""
        return self._crews[worker].run_ns

    def _find(self, pair: Pair) -> tuple[_Crew, _Row]:
        crew = self._crews[self._worker_of[pair]]
        return crew, crew.rows[pair]
