"""Whether every part of the agent goes on: what feeds the watchdog, and what /livez and /readyz say.

Each part that can hang while the event loop goes on is registered with a mark: since when it owes a sign of
progress. A tick looks at everything; only a tick that found nothing overdue feeds the watchdog. What hangs is
logged once, by name. Children are not parts: one that hangs is replaced, and the agent lives.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from agent import log
from agent.systemd import Notifier

_log = log.get_logger("pulse")

TICK_S: Final = 1.0
TICK_LIMIT_S: Final = 10.0  # without a tick: the event loop, or what the tick looks at, hangs
SLOW_TICK_S: Final = 0.5  # a tick that comes later than this counts as slow
_TICKS_A_WATCHDOG: Final = 4  # a busy machine may delay some of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that may hang by itself.

    `owes_since`: since when (monotonic seconds) it owes a sign of progress; None while it has nothing to do.
    Asked in the event loop, once a tick: it must not wait.
    """

    name: str  # closed set, or with the id of something configured: it is a label of metrics
    limit_s: float
    owes_since: Callable[[], float | None]


class Pulse:
    """The parts, and what the last look at them has shown."""

    def __init__(
        self,
        notifier: Notifier,
        *,
        tick_s: float = TICK_S,
        tick_limit_s: float = TICK_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        wanted_s = notifier.watchdog_interval_s
        self.tick_s = tick_s if wanted_s is None else min(tick_s, wanted_s / _TICKS_A_WATCHDOG)
        self.ticks = 0
        self.slow_ticks = 0
        self.lag_s = 0.0  # how late the last tick came: what the event loop kept it waiting
        self.started = False
        self.connected = False
        self.broker = "not connected yet"
        self._notifier = notifier
        self._tick_limit_s = tick_limit_s
        self._clock = clock
        self._ticked_s: float | None = None  # no tick yet: the agent starts, which has a limit of systemd's
        self._parts: dict[str, Part] = {}
        self._hung: dict[str, float] = {}  # since when
        self._hangs: Counter[str] = Counter()

    def watch(self, *parts: Part) -> None:
        """Look at these too, from the next tick on; one of a known name takes its place."""
        self._parts |= {part.name: part for part in parts}

    def forget(self, name: str) -> None:
        """A part is gone in good order."""
        self._parts.pop(name, None)
        self._hung.pop(name, None)

    @property
    def hangs(self) -> Mapping[str, int]:
        """How often each part was found hanging."""
        return {name: self._hangs[name] for name in self._parts}

    def hung(self) -> tuple[str, ...]:
        """What hangs now: parts, as the last tick saw them, or the tick itself."""
        late = self._ticked_s is not None and self._clock() - self._ticked_s >= self._tick_limit_s
        return ("tick", *self._hung) if late else tuple(self._hung)

    def live(self) -> str | None:
        """Why the agent should be restarted, or None."""
        hung = self.hung()
        return f"hangs: {', '.join(hung)}" if hung else None

    def ready(self) -> str | None:
        """Why results do not get out, or None."""
        if not self.started:
            return "starting"
        return None if self.connected else f"broker: {self.broker}"

    def on_link(self, words: str, *, connected: bool) -> None:
        """The connection to the broker has changed."""
        self.connected, self.broker = connected, words

    def look(self) -> bool:
        """Look at every part; whether all go on. Logs what begins or ceases to hang."""
        now_s = self._clock()
        self.ticks += 1
        self._ticked_s = now_s
        for part in self._parts.values():
            since_s = part.owes_since()
            if since_s is None or now_s - since_s < part.limit_s:
                if self._hung.pop(part.name, None) is not None:
                    _log.warning("part.goes_on", part=part.name)
            elif part.name not in self._hung:
                self._hung[part.name] = since_s
                self._hangs[part.name] += 1
                _log.error("part.hangs", part=part.name, limit_s=part.limit_s)
        return not self._hung

    async def beat(self, tick: Callable[[], str]) -> NoReturn:
        """For ever: `tick`, which looks at every child and tells; then the parts; only then the watchdog.

        `tick` returns a line for `systemctl status`. What it raises ends the beat, and so the agent.
        """
        due_s = self._clock()
        while True:
            self.lag_s = max(0.0, self._clock() - due_s)
            self.slow_ticks += self.lag_s > SLOW_TICK_S
            status = tick()
            if self.look():
                self._notifier.watchdog()
            self._notifier.status(status)
            due_s = self._clock() + self.tick_s
            await asyncio.sleep(self.tick_s)
