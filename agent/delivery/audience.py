"""Whether anybody subscribes to results, as far as the broker's answers tell. Pure."""

import math

from agent.delivery.backlog import Entry
from agent.delivery.messages import SPOOLED

DOUBT_S = 5.0
MOST_HELD = 50
PROBE_S = 5.0


class Audience:
    """Without `keep`, whatever the broker has taken is done; with it, what nobody has heard is not.

    What was sent and had no subscriber is held until it is clear what that means.

    An answer for a later message that had one: nobody wants the held ones, others are wanted, and they are
    done. No such answer within DOUBT_S: nobody is there. Then all results wait, but one every PROBE_S.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._held: list[Entry] = []
        self._since_s = 0.0
        self._probe_s = 0.0
        self.absent = False

    def answered(self, entry: Entry, *, unmatched: bool, now_s: float) -> list[tuple[Entry, bool]]:
        """The broker has taken a message; returns those that are done, and whether nobody has heard them."""
        if not self._keep or entry.message.kind not in SPOOLED:
            return [(entry, unmatched)]
        if not unmatched:
            self.absent = False
            return [*((held, True) for held in self.take_held()), (entry, False)]
        if not self._held:
            self._since_s = now_s
        self._held.append(entry)
        return []

    def given_up(self, now_s: float) -> list[Entry]:
        """What has to wait, when it has become clear that nobody is there; else nothing."""
        if not self._held:
            return []
        if not self.absent and now_s < self._since_s + DOUBT_S and len(self._held) < MOST_HELD:
            return []
        self.absent = True
        self._probe_s = now_s + PROBE_S
        return self.take_held()

    def take_held(self) -> list[Entry]:
        """All that is held, oldest first; nothing is any more."""
        held, self._held = self._held, []
        return held

    def may_send(self, now_s: float) -> bool:
        """Whether a result may be sent: always, or as a probe if none is out."""
        return not self.absent or (now_s >= self._probe_s and not self._held)

    def probed(self, now_s: float) -> None:
        """A result was sent."""
        self._probe_s = now_s + PROBE_S

    @property
    def doubt_s(self) -> float:
        """When it becomes clear at the latest whether anybody is there."""
        return self._since_s + DOUBT_S if self._held else math.inf

    @property
    def next_s(self) -> float:
        """Before this no result that waits may be sent."""
        return self._probe_s if self.absent else -math.inf
