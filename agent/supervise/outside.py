"""The border of the site: what it needs from, and tells to, whoever runs it."""

from dataclasses import dataclass
from typing import Protocol

from agent.config.secret import Secret
from agent.config.streams import StreamConfig
from agent.control.rules import Rules
from agent.supervise.dispatch import Window


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result on its way out: its window, and what `run` returned, packed."""

    window: Window
    kind: str
    version: str
    data: bytes
    json: bytes


class Outside(Protocol):
    """What the site needs from, and tells to, whoever runs it."""

    def expand(self, source: str) -> Secret:
        """A source with its secrets filled in. Raises SecretError."""

    def rules(self, stream: StreamConfig) -> Rules | None:
        """What the source of a stream may lead to; None for one that agent.toml names."""

    def redact(self, text: str) -> str:
        """A text without secrets."""

    def on_result(self, outcome: Outcome) -> None:
        """An algorithm gave a result."""

    def on_change(self) -> None:
        """The state of a stream or an algorithm has changed."""
