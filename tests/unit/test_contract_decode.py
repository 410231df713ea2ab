"""What may come in a payload, the same in both codecs: one step within each limit, and one beyond."""

import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from agent.contract.decode import Limits, PayloadError, unpack

LIMITS = Limits(payload_bytes=10_000, depth=3, items=5, values=12, text_bytes=8)
PACKERS: dict[str, Callable[[Any], bytes]] = {
    "json": lambda tree: json.dumps(tree, ensure_ascii=False).encode(),
    "msgpack": msgpack.packb,
}

TREES: list[tuple[Any, str | None]] = [
    ({"a": [[1]]}, None),
    ({"a": [[[1]]]}, "3 levels"),
    ({"a": [1] * 5}, None),
    ({"a": [1] * 6}, "5 items|max_array_len"),
    ({str(number): 1 for number in range(5)}, None),
    ({str(number): 1 for number in range(6)}, "5 items|max_map_len"),
    ({"a": [1, 2, 3, 4], "b": [1, 2, 3]}, None),  # the map, two keys, two lists, seven numbers
    ({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}, "12 values"),
    ({"a": "x" * 8}, None),
    ({"a": "x" * 9}, "8 bytes|max_str_len"),
    ({"a": "é" * 4}, None),
    ({"a": "é" * 5}, "8 bytes|max_str_len"),
    ({"x" * 8: 1}, None),
    ({"x" * 9: 1}, "8 bytes|max_str_len"),
]


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize(("tree", "problem"), TREES)
def test_limits_are_the_same_in_both_codecs(tree: object, problem: str | None, codec: str) -> None:
    payload = PACKERS[codec](tree)
    if problem is None:
        assert unpack(payload, LIMITS) == tree
    else:
        with pytest.raises(PayloadError, match=problem):
            unpack(payload, LIMITS)


@pytest.mark.parametrize(
    "payload",
    [
        '{"id":"a"}'.encode("utf-16-le"),  # begins with { too
        '\ufeff{"id":"a"}'.encode(),
        b'{"id":"\xff"}',
        b'{"id":' + b"9" * 4301 + b"}",
        b"[" * 10_000,
        b'{"id":' + b"[" * 9000,
        b'{"id":NaN}',
        b'{"id":-Infinity}',
        b"\xc1",
        b"\x81\xa2id",
        b"\x80\x80",
        b"\x81\xa2id\xd6\xff\x00\x00\x00\x01",  # a time
        b"\x81\xa2id\xd4\x01x",
        b"\x81\xa1\xff\x01",
        b"\x81\x01\x01",
        b"\x91" * 2000,
    ],
)
def test_what_is_no_payload_is_said_to_be_none(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        unpack(payload, Limits(payload_bytes=10_000, depth=16, items=100, values=1000, text_bytes=1000))
