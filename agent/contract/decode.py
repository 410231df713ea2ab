"""Reading what came over the network, within limits: JSON or msgpack, never more than plain values."""

import json
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import msgpack

from agent.errors import VedetteError

Codec = Literal["json", "msgpack"]

JSON_TYPE = "application/json"
MSGPACK_TYPE = "application/vnd.msgpack"
CONTENT_TYPES: dict[Codec, str] = {"json": JSON_TYPE, "msgpack": MSGPACK_TYPE}


class PayloadError(VedetteError, ValueError):
    """A payload that cannot be read, or goes beyond the limits; its sender acts."""

    code = "payload"


class OversizedError(PayloadError):
    """A payload of too many bytes; nothing of it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a payload may be, and how deep and wide what is in it; the same for both codecs."""

    payload_bytes: int
    depth: int
    items: int  # in one list or map
    values: int  # in all lists and maps together, these among them
    text_bytes: int  # one str or bin

    def with_payload(self, payload_bytes: int) -> "Limits":
        """These, for payloads of at most so many bytes."""
        return Limits(
            payload_bytes=payload_bytes,
            depth=self.depth,
            items=self.items,
            values=self.values,
            text_bytes=min(self.text_bytes, payload_bytes),
        )


# With 1024 levels, msgpack's own bound, and no bound on items, a payload of 256 KiB can claim gigabytes:
# its decoder allocates a list as long as its header says.
COMMAND_LIMITS = Limits(payload_bytes=262_144, depth=16, items=4096, values=32_768, text_bytes=65_536)
RESULT_LIMITS = Limits(payload_bytes=16 << 20, depth=64, items=1 << 20, values=16 << 20, text_bytes=16 << 20)


def codec_of(payload: bytes) -> Codec:
    """JSON when the first byte that is no space is `{`, which starts no msgpack map; else msgpack."""
    return "json" if payload.lstrip(b" \t\r\n").startswith(b"{") else "msgpack"


def unpack(payload: bytes, limits: Limits = RESULT_LIMITS) -> Any:  # noqa: ANN401  any tree
    """The plain tree in a msgpack or JSON payload; PayloadError, OversizedError.

    msgpack extension types and JSON's NaN and infinities are refused.
    """
    if len(payload) > limits.payload_bytes:
        raise OversizedError(f"{len(payload)} bytes, more than the {limits.payload_bytes} that are allowed")
    tree = _from_json(payload) if codec_of(payload) == "json" else _from_msgpack(payload, limits)
    _check_shape(tree, limits)
    return tree


def _from_msgpack(payload: bytes, limits: Limits) -> Any:  # noqa: ANN401  any tree
    try:
        return msgpack.unpackb(
            payload,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_extension,
            max_str_len=limits.text_bytes,
            max_bin_len=limits.text_bytes,
            max_array_len=limits.items,
            max_map_len=limits.items,
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError) as err:  # all that msgpack raises on bad input
        reason = str(err) or type(err).__name__
        raise PayloadError(f"not readable as msgpack: {reason}") from err


def _from_json(payload: bytes) -> Any:  # noqa: ANN401  any tree
    try:
        return json.loads(payload.decode(), parse_constant=_refuse_constant)  # UTF-16 is no JSON to others
    except (ValueError, RecursionError) as err:
        raise PayloadError(f"not readable as JSON: {err}") from err


def _refuse_extension(code: int, _data: bytes) -> NoReturn:
    raise ValueError(f"extension type {code}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_shape(tree: object, limits: Limits) -> None:
    """Level by level, so that a deep tree cannot exhaust the stack here."""
    level, values = [tree], 0
    for _ in range(limits.depth + 1):
        values += len(level)
        if values > limits.values:
            raise PayloadError(f"more than {limits.values} values in all")
        containers = [node for node in level if isinstance(node, dict | list)]
        if any(len(node) > limits.items for node in containers):
            raise PayloadError(f"a list or map of more than {limits.items} items")
        if any(_too_long(node, limits.text_bytes) for node in level):
            raise PayloadError(f"a text of more than {limits.text_bytes} bytes")
        level = [
            child
            for node in containers
            for child in ((*node, *node.values()) if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise PayloadError(f"more than {limits.depth} levels deep")


def _too_long(leaf: object, text_bytes: int) -> bool:
    """Whether a text has more bytes; a character has at most four."""
    return (
        isinstance(leaf, str)
        and 4 * len(leaf) > text_bytes
        and len(leaf.encode("utf-8", "surrogatepass")) > text_bytes
    )
