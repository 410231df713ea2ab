"""When to ask for a window, and which window a free worker takes."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

SLACK_NS = 50_000_000  # a window may wait this long for its worker: it hides the way from and to the camera
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


@dataclass(slots=True)
class _Crew:
    """One worker and the pairs that it serves."""

    rows: dict[Pair, _Row] = field(default_factory=dict)
    ready: bool = False
    busy: bool = False
    began_ns: int = 0
    run_ns: float = 0.0  # mean; 0: has not run yet

    @property
    def cost_ns(self) -> float:
        return self.run_ns or FIRST_GUESS_NS

    def free_ns(self, now_ns: int) -> float:
        """When the worker is expected to be free."""
        return max(now_ns, self.began_ns + self.cost_ns) if self.busy else now_ns


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
            for row in crew.rows.values():
                if row.next is Next.FILLED:
                    row.next = Next.IDLE

    def add_pair(self, pair: Pair, workers: tuple[str, ...], now_ns: int) -> str:
        """A pair, due now and not live yet; returns its worker, the one with the fewest pairs."""
        worker = min(workers, key=lambda name: len(self._crews[name].rows))
        self._crews[worker].rows[pair] = _Row(due_ns=now_ns)
        self._worker_of[pair] = worker
        return worker

    def remove_pair(self, pair: Pair) -> None:
        """The pair is no longer wanted; its worker may still be at its last window."""
        del self._crews[self._worker_of.pop(pair)].rows[pair]

    def set_live(self, pair: Pair, now_ns: int, *, live: bool) -> None:
        """The stream gives frames, or none for now: what was asked of it is lost."""
        row = self._row(pair)
        if row.next is Next.ASKED:
            row.next = Next.IDLE
        row.live = live
        row.due_ns = max(row.due_ns, now_ns)

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
        SLACK_NS of its due time. The pairs returned count as asked.
        """
        crew = self._crews[worker]
        if not crew.ready:
            return []
        free_ns = crew.free_ns(now_ns)
        asks: list[Pair] = []
        for pair, row in sorted(crew.rows.items(), key=lambda item: item[1].due_ns):
            due_ns = max(row.due_ns, now_ns)
            start_ns = max(free_ns, due_ns)
            if row.next is Next.IDLE:
                if not row.live or start_ns - due_ns > SLACK_NS:
                    continue
                row.next, row.asked_ns = Next.ASKED, now_ns
                asks.append(pair)
            if row.next is Next.FILLED or now_ns - max(row.due_ns, row.asked_ns) < LATE_NS:
                free_ns = start_ns + crew.cost_ns
        return asks

    def next_ask_ns(self, worker: str, now_ns: int) -> int | None:
        """When `asks` may answer otherwise although nothing has happened; None: not before something does."""
        crew = self._crews[worker]
        if not crew.ready or not any(row.live and row.next is Next.IDLE for row in crew.rows.values()):
            return None
        times = [max(r.due_ns, r.asked_ns) + LATE_NS for r in crew.rows.values() if r.next is Next.ASKED]
        if crew.busy:
            times.append(int(crew.began_ns + crew.cost_ns) - SLACK_NS)
        return min((time_ns for time_ns in times if time_ns > now_ns), default=None)

    def filled(self, pair: Pair, next_due_ns: int) -> None:
        """The window that was asked for is there; the one after it is due at `next_due_ns`."""
        row = self._row(pair)
        row.next, row.after_ns = Next.FILLED, next_due_ns

    def take(self, worker: str, now_ns: int) -> Pair | None:
        """The pair whose window the worker is to run now, the most overdue; the worker counts as busy."""
        crew = self._crews[worker]
        if not crew.ready or crew.busy:
            return None
        filled = [(row.due_ns, pair) for pair, row in crew.rows.items() if row.next is Next.FILLED]
        if not filled:
            return None
        _, pair = min(filled)
        row = crew.rows[pair]
        row.next, row.due_ns = Next.IDLE, row.after_ns
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

    def _row(self, pair: Pair) -> _Row:
        return self._crews[self._worker_of[pair]].rows[pair]
