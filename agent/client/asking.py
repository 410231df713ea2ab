"""Asking devices over MQTT: one, the devices of a group, or all; signed or not."""

import base64
import contextlib
import difflib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from agent.contract.commands import Reply, Request
from agent.contract.decode import COMMAND_LIMITS, JSON_TYPE, PayloadError, unpack
from agent.contract.signed import signed_bytes
from agent.contract.status import DeviceState, DeviceStatus
from agent.contract.topic import is_id
from agent.contract.topics import CLIENT_RESPONSE, COMMAND, FLEET_COMMAND, GROUP_COMMAND, RESPONSE, STATUS
from agent.control.signatures import SigningKey
from agent.delivery.client import Client
from agent.delivery.messages import Inbound, Outgoing
from agent.errors import VedetteError

_LISTEN_S = 1.0  # for the retained status of devices, when nobody took the command


class NoReplyError(VedetteError):
    """Nothing came in time, or nobody is there: the text says what is known of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """Whom a command is meant for: a device, a group, or (with neither) all devices."""

    device: str | None = None
    group: str | None = None

    @classmethod
    def named(cls, name: str) -> Self | None:
        """`gate-7`, `g/berlin` or `all`; None for anything else."""
        if name == "all":
            return cls()
        if name.startswith("g/") and is_id(name.removeprefix("g/")):
            return cls(group=name.removeprefix("g/"))
        return cls(device=name) if is_id(name) else None

    def topic(self, prefix: str, verb: str) -> str:
        """Where the command goes."""
        if self.device is not None:
            return COMMAND.build(prefix, device=self.device, verb=verb)
        if self.group is not None:
            return GROUP_COMMAND.build(prefix, group=self.group, verb=verb)
        return FLEET_COMMAND.build(prefix, verb=verb)

    def __str__(self) -> str:
        return self.device or ("all devices" if self.group is None else f"group {self.group}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs requests, which expire so long from now."""

    key: SigningKey
    name: str
    valid_s: float

    def payload(self, request: Request, topic: str) -> bytes:
        """The request in its envelope."""
        expires = int((time.time() + self.valid_s) * 1e6)
        inner = request.model_copy(update={"expires": expires}).model_dump_json(exclude_defaults=True)
        signature = self.key.sign(signed_bytes(self.name, topic, inner.encode()))
        envelope = {"signed": inner, "key": self.name, "sig": base64.b64encode(signature).decode()}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


class Asking:
    """One command to one device or to many, on a connection of its own.

    `aside` gets what comes on the topics of the filters `also` before the reply does.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        whom: Whom,
        name: str,
        *,
        signer: Signer | None = None,
        also: Sequence[str] = (),
        aside: Callable[[Inbound], None] | None = None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._whom = whom
        self._name = name
        self._signer = signer
        self._also = also
        self._aside = aside
        self._statuses: dict[str, DeviceStatus] = {}

    def one(self, verb: str, args: dict[str, Any], timeout_s: float) -> Reply:
        """The reply of one device. Raises NoReplyError, with what is known of it, if none comes in time."""
        deadline_s = time.monotonic() + timeout_s
        if not self._send(verb, args, timeout_s):
            deadline_s = min(deadline_s, time.monotonic() + _LISTEN_S)
        for reply in self._replies(deadline_s):
            return reply
        raise NoReplyError(self._why_silent(timeout_s))

    def many(self, verb: str, args: dict[str, Any], timeout_s: float) -> Iterator[Reply]:
        """One reply of each device, as they come in that time. Raises NoReplyError when nobody listens."""
        deadline_s = time.monotonic() + timeout_s
        if not self._send(verb, args, timeout_s):
            raise NoReplyError(f"nobody at this broker listens to commands for {self._whom}")
        answered: set[str] = set()
        for reply in self._replies(deadline_s):
            if reply.device not in answered:
                answered.add(reply.device)
                yield reply

    def _send(self, verb: str, args: dict[str, Any], timeout_s: float) -> bool:
        """Publish the command; False when the broker says that nobody is there to hear it."""
        modern = self._client.protocol == "5"
        inbox = CLIENT_RESPONSE.build(self._prefix, client=self._name)
        # Without MQTT 5 nobody can say where the reply should go: it comes on the device's own topic.
        ids = {} if self._whom.device is None else {"device": self._whom.device}
        answers = inbox if modern else RESPONSE.filter(self._prefix, **ids)
        self._client.subscribe([answers, STATUS.filter(self._prefix), *self._also])
        topic = self._whom.topic(self._prefix, verb)
        request = Request(id=self._name, args=args)
        if self._signer is None:
            payload = request.model_dump_json(exclude_defaults=True).encode()
        else:
            payload = self._signer.payload(request, topic)
        message = Outgoing(
            topic=topic,
            payload=payload,
            kind="event",
            content_type=JSON_TYPE,
            correlation_data=self._name.encode() if modern else None,
            response_topic=inbox if modern else None,
            expiry_s=max(1, round(timeout_s)),  # nobody waits for it any longer
        )
        return self._client.publish(message)

    def _replies(self, deadline_s: float) -> Iterator[Reply]:
        for inbound in self._client.messages(max(0.0, deadline_s - time.monotonic())):
            reply = self._reply_in(inbound)
            if reply is not None:
                yield reply
            elif self._aside is not None:
                self._aside(inbound)

    def _reply_in(self, message: Inbound) -> Reply | None:
        if ids := STATUS.match(self._prefix, message.topic):
            if message.payload:
                # Anyone's, of any version: one that is not of the contract is no news of that device.
                with contextlib.suppress(ValidationError):
                    self._statuses[ids["device"]] = DeviceStatus.model_validate_json(message.payload)
            return None
        if not (
            CLIENT_RESPONSE.match(self._prefix, message.topic) or RESPONSE.match(self._prefix, message.topic)
        ):
            return None
        try:
            reply = Reply.model_validate(unpack(message.payload, COMMAND_LIMITS.with_payload(4 << 20)))
        except (PayloadError, ValueError):
            return None  # another's, or nonsense: ours may still come
        return reply if reply.id == self._name else None

    def _why_silent(self, timeout_s: float) -> str:
        device = str(self._whom)
        status = self._statuses.get(device)
        if status is None:
            near = difflib.get_close_matches(device, self._statuses, n=1)
            others = ", ".join(sorted(self._statuses)[:10]) or "none"
            hint = f"did you mean {near[0]}?" if near else f"known are: {others}"
            return f"no device {device} at this broker; {hint}"
        if status.state is not DeviceState.ONLINE:
            return f"{device} is {status.state.value}, the command was not carried out: start its agent"
        return f"no reply from {device} in {timeout_s:g} s, though it is online: give it longer"
