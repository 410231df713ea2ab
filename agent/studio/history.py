"""What runs gave lately, in the forms in which it is shown: bounded, the oldest go first."""

import dataclasses
import itertools
import json
import statistics
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.contract.codec import UnpackableError, json_data
from agent.offline import Run

MAX_RUNS = 100  # whose results are kept
MAX_POINTS = 3000  # of a chart
MAX_NAMES = 24  # of numbers that are looked at in one result
_MAX_TREE_BYTES = 1 << 20  # a larger result is not shown as JSON
_MAX_TEXT = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """One run."""

    run: Run  # its window only if it is the newest
    tree: Any  # the result as plain values; None where it has none
    problem: str  # why it has none: what the run raised, or why it cannot travel
    facts: Mapping[
        str, bool | float | str
    ]  # what stands in it at the first glance, by names such as `left.count`


@dataclass(frozen=True, slots=True)
class Point:
    """What a chart needs of a run."""

    time_s: float  # from the first frame of the source
    run_ms: float
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """How long runs took, in milliseconds."""

    newest: float
    median: float
    slowest: float


@dataclass(frozen=True, slots=True)
class Past:
    """A look at everything that is kept, oldest first."""

    entries: Sequence[Entry]
    points: Sequence[Point]
    runs: int  # all that there were
    failed: int  # of these

    @property
    def newest(self) -> Entry | None:
        """The newest one."""
        return self.entries[-1] if self.entries else None

    @property
    def cost(self) -> Cost | None:
        """None where nothing ran."""
        times = [point.run_ms for point in self.points]
        return Cost(times[-1], statistics.median(times), max(times)) if times else None

    def names(self) -> list[str]:
        """Of all numbers, in the order in which they came up."""
        return list(dict.fromkeys(itertools.chain.from_iterable(point.numbers for point in self.points)))


class History:
    """Filled by one thread, looked at by others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries: deque[Entry] = deque(maxlen=MAX_RUNS)
            self._points: deque[Point] = deque(maxlen=MAX_POINTS)
            self._runs = self._failed = 0

    def add(self, run: Run, time_s: float) -> None:
        """A run came to an end, on a frame so many seconds after the source's first."""
        tree, problem = _tree(run)
        seen = dict(itertools.islice(facts(tree), MAX_NAMES))
        numbers = {name: float(fact) for name, fact in seen.items() if not isinstance(fact, str)}
        with self._lock:
            if self._entries:  # pixels take more room than all else
                last = self._entries.pop()
                bare = dataclasses.replace(last.run, frames=last.run.frames[:0])
                self._entries.append(dataclasses.replace(last, run=bare))
            self._entries.append(Entry(run, tree, problem, seen))
            if run.ok:
                self._points.append(Point(time_s, run.run_s * 1e3, numbers))
            self._runs += 1
            self._failed += not run.ok

    def look(self) -> Past:
        """What there is now."""
        with self._lock:
            return Past(tuple(self._entries), tuple(self._points), self._runs, self._failed)


def facts(tree: object, before: str = "") -> Iterator[tuple[str, bool | float | str]]:
    """The leaves of a result, in maps within maps by a path; of a list how long it is."""
    match tree:
        case bool() | int() | float():
            yield before or "result", tree
        case str():
            yield before or "result", tree if len(tree) <= _MAX_TEXT else f"{tree[: _MAX_TEXT - 1]}…"
        case list():
            yield f"{before or 'result'} (count)", len(tree)
        case dict():
            for key, item in tree.items():
                yield from facts(item, f"{before}.{key}" if before else str(key))


def rows(tree: object) -> list[dict[str, Any]]:
    """The largest list of maps within a result, a row each: such as the objects that were found."""
    found: list[list[Any]] = []

    def search(part: object) -> None:
        match part:
            case dict():
                for item in part.values():
                    search(item)
            case list() if part and all(isinstance(item, dict) for item in part):
                found.append(part)

    search(tree)
    largest = max(found, key=len, default=[])
    return [{str(key): _cell(value) for key, value in row.items()} for row in largest]


def _cell(value: object) -> object:
    return (
        value if isinstance(value, bool | int | float | str | None) else json.dumps(value, ensure_ascii=False)
    )


def _tree(run: Run) -> tuple[Any, str]:
    if not run.ok:
        return None, run.error
    try:
        return json.loads(json_data(run.result, max_bytes=_MAX_TREE_BYTES)), ""
    except UnpackableError as err:
        return None, str(err)
