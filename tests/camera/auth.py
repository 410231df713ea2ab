"""Basic and Digest authentication as RTSP cameras do it (RFC 2617 without `qop`)."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Literal

AuthScheme = Literal["basic", "digest"]
REALM = "test camera"
_FIELD = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may watch, and how the camera wants to be told."""

    user: str
    password: str
    scheme: AuthScheme = "digest"

    def challenge(self, nonce: str) -> str:
        """The value of WWW-Authenticate."""
        if self.scheme == "basic":
            return f'Basic realm="{REALM}"'
        return f'Digest realm="{REALM}", nonce="{nonce}"'

    def allows(self, header: str, method: str, nonce: str) -> bool:
        """Whether the value of Authorization proves knowledge of the password."""
        scheme, _, rest = header.partition(" ")
        if scheme.lower() != self.scheme:
            return False
        if self.scheme == "basic":
            expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return secrets.compare_digest(rest.strip().encode(), expected.encode())
        fields = dict(_FIELD.findall(rest))
        whole = _md5(_md5(self.user, REALM, self.password), nonce, _md5(method, fields.get("uri", "")))
        return (
            fields.get("username") == self.user
            and fields.get("nonce") == nonce
            and secrets.compare_digest(fields.get("response", "").encode(), whole.encode())
        )


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()
