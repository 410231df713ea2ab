"""What goes through the gate: commands as they came, replies as they go, and replies as remembered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandMessage:
    """One message on a command topic, untouched."""

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyMessage:
    """One reply on its way out, QoS 1, not retained."""

    topic: str
    payload: bytes
    content_type: str
    correlation_data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was answered to an id: sent again, byte by byte, when the id comes again."""

    id: str
    code: int
    payload: bytes
    content_type: str
    time_us: int  # since the Unix epoch
