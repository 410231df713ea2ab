"""What a subscriber needs to prove that it has every result, or to name those missing and why."""

from typing import Literal

from pydantic import Field

from agent.contract.status import Payload


class Gap(Payload):
    """Numbers of results that will never come: they were dropped on the device."""

    epoch: int = Field(ge=0)
    first: int = Field(ge=0, description="the first `seq`")
    last: int = Field(ge=0, description="the last one, included")
    count: int = Field(ge=0, description="how many; not all where ranges were joined; 0: unknown")
    reason: str = Field(
        description="`spool full`, `too old`, `memory full`, `spool corrupt`, `various`, or "
        "what the broker said when it refused the message"
    )


class EpochEnd(Payload):
    """How far the numbers of an epoch go."""

    epoch: int = Field(ge=0)
    last: int = Field(ge=0, description="the last `seq`, or one near it: see `exact`")
    state: Literal["running", "ended", "killed"] = Field(
        description="`killed`: the agent ended without a last word"
    )
    exact: bool = Field(
        description="`last` is the last one. Else later ones may be: the agent runs, or was killed with "
        '`durability = "lazy"` and took with it what it had made in its last 50 ms'
    )


class Gaps(Payload):
    """All that was dropped on this device, and where each epoch ends."""

    time: int = Field(description="when this was written")
    epochs: tuple[EpochEnd, ...] = Field(default=(), description="the last hundred, oldest first")
    gaps: tuple[Gap, ...] = Field(
        default=(), description="a thousand at most: of more, the oldest are joined"
    )
