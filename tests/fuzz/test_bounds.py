"""The worst that a payload of full size can do: how long it takes, and how much memory."""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator

import msgpack
import pytest

from agent.contract.decode import COMMAND_LIMITS
from tests.fuzz.door import Door, command

SIZE = COMMAND_LIMITS.payload_bytes
# Each takes a hundredth of it on a machine that does nothing else; what was quadratic took a minute.
MAX_S = 3.0
MAX_MEMORY = 64 << 20


def filled(unit: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + unit * ((SIZE - len(before) - len(after)) // len(unit)) + after


def keyed(template: str, before: str, after: str, most: int = 4000) -> bytes:
    """A JSON map of many keys, each another."""
    keys = [template % number for number in range(min(most, SIZE // (len(template) + 5)))]
    return (before + ",".join(keys) + after).encode()


def with_args(args: object) -> bytes:
    return json.dumps({"id": "a", "args": args}).encode()


ARGS, END = b'{"id":"a","args":{"x":', b"}}"
ALGORITHM = {"id": "x", "kind": "motion"}
CLASSES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "lists in lists": ("ping", lambda: filled(b"[", ARGS)),
    "maps in maps": ("ping", lambda: filled(b'{"x":', b'{"id":"a","args":')),
    "closed lists in lists": ("ping", lambda: ARGS + b"[" * 900 + b"]" * 900 + END),
    "empty lists": ("ping", lambda: filled(b"[],", ARGS + b"[", b"[]]" + END)),
    "many lists of many": (
        "ping",
        lambda: ARGS + b"[" + b",".join([b"[" + b",".join([b"0"] * 4000) + b"]"] * 30) + b"]" + END,
    ),
    "one long whole number": ("ping", lambda: filled(b"9", ARGS, END)),
    "whole numbers of 4299 digits": ("ping", lambda: filled(b"9" * 4299 + b",", ARGS + b"[", b"1]" + END)),
    "one long fraction": ("ping", lambda: filled(b"9", ARGS + b"1.", END)),
    "one long exponent": ("ping", lambda: filled(b"9", ARGS + b"1e", END)),
    "the same key": ("ping", lambda: filled(b'"args":{},', b'{"id":"a",', b'"args":{}}')),
    "unknown keys": ("ping", lambda: keyed('"fps%d":1', '{"id":"a",', "}")),
    "unknown arguments": ("stream.add", lambda: keyed('"fps%d":1', '{"id":"a","args":{', "}}")),
    "long unknown arguments": (
        "algorithm.add",
        lambda: keyed('"restarts_per_hour_init_timeout_s_%030d":1', '{"id":"a","args":{', "}}", most=3800),
    ),
    "streams that are none": ("algorithm.add", lambda: with_args(ALGORITHM | {"streams": [1] * 4000})),
    "streams that are not there": (
        "algorithm.add",
        lambda: with_args(ALGORITHM | {"streams": ["s" * 50 + f"{number:04}" for number in range(1000)]}),
    ),
    "parameters": (
        "algorithm.add",
        lambda: keyed('"p%d":[[]]', '{"id":"a","args":{"id":"x","kind":"motion","params":{', "}}}"),
    ),
    "a long source": ("stream.add", lambda: with_args({"id": "x", "source": "rtsp://" + "a" * 60_000})),
    "URLs in a key": ("stream.add", lambda: with_args({"://a:b@" * 9000: 1})),
    "queries in a key": ("stream.add", lambda: with_args({"?pass" * 12_000: 1})),
    "escapes": ("ping", lambda: filled(b"\\ud800", ARGS + b'"', b'"' + END)),
    "msgpack lists in lists": ("ping", lambda: filled(b"\x91")),
    "msgpack lists that claim much": ("ping", lambda: filled(b"\xdc\x10\x00")),
    "msgpack maps that claim much": ("ping", lambda: filled(b"\xde\x10\x00\xa1a")),
    "msgpack empty maps": ("ping", lambda: msgpack.packb({"id": "a", "args": {"x": [[{}] * 4000] * 60}})),
    "msgpack a map that claims more": ("ping", lambda: b"\xdf\xff\xff\xff\xff"),
    "msgpack a text that claims more": ("ping", lambda: b"\xdb\xff\xff\xff\xff"),
}


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as door:
        for number in range(30):  # names that are nearly asked for
            door.send(
                command(
                    "stream.add",
                    json.dumps(
                        {
                            "id": f"n{number}",
                            "args": {"id": "s" * 50 + f"x{number:03}", "source": "test://scene"},
                        }
                    ).encode(),
                )
            )
        yield door


@pytest.mark.parametrize("name", CLASSES)
def test_the_worst_payloads_take_bounded_time_and_memory(name: str, door: Door) -> None:
    verb, make = CLASSES[name]
    payload = make()
    assert len(payload) <= SIZE
    began_s = time.process_time()
    reply = door.send(command(verb, payload))
    took_s = time.process_time() - began_s
    assert reply is not None
    assert took_s < MAX_S
    tracemalloc.start()
    try:
        door.send(command(verb, payload))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_MEMORY


def test_what_is_one_byte_too_long_is_not_read(door: Door) -> None:
    reply = door.send(command("ping", b"[" * (SIZE + 1)))
    assert reply is not None
    assert reply["code"] == 413
