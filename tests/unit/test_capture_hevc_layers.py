"""Temporal layers, read from parameter sets as encoders write them."""

import pytest

from agent.capture.hevc_layers import one_layer

HVCC = bytes.fromhex("0101600000009000000000005df000fcfdf8f800000f")
VPS = bytes.fromhex("40010c01ffff016000000300900000030000030078959809")


@pytest.mark.parametrize(
    ("extradata", "expected"),
    [
        (HVCC, True),
        (HVCC[:21] + bytes([HVCC[21] & ~0x38 | 2 << 3]), False),
        (HVCC[:21] + bytes([HVCC[21] & ~0x38]), False),  # 0: not said
        (HVCC[:10], False),
        (b"\0\0\0\1" + VPS, True),
        (b"\0\0\1" + VPS[:3] + bytes([VPS[3] | 2]) + VPS[4:], False),
        (b"\0\0\1" + VPS[:2], False),
        (b"", False),
        (b"\0\0\1\x42\x01\x01", False),  # other units only
    ],
)
def test_one_layer_only_where_it_is_said(extradata: bytes, *, expected: bool) -> None:
    assert one_layer(extradata) is expected
