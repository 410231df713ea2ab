"""The faults, one after the other and several at once, none of which touch the same thing."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil

from tests.chaos.schedule import Turn
from tests.chaos.site import Site

_RESERVES_S = 3.0
_AT_MOST_WAITING = 4
_TICK_S = 0.03


@dataclass(slots=True)
class Toll:
    """Which faults took effect, and which had nobody to take effect on."""

    done: Counter[str] = field(default_factory=Counter)
    in_vain: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """For whoever wants to know what happened when."""
        self.log.append(f"{time.monotonic():.2f} {what}")


@dataclass(slots=True)
class _Begun:
    turn: Turn
    from_s: float
    enough: Callable[[], object]
    undoing: ExitStack


class Chaos:
    """Faults that wait for their victims, and faults that go on."""

    def __init__(self, site: Site, stack: ExitStack) -> None:
        self.toll = Toll()
        self._site = site
        self._stack = stack
        self._waiting: list[tuple[float, Turn]] = []
        self._begun: list[_Begun] = []
        self._free_s: dict[str, float] = {}  # when what was touched is left alone again

    @property
    def idle(self) -> bool:
        """Whether nothing goes on."""
        return not self._waiting and not self._begun

    @property
    def crowded(self) -> bool:
        """Whether enough wait already."""
        return len(self._waiting) >= _AT_MOST_WAITING

    def add(self, turn: Turn) -> None:
        """Its turn has come."""
        self._waiting.append((time.monotonic(), turn))

    def tick(self) -> None:
        """End what has lasted long enough, begin what can begin."""
        now_s = time.monotonic()
        for begun in list(self._begun):
            if now_s >= begun.from_s + begun.turn.lasts_s:
                self._end(begun, now_s)
        busy = {thing for thing, free_s in self._free_s.items() if free_s > now_s}
        busy |= {thing for begun in self._begun for thing in begun.turn.fault.touches}
        for since_s, turn in list(self._waiting):
            fault = turn.fault
            if not busy & fault.touches and fault.ready(self._site):
                self._waiting.remove((since_s, turn))
                self._begin(turn)
                busy |= fault.touches
            elif now_s > since_s + fault.patience_s:
                self._waiting.remove((since_s, turn))
                self._vain(turn, "no victim")
            elif now_s > since_s + _RESERVES_S:
                # Else one that touches much would never find it all free.
                busy |= fault.touches

    def _begin(self, turn: Turn) -> None:
        undoing = self._stack.enter_context(ExitStack())
        try:
            enough = undoing.enter_context(turn.fault.do(self._site, turn.chance))
        except psutil.NoSuchProcess:
            self._vain(turn, "the victim has just ended")
            return
        self._begun.append(_Begun(turn, time.monotonic(), enough, undoing))
        self.toll.note(turn.fault.name)

    def _end(self, begun: _Begun, now_s: float) -> None:
        enough = begun.enough()
        if not enough and now_s < begun.from_s + begun.turn.fault.patience_s:
            return
        begun.undoing.close()
        self._begun.remove(begun)
        fault = begun.turn.fault
        self._free_s |= dict.fromkeys(fault.touches, time.monotonic() + fault.settles_s)
        if enough:
            self.toll.done[fault.name] += 1
            self.toll.note(f"{fault.name}: over")
        else:
            self._vain(begun.turn, "no effect")

    def _vain(self, turn: Turn, why: str) -> None:
        self.toll.in_vain.append(f"{turn.fault.name}: {why}")
        self.toll.note(f"{turn.fault.name}: {why}")


def play(site: Site, turns: Iterator[Turn], names: set[str], *, lasts_s: float, limit_s: float) -> Toll:
    """Let everything go wrong for so long, and until each of `names` has, or `limit_s` is over.

    At the end all is undone.
    """
    begun_s = next_s = time.monotonic()
    following: Turn | None = None
    with ExitStack() as stack:
        chaos = Chaos(site, stack)
        while True:
            now_s = time.monotonic()
            over = now_s > begun_s + lasts_s and (set(chaos.toll.done) >= names or now_s > begun_s + limit_s)
            if over and chaos.idle:
                return chaos.toll
            if following is None:
                following = next(turns)
                next_s = max(next_s, now_s) + following.after_s
            if not over and now_s >= next_s and not chaos.crowded:
                if now_s <= begun_s + lasts_s or not chaos.toll.done[following.fault.name]:
                    chaos.add(following)
                following = None
            chaos.tick()
            site.pass_until(now_s + _TICK_S)
