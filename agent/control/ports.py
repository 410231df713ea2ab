"""What control needs of the rest of the agent, as protocols: it imports none of it."""

from collections.abc import Mapping
from typing import Protocol

from agent.config.algorithms import AlgorithmConfig
from agent.contract import commands as c
from agent.contract.status import AlgorithmStatus, Reported, StreamStatus
from agent.control.desired import Desired
from agent.control.messages import ReplyMessage


class Running(Protocol):
    """What runs on this device."""

    def want(self, desired: Desired) -> None:
        """Make reality match."""

    def stream_statuses(self) -> Mapping[str, StreamStatus]:
        """By id."""

    def algorithm_statuses(self) -> Mapping[str, AlgorithmStatus]:
        """By id."""

    def report(self, revision: int) -> Reported:
        """Everything in one document."""

    async def check_algorithm(self, config: AlgorithmConfig, desired: Desired) -> None:
        """Raises CommandError 404 or 422 when the kind, its parameters or the memory do not fit."""

    async def snapshot(self, ask: c.SnapshotTake) -> c.SnapshotTaken:
        """Publish a picture. Raises CommandError 409."""

    def restart_algorithm(self, algorithm: str) -> None:
        """Start its workers anew."""

    def set_log_level(self, level: str, for_s: float | None) -> int | None:
        """What is logged from now on; when the configured level comes back, µs since the Unix epoch."""

    def pong(self) -> c.Pong:
        """The agent listens."""

    def reply(self, message: ReplyMessage) -> None:
        """Send a reply; does not wait."""
