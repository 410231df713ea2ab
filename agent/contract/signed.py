"""Signed commands on the wire: the envelope around a request, and the exact bytes that are signed.

The envelope is a map of three, as JSON or as msgpack. What is in `signed` travels as it was signed, and is
not taken apart and put together again on the way: nobody has to agree on how JSON is written.
"""

import base64
import binascii
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.config.ids import Id
from agent.config.problems import problems_of
from agent.errors import CommandError

SIGNED_MARK = "vedette-command-v1"
"""The first line of what is signed: a signature made for something else is never one of a command."""

MAX_AHEAD_S = 3600
"""A signed command expires at most so long from now: it is remembered until then."""

SIGNATURE_BYTES = 64


class SignedRequest(BaseModel):
    """A request that is signed: the whole payload of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signed: str | bytes = Field(
        description="the request, exactly as it was signed: a text of JSON, or (in msgpack) bytes of either"
    )
    key: Id = Field(description="name of the key in the device's `[security.keys.NAME]`")
    sig: str | bytes = Field(
        description=f"Ed25519, {SIGNATURE_BYTES} bytes: in base64, or (in msgpack) as they are"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signed request, taken out of its payload; whether the signature fits is not known yet."""

    key: str
    request: bytes
    signature: bytes

    def message(self, topic: str) -> bytes:
        """What the signature has to fit."""
        return signed_bytes(self.key, topic, self.request)


def signed_bytes(key: str, topic: str, request: bytes) -> bytes:
    """What is signed: three lines, then the request as it stands. No id and no topic has a line end in it."""
    return f"{SIGNED_MARK}\n{key}\n{topic}\n".encode() + request


def envelope_in(tree: object) -> Envelope | None:
    """The envelope, when a payload is meant to be one; CommandError 401 when it cannot be read as such."""
    if not isinstance(tree, dict) or not {"signed", "sig"} & tree.keys():
        return None
    try:
        said = SignedRequest.model_validate(tree)
    except ValidationError as err:
        raise CommandError(401, "\n".join(problems_of(err, SignedRequest))) from err
    try:
        request = said.signed if isinstance(said.signed, bytes) else said.signed.encode()
    except UnicodeEncodeError as err:
        raise CommandError(401, "signed: half a character (a lone surrogate)") from err
    signature = said.sig if isinstance(said.sig, bytes) else _base64(said.sig)
    if signature is None or len(signature) != SIGNATURE_BYTES:
        raise CommandError(401, f"sig: must be {SIGNATURE_BYTES} bytes, in JSON as base64")
    return Envelope(key=said.key, request=request, signature=signature)


def _base64(text: str) -> bytes | None:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Some of the last bits mean nothing: two texts would be one signature.
    return found if base64.b64encode(found).decode() == text else None
