"""Which protocol to try next and when. Pure."""

from dataclasses import dataclass, field, replace
from typing import Literal

from agent.backoff import Backoff
from agent.delivery.endpoint import Protocol
from agent.delivery.messages import LinkCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """What was learnt from the tries so far.

    With "auto", MQTT 5 is tried first. A broker that refuses the version, or hangs up on it without an
    answer as many old ones do, is tried with 3.1.1 at once, and what it accepts is kept from then on.
    """

    choice: Literal["auto", "5", "3.1.1"] = "auto"
    protocol: Protocol = "5"
    settled: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(cap_s=30.0))

    @classmethod
    def begin(cls, choice: Literal["auto", "5", "3.1.1"]) -> "Attempts":
        """Before the first try."""
        return cls(choice=choice, protocol="3.1.1" if choice == "3.1.1" else "5", settled=choice != "auto")

    def accepted(self) -> "Attempts":
        """The broker has let us in."""
        return replace(self, settled=True)

    def failed(self, cause: LinkCause, *, lasted_s: float, answered: bool) -> tuple["Attempts", bool]:
        """After a try or a connection has ended; and whether to try again at once.

        `lasted_s`: how long the broker had let us in, 0 if never. `answered`: whether there was somebody
        at the other end (a refused TCP connection says nothing about the protocol).
        """
        refused = cause is LinkCause.PROTOCOL or (cause is LinkCause.CLOSED and not self.settled)
        if self.choice == "auto" and answered and lasted_s == 0 and refused and self.protocol == "5":
            return replace(self, protocol="3.1.1", settled=False), True
        protocol: Protocol = self.protocol if self.settled else "5"
        if self.choice == "auto" and self.protocol == "3.1.1" and cause is LinkCause.PROTOCOL:
            protocol = "5"
        return replace(self, protocol=protocol, backoff=self.backoff.after_failure(lasted_s=lasted_s)), False
