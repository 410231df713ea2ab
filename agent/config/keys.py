"""Keys that may sign commands: `[security.keys.NAME]`."""

import base64
import binascii
import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, Field

from agent.config.ed25519 import public_key_problem
from agent.config.ids import Id
from agent.config.patterns import AUDIENCE_PATTERN, VERBS_PATTERN
from agent.config.table import Table

ANY = "*"
MAX_KEYS = 32

_PRIVATE = (
    "is a private key: leave it where commands are signed, and put in what `vedette keys show FILE` prints"
)
_PKCS8 = "MC4CAQAwBQYDK2Vw"  # how the body of every private Ed25519 key in PEM begins


def _public_key(text: str) -> str:
    if "PRIVATE" in text or _PKCS8 in text:
        raise ValueError(_PRIVATE)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64: put in what `vedette keys show FILE` prints") from None
    if (problem := public_key_problem(key)) is not None:
        raise ValueError(problem)
    if base64.b64encode(key).decode() != text:
        raise ValueError("is no base64 as everybody writes it: look for a mistyped character")
    return text


class KeyConfig(Table):
    """A key that may sign commands, and what it may command."""

    public_key: Annotated[str, AfterValidator(_public_key)] = Field(
        description="Ed25519, base64, as `vedette keys new` and `vedette keys show` print it"
    )
    verbs: tuple[Annotated[str, Field(pattern=VERBS_PATTERN)], ...] = Field(
        default=(ANY,), description='verbs it may use: `"ping"`, `"stream.*"`, `"*"` for all'
    )
    groups: tuple[Annotated[str, Field(pattern=AUDIENCE_PATTERN)], ...] = Field(
        default=(),
        description="groups it may command this device through, beside the device itself; "
        '`"*"`: every group, and all devices at once',
    )
    expires: dt.date | None = Field(
        default=None,
        description="last day (UTC) on which it is accepted, such as `2027-12-31`; default: never",
    )

    @property
    def key_bytes(self) -> bytes:
        """The public key itself, 32 bytes."""
        return base64.b64decode(self.public_key)

    def allows_verb(self, verb: str) -> bool:
        """Whether it may use a verb."""
        return any(covers(pattern, verb) for pattern in self.verbs)

    def allows_group(self, group: str | None) -> bool:
        """Whether it may command through a group; None is the device itself, `*` all devices at once."""
        return group is None or ANY in self.groups or group in self.groups

    def valid_on(self, day: dt.date) -> bool:
        """Whether it has not expired before a day, UTC."""
        return self.expires is None or day <= self.expires


Keys = dict[Id, KeyConfig]


def covers(pattern: str, verb: str) -> bool:
    """Whether a verb is one of those that a pattern names."""
    return verb.startswith(pattern[:-1]) if pattern.endswith(ANY) else verb == pattern
