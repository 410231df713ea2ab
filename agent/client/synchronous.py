"""The client that waits for its answers."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from agent.client.asking import Asking, NoReplyError, Signer, Whom
from agent.client.observed import Observed
from agent.client.watching import Watch
from agent.contract.commands import Reply, SnapshotTaken
from agent.contract.status import Payload
from agent.contract.topics import DEFAULT_PREFIX, Topics
from agent.contract.verbs import VERBS
from agent.delivery.client import Client as Visitor
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Inbound
from agent.errors import VedetteError

_P = TypeVar("_P", bound=Payload)


class RefusedError(VedetteError):
    """A device has refused: `reply.code` and `reply.error` say why; nothing was changed."""

    def __init__(self, verb: str, reply: Reply) -> None:
        super().__init__(f"{reply.device} refuses {verb} ({reply.code}): {reply.error or 'no reason given'}")
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A picture of a stream, as JPEG, with its facts."""

    jpeg: bytes
    facts: SnapshotTaken


class Client:
    """Asks devices at one broker, and follows them. Nothing is kept open between two calls.

    `url`: mqtt://, mqtts://, ws:// or wss://. `signer` signs every command. Any thread may call at any time.
    Methods raise LinkError when the broker cannot be reached, or refuses this user.
    """

    def __init__(  # noqa: PLR0913  one argument a key of [broker]
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        protocol: Literal["auto", "5", "3.1.1"] = "auto",
        prefix: str = DEFAULT_PREFIX,
        signer: Signer | None = None,
    ) -> None:
        """Raises ConfigError for a URL that is none."""
        self._endpoint = Endpoint.from_url(
            url,
            client_id="",
            username=username,
            password=password,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
            protocol=protocol,
        )
        self._prefix = prefix
        self._signer = signer

    def call(self, device: str, verb: str, /, *, wait_s: float = 10.0, **args: Any) -> Payload:  # noqa: ANN401
        """Ask one device, and have `data` of its reply as the model of the verb (docs/mqtt.md).

        `wait_s` is for the reply, and no argument of any verb. Raises RefusedError, NoReplyError (with what
        is known of the device), and VedetteError for a verb that there is not, or a reply that is none of it.
        """
        with self._asking(Whom(device=_known(device))) as asking:
            reply = asking.one(_verb(verb), args, wait_s)
        return _parsed(VERBS[verb].reply, verb, reply)

    def call_all(
        self,
        verb: str,
        /,
        *,
        group: str | None = None,
        wait_s: float = 10.0,
        **args: Any,  # noqa: ANN401
    ) -> Iterator[Reply]:
        """Ask all devices, or those of a group; their replies as they come within the time, good and bad."""
        with self._asking(Whom(group=group)) as asking:
            yield from asking.many(_verb(verb), args, wait_s)

    def snapshot(
        self,
        device: str,
        stream: str,
        *,
        draw: bool = False,
        max_width: int | None = None,
        wait_s: float = 10.0,
    ) -> Snapshot:
        """The newest picture of a stream; with `draw`, what its algorithms found is painted on it."""
        topic = Topics(self._prefix, _known(device)).snapshot(stream)
        pictures: list[Inbound] = []
        args = {"stream": stream, "draw": draw, "max_width": max_width}

        def take(message: Inbound) -> None:
            if message.topic == topic:
                pictures.append(message)

        name = visitor_id()
        deadline_s = time.monotonic() + wait_s
        with Visitor(replace(self._endpoint, client_id=name)) as visitor:
            asking = Asking(
                visitor,
                self._prefix,
                Whom(device=device),
                name,
                signer=self._signer,
                also=[topic],
                aside=take,
            )
            reply = asking.one("snapshot.take", args, wait_s)
            facts = _parsed(SnapshotTaken, "snapshot.take", reply)
            while not (mine := _of(pictures, name, facts)) and time.monotonic() < deadline_s:
                for message in visitor.receive(deadline_s - time.monotonic()):
                    take(message)
        if not mine:
            raise NoReplyError(f"{device} took a picture of {stream}, and it did not come in {wait_s:g} s")
        return Snapshot(jpeg=mine[0], facts=facts)

    def watch(
        self, device: str | None = None, *, stream: str | None = None, algorithm: str | None = None
    ) -> Watch:
        """Follow a device, or all: iterate it, in a `with` block. See `Happening` for what comes."""
        endpoint = replace(self._endpoint, client_id=visitor_id())
        return Watch(endpoint, Observed(self._prefix, device, stream, algorithm))

    @contextlib.contextmanager
    def _asking(self, whom: Whom) -> Iterator[Asking]:
        name = visitor_id()
        with Visitor(replace(self._endpoint, client_id=name)) as visitor:
            yield Asking(visitor, self._prefix, whom, name, signer=self._signer)


def visitor_id() -> str:
    """A name at the broker that nobody else has: a visitor must not push a running agent out."""
    return f"vedette-visitor-{secrets.token_hex(6)}"


def _known(device: str) -> str:
    whom = Whom.named(device)
    if whom is None or whom.device is None:
        raise VedetteError(f"{device!r} is no id of a device; groups and all devices: call_all()")
    return whom.device


def _verb(name: str) -> str:
    if name not in VERBS:
        raise VedetteError(f"no verb {name!r}; there are {', '.join(VERBS)}")
    return name


def _parsed(model: type[_P], verb: str, reply: Reply) -> _P:
    if not reply.ok:
        raise RefusedError(verb, reply)
    try:
        return model.model_validate(reply.data or {})
    except ValidationError as err:
        where = ".".join(map(str, err.errors()[0]["loc"]))
        why = f"{where}: {err.errors()[0]['msg']}"
        raise VedetteError(
            f"{reply.device} replies to {verb} otherwise than this version knows ({why})"
        ) from err


def _of(pictures: list[Inbound], request: str, facts: SnapshotTaken) -> list[bytes]:
    """Those of this request: others may ask for pictures of the same stream; MQTT 3.1.1 tells only sizes."""
    return [
        picture.payload
        for picture in pictures
        if dict(picture.user_properties).get("id", request) == request and len(picture.payload) == facts.bytes
    ]
