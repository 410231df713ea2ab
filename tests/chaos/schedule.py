"""Which fault comes next and when, by chance that can be repeated; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.faults import Fault

GAP_S = (0.1, 0.8)  # from the turn of one fault to that of the next


@dataclass(frozen=True, slots=True)
class Turn:
    """A fault, how long after the turn before it its own comes, for how long, and its own luck."""

    fault: Fault
    after_s: float
    lasts_s: float
    chance: Random


def turns(faults: Sequence[Fault], seed: int) -> Iterator[Turn]:
    """For ever: every fault once in any order, and again."""
    chance = Random(seed)  # noqa: S311 - to be repeated
    while True:
        for fault in chance.sample(faults, len(faults)):
            own = Random(chance.random())  # noqa: S311 - whatever it draws, the others stay as they are
            yield Turn(fault, chance.uniform(*GAP_S), chance.uniform(*fault.lasts_s), own)
