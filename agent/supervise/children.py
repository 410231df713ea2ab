"""Wanted children against real ones: the only place where processes are started, stopped and killed."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol, Self, get_args

from agent import log
from agent.ipc.message import Message
from agent.ipc.messages import Stop
from agent.supervise.child import Child
from agent.supervise.decide import ChildSpec, Phase, Seen, Step, broken, decide
from agent.supervise.forkserver import ForkServerWatch

_log = log.get_logger("supervise")


class Listener(Protocol):
    """What hears of children."""

    def first_args(self, spec: ChildSpec) -> tuple[object, ...]:
        """What the child is started with beyond `spec.args`: where its predecessor left off."""

    def on_message(self, name: str, message: Message) -> bool:
        """A child said something; returns whether that shows that it works as it should."""

    def on_exit(self, name: str, reason: str, *, asked: bool) -> None:
        """A child is gone; `asked` if it was to go."""

    def on_state(self, name: str) -> None:
        """A child's phase has changed, or its start is put off."""


End = Literal["asked", "start", "silent", "limit", "died"]
"""Why a child ended: on request; could not start; did not answer; beyond a limit; by itself."""

ENDS: tuple[End, ...] = get_args(End)


@dataclass(slots=True)
class _Row:
    seen: Seen = field(default_factory=Seen)
    child: Child | None = None
    last_words: str = ""
    end: End = "died"  # what its end will count as, when nobody asked for it
    healthy: bool = False  # worked as it should since its start


class Children:
    """Reconciles; `async with` ends every child at its exit, by force if need be."""

    def __init__(self, listener: Listener, log_settings: Callable[[], tuple[str, log.Style]]) -> None:
        self._listener = listener
        self._log_settings = log_settings
        self._wanted: Mapping[str, ChildSpec] = {}
        self._rows: dict[str, _Row] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._timer: asyncio.TimerHandle | None = None
        self._fork_server = ForkServerWatch()
        self.ended: Counter[tuple[str, End]] = Counter()
        """How many have ended, by the first level of their name and why."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.want(())
        while not self._empty.is_set():
            self.reconcile()
            try:
                await asyncio.wait_for(self._empty.wait(), timeout=0.5)
            except TimeoutError:
                continue
        if self._timer is not None:
            self._timer.cancel()

    def want(self, specs: tuple[ChildSpec, ...]) -> None:
        """These children and no others, from now on."""
        self._wanted = {spec.name: spec for spec in specs}
        for name, row in self._rows.items():
            wanted = self._wanted.get(name)
            if row.seen.phase is Phase.ABSENT and wanted is not None and wanted != row.seen.spec:
                # A changed child has another chance at once; what it failed of before may be mended.
                row.seen = Seen()
        self.reconcile()

    def reconcile(self) -> None:
        """One idempotent step for every child."""
        now_s = time.monotonic()
        for name in self._wanted.keys() - self._rows.keys():
            self._rows[name] = _Row()
        for name, row in list(self._rows.items()):
            self._step(name, row, now_s)
        if self._rows:
            self._empty.clear()
        else:
            self._empty.set()
        self._set_timer(now_s)

    def restart(self, name: str) -> None:
        """Replace a child, or start it again although it is broken or waits."""
        row = self._rows.get(name)
        if row is None:
            return
        if row.child is None:
            row.seen = Seen()
        elif row.seen.phase is not Phase.STOPPING:
            self._stop(name, row)
        self.reconcile()

    def kill(self, name: str, why: str) -> None:
        """End a child that does not answer; it is started again with back-off."""
        row = self._rows.get(name)
        if row is not None and row.child is not None:
            row.last_words, row.end = why, "limit"
            row.child.kill()

    def post(self, name: str, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Say something to a child; nothing if it is not there."""
        row = self._rows.get(name)
        if row is not None and row.child is not None and row.seen.phase is not Phase.STOPPING:
            row.child.post(message, fds)

    def failed(self, name: str, why: str) -> None:
        """A child says why it will end."""
        if name in self._rows:
            self._rows[name].last_words, self._rows[name].end = why, "start"

    def phase(self, name: str) -> Phase:
        """Where a child is in its life."""
        return self._rows[name].seen.phase if name in self._rows else Phase.ABSENT

    def is_broken(self, name: str) -> bool:
        """Whether a wanted child failed too often to be started again."""
        row, spec = self._rows.get(name), self._wanted.get(name)
        return row is not None and spec is not None and broken(spec, row.seen)

    def retry_in_s(self, name: str) -> float | None:
        """Seconds until a child that failed is started again."""
        row = self._rows.get(name)
        if row is None or row.seen.phase is not Phase.ABSENT or row.seen.backoff.failures == 0:
            return None
        return max(0.0, row.seen.retry_at_s - time.monotonic())

    def pids(self) -> dict[str, int]:
        """Process ids by name, of all that run."""
        return {name: row.child.pid for name, row in self._rows.items() if row.child is not None}

    def seen(self) -> dict[str, dict[str, object]]:
        """Every child as it is seen, for people; times are seconds ago."""
        now_s = time.monotonic()
        return {
            name: {
                "pid": None if row.child is None else row.child.pid,
                "wanted": name in self._wanted,
                "phase": row.seen.phase.value,
                "since_s": round(now_s - row.seen.since_s, 3),
                "heard_s": round(now_s - row.seen.heard_s, 3),
                "failures": row.seen.backoff.failures,
                "retry_in_s": self.retry_in_s(name),
                "broken": self.is_broken(name),
                "last_words": row.last_words,
            }
            for name, row in self._rows.items()
        }

    def fork_server_owes_since(self) -> float | None:
        """Since when (monotonic seconds) the fork server stands still; None: it works."""
        unreaped = any(row.child is not None and row.child.unreaped for row in self._rows.values())
        return self._fork_server.owes_since(unreaped=unreaped)

    # --- steps ---

    def _step(self, name: str, row: _Row, now_s: float) -> None:
        wanted = self._wanted.get(name)
        match decide(wanted, row.seen, now_s):
            case Step.START:
                assert wanted is not None  # noqa: S101  `decide` starts nothing that is not wanted
                self._start(name, row, wanted, now_s)
            case Step.STOP:
                self._stop(name, row)
            case Step.KILL:
                self._kill_silent(name, row)
            case Step.REAP:
                self._reap(name, row, now_s)
            case Step.NOTHING:
                pass
        if wanted is None and row.seen.phase is Phase.ABSENT:
            self._rows.pop(name, None)  # reaping has stepped on already, perhaps as far as here

    def _start(self, name: str, row: _Row, spec: ChildSpec, now_s: float) -> None:
        row.seen = Seen(
            phase=Phase.STARTING,
            spec=spec,
            since_s=now_s,
            heard_s=now_s,
            backoff=row.seen.backoff,
            failed_starts=row.seen.failed_starts,
            ends_s=row.seen.ends_s,
        )
        row.healthy, row.last_words, row.end = False, "", "died"
        row.child = Child(
            spec.main,
            (spec.args, self._log_settings(), *self._listener.first_args(spec)),
            on_message=partial(self._heard, name),
            on_exit=partial(self._exited, name),
        )
        _log.debug("child.started", child=name, pid=row.child.pid)
        self._listener.on_state(name)

    def _stop(self, name: str, row: _Row) -> None:
        assert row.child is not None  # noqa: S101  only what runs is stopped
        row.child.post(Stop())
        row.seen.phase, row.seen.since_s = Phase.STOPPING, time.monotonic()
        self._listener.on_state(name)

    def _kill_silent(self, name: str, row: _Row) -> None:
        assert row.child is not None  # noqa: S101  only what runs is killed
        if row.seen.phase is not Phase.STOPPING:
            row.last_words, row.end = "it does not answer, and was killed", "silent"
            _log.warning("child.silent", child=name, pid=row.child.pid)
        row.child.kill()

    def _reap(self, name: str, row: _Row, now_s: float) -> None:
        seen = row.seen
        asked = seen.phase is Phase.STOPPING
        row.child = None
        self.ended[name.partition("/")[0], "asked" if asked else row.end] += 1
        if asked:
            row.seen = Seen()
        else:
            jitter = random.random()  # noqa: S311  no secret
            row.seen = seen.after_end(worked=row.healthy, now_s=now_s, jitter=jitter)
            delay_s = round(row.seen.retry_at_s - now_s, 1)
            _log.warning("child.ended", child=name, reason=row.last_words, retry_in_s=delay_s)
        self._listener.on_exit(name, row.last_words, asked=asked)
        self._step(name, row, now_s)

    # --- what children do ---

    def _heard(self, name: str, message: Message) -> None:
        row = self._rows[name]
        row.seen.heard_s = time.monotonic()
        if row.seen.phase is Phase.STARTING:
            row.seen.phase, row.seen.since_s = Phase.UP, row.seen.heard_s
            row.seen.up_s = row.seen.heard_s
            self._listener.on_state(name)
        if self._listener.on_message(name, message):
            row.healthy = True

    def _exited(self, name: str, reason: str) -> None:
        row = self._rows[name]
        row.seen.exited = True
        row.last_words = row.last_words or reason
        self.reconcile()

    def _set_timer(self, now_s: float) -> None:
        """Wake for the next retry; all other limits are looked at by the agent's tick."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        retries = [
            row.seen.retry_at_s
            for name, row in self._rows.items()
            if row.seen.phase is Phase.ABSENT and name in self._wanted and not self.is_broken(name)
        ]
        if retries:
            delay_s = max(0.01, min(retries) - now_s)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.reconcile)
