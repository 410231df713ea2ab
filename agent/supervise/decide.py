"""What to do about one child: a pure function of what is wanted and what is seen."""

from dataclasses import dataclass, field
from enum import Enum

from agent.backoff import Backoff

BUDGET_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """Everything one child process needs to start; picklable. A child whose spec changes is replaced."""

    name: str  # unique: "capture/<stream>", "worker/<algorithm>/<n>", "recorder/<algorithm>/<stream>"
    main: str  # "module:function", imported only inside the child
    args: object
    start_timeout_s: float = 20.0  # from the start to the first sign of life
    beat_timeout_s: float | None = None  # None: it is silent while it has nothing to do
    grace_s: float = 5.0  # from the request to stop to SIGKILL
    max_failures: int | None = None  # failed starts in a row after which it is broken; None: never
    max_ends: int | None = None  # ends that nobody asked for, within BUDGET_S; beyond it is broken


class Phase(Enum):
    """Where a child is in its life."""

    ABSENT = "absent"
    STARTING = "starting"  # the process runs, and has given no sign of life yet
    UP = "up"
    STOPPING = "stopping"  # it was asked to stop


@dataclass(slots=True)
class Seen:
    """What is seen of a child; times are monotonic seconds."""

    phase: Phase = Phase.ABSENT
    spec: ChildSpec | None = None  # what it was started with
    since_s: float = 0.0  # when the phase began
    heard_s: float = 0.0  # the last sign of life
    up_s: float = 0.0  # the first
    exited: bool = False
    retry_at_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    failed_starts: int = 0  # in a row
    ends_s: tuple[float, ...] = ()  # when it ended without being asked, within BUDGET_S

    def after_end(self, *, worked: bool, now_s: float, jitter: float) -> "Seen":
        """After an end that nobody asked for; `worked`: it had shown that it can work."""
        lasted_s = now_s - self.up_s if worked else 0.0
        backoff = self.backoff.after_failure(lasted_s=lasted_s)
        return Seen(
            spec=self.spec,
            backoff=backoff,
            retry_at_s=now_s + backoff.delay_s(jitter),
            failed_starts=0 if worked else self.failed_starts + 1,
            ends_s=(*(end_s for end_s in self.ends_s if now_s - end_s < BUDGET_S), now_s),
        )


class Step(Enum):
    """What to do now."""

    NOTHING = "nothing"
    START = "start"
    STOP = "stop"  # ask it
    KILL = "kill"
    REAP = "reap"


def broken(spec: ChildSpec, seen: Seen) -> bool:
    """Whether the child failed too often to be started again: in a row, or within BUDGET_S."""
    if spec.max_failures is not None and seen.failed_starts >= spec.max_failures:
        return True
    return spec.max_ends is not None and len(seen.ends_s) >= spec.max_ends


def decide(wanted: ChildSpec | None, seen: Seen, now_s: float) -> Step:  # noqa: PLR0911  a table reads best so
    """The one step that brings a child nearer to what is wanted; doing it twice is harmless."""
    if seen.phase is Phase.ABSENT:
        if wanted is None or now_s < seen.retry_at_s or broken(wanted, seen):
            return Step.NOTHING
        return Step.START
    if seen.exited:
        return Step.REAP
    assert seen.spec is not None  # noqa: S101  for the type checker: only a started child leaves ABSENT
    if seen.phase is Phase.STOPPING:
        return Step.KILL if now_s - seen.since_s > seen.spec.grace_s else Step.NOTHING
    if wanted != seen.spec:
        return Step.STOP
    if seen.phase is Phase.STARTING:
        return Step.KILL if now_s - seen.since_s > seen.spec.start_timeout_s else Step.NOTHING
    silent_s = now_s - seen.heard_s
    if seen.spec.beat_timeout_s is not None and silent_s > seen.spec.beat_timeout_s:
        return Step.KILL
    return Step.NOTHING
