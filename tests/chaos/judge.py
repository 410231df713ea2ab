"""Whether a run has kept what is promised of results; pure.

A result counts as accepted when delivery has been handed it, in mode "strict" when it is on disk, before
which nobody has seen it. The judge knows what was handed over from a ledger outside the agent, and what was
on disk from the spool as each kill has left it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Durability = Literal["lazy", "strict"]

LAZY_MS = 50.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A result that delivery was handed, at a moment of the monotonic clock."""

    epoch: int
    seq: int
    at_ns: int

    @property
    def number(self) -> tuple[int, int]:
        """What a subscriber knows it by."""
        return self.epoch, self.seq


@dataclass(frozen=True, slots=True)
class Heard:
    """A result that a subscriber got: a digest of topic and payload, and which run of which worker it was."""

    epoch: int
    seq: int
    content: int
    origin: str | None = None

    @property
    def number(self) -> tuple[int, int]:
        """What a subscriber knows it by."""
        return self.epoch, self.seq


@dataclass(frozen=True, slots=True)
class Gap:
    """Results that the agent says it has dropped, both ends included."""

    epoch: int
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """Where the agent says that an epoch has ended; `exact`: it knows for sure."""

    epoch: int
    last: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Killed:
    """An end of the agent that it did not choose, and the results in its spool then."""

    at_ns: int
    saved: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The figures of a run, and which promises it has broken; none: all were kept."""

    accepted: int
    delivered: int
    duplicates: int
    dropped: dict[str, int]  # by reason, announced in gap records
    lost: int
    lost_oldest_ms: float  # accepted so long before the kill that lost it
    in_hand: int  # strict: numbered, and not yet on disk when the agent was killed
    in_hand_oldest_ms: float
    broken: tuple[str, ...]


def judge(
    accepted: Sequence[Accepted],
    heard: Sequence[Heard],
    gaps: Sequence[Gap],
    kills: Sequence[Killed],
    durability: Durability,
    *,
    ends: Sequence[End] = (),
    slack_ms: float = 0.0,
) -> Verdict:
    """`slack_ms`: how much later than it should the delivery thread may get to run on this machine."""
    broken = _misnumbered(accepted) + _confused(heard)
    numbers, got = {result.number for result in accepted}, {result.number for result in heard}
    if unknown := got - numbers:
        broken.append(f"{len(unknown)} results were heard that nobody has accepted: {sorted(unknown)[:5]}")
    dropped: Counter[str] = Counter()
    announced: set[tuple[int, int]] = set()
    for gap in gaps:
        span = {(gap.epoch, seq) for seq in range(gap.first, gap.last + 1)} & numbers - got
        dropped[gap.reason] += len(span - announced)
        announced |= span
    broken += _unproven(ends, got, announced)
    missing = [result for result in accepted if result.number not in got | announced]
    saved = frozenset[tuple[int, int]]().union(*(kill.saved or () for kill in kills))
    lasts = _lasts(got | announced | saved)
    lost: list[float] = []
    in_hand: list[float] = []
    for result in missing:
        age_ms = (
            min((kill.at_ns - result.at_ns for kill in kills if kill.at_ns >= result.at_ns), default=0) / 1e6
        )
        killed = any(kill.at_ns >= result.at_ns for kill in kills)
        name = f"result {result.epoch}/{result.seq}"
        if result.number in saved:
            broken.append(f"{name} was on disk and is lost")
        elif not killed:
            broken.append(f"{name} is lost, although the agent was not killed after it")
        elif durability == "strict" and result.seq > lasts.get(result.epoch, 0):
            in_hand.append(age_ms)
            continue
        elif durability == "strict":
            broken.append(f"{name} is lost, and later ones are not")
        elif age_ms > LAZY_MS + slack_ms:
            broken.append(f"{name} is lost, accepted {age_ms:.0f} ms before the agent was killed")
        lost.append(age_ms)
    if in_hand and max(in_hand) > LAZY_MS + slack_ms:
        broken.append(f"a result was not on disk {max(in_hand):.0f} ms after it was handed over")
    return Verdict(
        accepted=len(numbers),
        delivered=len(got),
        duplicates=len(heard) - len(got),
        dropped=dict(dropped),
        lost=len(lost),
        lost_oldest_ms=round(max(lost, default=0.0), 1),
        in_hand=len(in_hand),
        in_hand_oldest_ms=round(max(in_hand, default=0.0), 1),
        broken=tuple(broken),
    )


def _misnumbered(accepted: Sequence[Accepted]) -> list[str]:
    """Numbers are unique and gapless within an epoch, and an epoch is never used again."""
    epochs: defaultdict[int, list[int]] = defaultdict(list)
    order: list[int] = []
    for result in accepted:
        if not order or order[-1] != result.epoch:
            order.append(result.epoch)
        epochs[result.epoch].append(result.seq)
    broken = [
        f"the numbers of epoch {epoch} are not 1, 2, 3 …"
        for epoch, seqs in epochs.items()
        if seqs != list(range(1, len(seqs) + 1))
    ]
    if order != sorted(set(order)):
        broken.append(f"epochs do not grow: {order}")
    return broken


def _confused(heard: Sequence[Heard]) -> list[str]:
    """What has the same number is the same result, and what is the same result has one number."""
    broken = []
    contents: dict[tuple[int, int], int] = {}
    numbers: dict[str, tuple[int, int]] = {}
    for result in heard:
        if contents.setdefault(result.number, result.content) != result.content:
            broken.append(f"two results have the number {result.epoch}/{result.seq}")
        if result.origin is not None and numbers.setdefault(result.origin, result.number) != result.number:
            broken.append(f"one result has two numbers, {numbers[result.origin]} and {result.number}")
    return broken


def _unproven(ends: Sequence[End], got: set[tuple[int, int]], announced: set[tuple[int, int]]) -> list[str]:
    """What a subscriber would miss in an epoch whose end it was told for sure."""
    broken = []
    for end in ends:
        known = {seq for epoch, seq in got | announced if epoch == end.epoch}
        if end.exact and (missed := set(range(1, end.last + 1)) - known):
            some = sorted(missed)[:5]
            broken.append(
                f"epoch {end.epoch} ended with {end.last}, and {some} are neither heard nor announced"
            )
        if end.exact and known and max(known) > end.last:
            broken.append(f"epoch {end.epoch} is said to end with {end.last}, and {max(known)} was heard")
    return broken


def _lasts(numbers: set[tuple[int, int]]) -> dict[int, int]:
    """The last number of each epoch."""
    lasts: dict[int, int] = {}
    for epoch, seq in numbers:
        lasts[epoch] = max(seq, lasts.get(epoch, 0))
    return lasts
