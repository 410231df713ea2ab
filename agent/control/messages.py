"""Commands as they come in, and replies as they go out: what of MQTT matters here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandMessage:
    """A publication on a command topic."""

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyMessage:
    """The one reply to a command."""

    topic: str
    payload: bytes
    content_type: str
    correlation_data: bytes | None = None
