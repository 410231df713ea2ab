"""What the control needs from the rest of the agent."""

from typing import Protocol

from agent.config.algorithms import AlgorithmConfig
from agent.contract.commands import (
    ConfigShown,
    Diag,
    Diagnosed,
    LogLevelSet,
    LogSetLevel,
    Pong,
    Previewed,
    PreviewStart,
    PreviewStop,
    SnapshotTake,
    SnapshotTaken,
)
from agent.contract.status import Reported
from agent.control.desired import Desired


class Views(Protocol):
    """What can be asked; answers at once."""

    def reported(self) -> Reported:
        """Everything that runs, with status; the control fills in the revision."""

    def config_shown(self) -> ConfigShown:
        """The configuration in force, without secrets."""

    def pong(self) -> Pong:
        """A sign of life."""


class Actions(Protocol):
    """What is done without changing what is to run. Errors are VedetteErrors; each has a time limit."""

    async def take_snapshot(self, command: SnapshotTake, request_id: str) -> SnapshotTaken:
        """Publish a picture. Raises SourceError when there is none."""

    def preview(self, command: PreviewStart | PreviewStop) -> Previewed:
        """Begin, go on with, or end a viewer's preview. Raises CommandError 429 when there are too many."""

    async def restart_algorithm(self, algorithm: str) -> None:
        """Start the workers of an algorithm anew; it exists."""

    async def diagnose(self, command: Diag, request_id: str) -> Diagnosed:
        """Gather a diagnosis, and write or publish it. Raises CommandError 429, StateError."""

    async def set_log_level(self, command: LogSetLevel) -> LogLevelSet:
        """Set how much is logged."""


class Checks(Protocol):
    """What only others can tell of a change before it is made."""

    async def check_algorithm(self, config: AlgorithmConfig) -> None:
        """Raises KindError or CommandError when there is no such kind or it does not take the parameters."""

    def check_load(self, before: Desired, after: Desired) -> str | None:
        """What to say when the processor has too little left for a change; raises NoRoomError."""

    async def check_fit(self, desired: Desired) -> None:
        """Raises NoRoomError, with the numbers, when the frames would not fit into shared memory."""
