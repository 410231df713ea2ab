"""Who takes frames of streams: algorithms, and their recorders."""

from typing import Protocol

from agent.config.algorithms import AlgorithmConfig


class Taker(Protocol):
    """An algorithm, or what takes frames as one does."""

    @property
    def config(self) -> AlgorithmConfig:
        """Which frames; `id` is unique among all takers."""

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams it takes frames of now, by id."""

    def workers(self) -> tuple[str, ...]:
        """The names of its processes."""
