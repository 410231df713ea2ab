"""Signed commands as a dashboard would make them: with the library, and without the agent's own code."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OPS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


def public(key: Ed25519PrivateKey) -> str:
    """As agent.toml has it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def envelope(
    topic: str, request: bytes, *, key: Ed25519PrivateKey = OPS, name: str = "ops"
) -> dict[str, str | bytes]:
    """The envelope around a request, for msgpack."""
    signature = key.sign(b"vedette-command-v1\n" + name.encode() + b"\n" + topic.encode() + b"\n" + request)
    return {"signed": request, "key": name, "sig": signature}


def sealed(
    topic: str, request: bytes, *, key: Ed25519PrivateKey = OPS, name: str = "ops", codec: str = "json"
) -> bytes:
    """The payload of a signed command."""
    made = envelope(topic, request, key=key, name=name)
    if codec == "msgpack":
        packed: bytes = msgpack.packb(made)
        return packed
    texts = {
        "signed": request.decode(),
        "key": name,
        "sig": base64.b64encode(bytes(made["sig"])).decode(),  # type: ignore[arg-type]
    }
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()


def request(
    id: str,  # noqa: A002 - the contract's name
    *,
    expires: int | None,
    args: Mapping[str, Any] | None = None,
    **fields: object,
) -> bytes:
    """The bytes of a request."""
    tree: dict[str, object] = {"id": id, "args": dict(args or {}), **fields}
    if expires is not None:
        tree["expires"] = expires
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
