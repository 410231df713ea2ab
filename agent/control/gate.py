"""The door for commands: what is let in, and where its reply goes."""

import time
from dataclasses import dataclass

from agent.contract.commands import Reply, Request
from agent.contract.decode import COMMAND_LIMITS, CONTENT_TYPES, Codec, codec_of
from agent.contract.topics import Topics
from agent.contract.verbs import encode_reply, parse_request
from agent.control.messages import CommandMessage, ReplyMessage
from agent.errors import CommandError

BURST_S = 5.0  # so many seconds' worth of commands may come at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a reply goes, and in which codec."""

    topic: str
    codec: Codec
    correlation_data: bytes | None

    def envelope(self, reply: Reply) -> ReplyMessage:
        """The reply as a message."""
        return ReplyMessage(
            topic=self.topic,
            payload=encode_reply(reply, self.codec),
            content_type=CONTENT_TYPES[self.codec],
            correlation_data=self.correlation_data,
        )


class Allowance:
    """A token bucket: so many commands a second, and a few seconds' worth at once."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._tokens = per_s * BURST_S
        self._at_s = time.monotonic()

    def spend(self, now_s: float) -> bool:
        """Whether one more command is allowed at this (monotonic) time."""
        self._tokens = min(self._per_s * BURST_S, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def address_of(message: CommandMessage, topics: Topics) -> Address:
    """To the response topic if the agent may answer there, else to the device's own: it is no reflector."""
    asked = message.response_topic
    return Address(
        topic=asked if asked is not None and topics.may_respond_to(asked) else topics.response,
        codec=codec_of(message.payload) if message.payload else "json",
        correlation_data=message.correlation_data,
    )


def read_request(message: CommandMessage, max_bytes: int, now_us: int) -> Request:
    """The request in a message. Raises CommandError 400, 410, 413."""
    request = parse_request(message.payload, COMMAND_LIMITS.with_payload(max_bytes))
    if request.expires is not None and request.expires < now_us:
        late_s = (now_us - request.expires) / 1e6
        raise CommandError(410, f"expired {late_s:.1f} s before it arrived, by this device's clock")
    return request
