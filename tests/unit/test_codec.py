"""What algorithms may return, packed and read back."""

import dataclasses
import datetime as dt
import enum
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack
import numpy as np
import pytest
from pydantic import BaseModel

from agent.contract.codec import ARRAY_ITEMS, UnpackableError, decode_data, json_data, pack_data
from agent.contract.decode import COMMAND_LIMITS, OversizedError, PayloadError, codec_of, unpack
from agent.contract.result import ResultHead, json_result, pack_result, unpack_result


class Level(enum.IntEnum):
    HIGH = 3


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: float


class Box(BaseModel):
    xyxy: tuple[int, int, int, int]
    score: float


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    left: Any
    right: Any


PLAIN: dict[str, tuple[object, object]] = {
    "nothing": (None, None),
    "truth": ([True, False], [True, False]),
    "ints": ([0, -1, 2**63, -(2**63), 2**64 - 1], [0, -1, 2**63, -(2**63), 2**64 - 1]),
    "float stays double": (0.1, 0.1),
    "text": ("Tür 🚪", "Tür 🚪"),
    "tuple": ((1, (2, 3)), [1, [2, 3]]),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "set of unlike things": (frozenset({"b", 1}), [1, "b"]),
    "int keys": ({1: "a", np.int64(2): "b"}, {"1": "a", "2": "b"}),
    "ordered": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "enums": ([Level.HIGH, Colour.RED, {Colour.RED.value: 1}], [3, "red", {"red": 1}]),
    "named tuple": (Point(1, 2.5), [1, 2.5]),
    "pydantic": (Box(xyxy=(1, 2, 3, 4), score=0.5), {"xyxy": [1, 2, 3, 4], "score": 0.5}),
    "dataclass": (Pair(1, Pair(np.uint8(2), None)), {"left": 1, "right": {"left": 2, "right": None}}),
    "numpy scalars": (
        [np.float32(0.5), np.float64(0.1), np.int8(-3), np.uint64(2**64 - 1), np.bool_(1), np.str_("x")],
        [0.5, 0.1, -3, 2**64 - 1, True, "x"],
    ),
    "array without dimensions": (np.array(7), 7),
    "empty array": (np.empty((0, 4)), []),
    "array of floats": (np.array([[0.5, 1.5]], "f4"), [[0.5, 1.5]]),
    "array of doubles is exact": (np.array([1.7e9 + 0.125, 1e300]), [1.7e9 + 0.125, 1e300]),
    "array of bools": (np.array([True, False]), [True, False]),
    "array of texts": (np.array(["a", "bc"]), ["a", "bc"]),
    "array in tree": ({"boxes": [{"box": np.arange(4)}]}, {"boxes": [{"box": [0, 1, 2, 3]}]}),
    "long double": (np.longdouble(0.5), 0.5),
}


@pytest.mark.parametrize(("value", "wanted"), PLAIN.values(), ids=PLAIN.keys())
def test_plain_values_come_back_from_both_codecs(value: object, wanted: object) -> None:
    packed = unpack(pack_data(value))
    assert packed == wanted
    assert str(packed) == str(wanted)  # True is not 1, 1 is not 1.0
    assert json.loads(json_data(value)) == wanted


def test_float32_arrays_are_single_floats_and_doubles_are_not() -> None:
    assert len(pack_data(np.zeros(10, "f4"))) == 1 + 10 * 5
    assert len(pack_data(np.zeros(10, "f8"))) == 1 + 10 * 9
    assert len(pack_data([0.1] * 10)) == 1 + 10 * 9


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "|u1", ">i2", "|b1", "<u8"])
def test_large_arrays_travel_as_bytes(dtype: str) -> None:
    array = (np.arange(ARRAY_ITEMS + 2) % 2).astype(dtype).reshape(2, -1)[:, ::-1]
    for tree in (unpack(pack_data({"a": array})), json.loads(json_data({"a": array}))):
        assert tree["a"]["__nd__"] == 1
        assert tree["a"]["dtype"].lstrip("<|") == dtype.lstrip("<>|")  # always little endian
        back = decode_data(tree)["a"]
        assert back.shape == array.shape
        assert np.array_equal(back, array)


def test_arrays_at_the_border() -> None:
    assert isinstance(unpack(pack_data(np.zeros(ARRAY_ITEMS, "u1"))), list)
    assert isinstance(unpack(pack_data(np.zeros(ARRAY_ITEMS + 1, "u1"))), dict)


def test_json_has_no_nan_and_no_bytes() -> None:
    value = {"a": math.nan, "b": [math.inf, -math.inf], "c": np.array([1.0, np.nan]), "d": b"\x00\xff"}
    tree = json.loads(json_data(value))
    assert tree == {"a": None, "b": [None, None], "c": [1.0, None], "d": {"__bin__": "AP8="}}
    assert decode_data(tree)["d"] == b"\x00\xff"
    assert math.isnan(unpack(pack_data(value))["a"])


@pytest.mark.parametrize(
    "fake",
    [
        {"__nd__": 1, "dtype": "O", "shape": [1], "data": b"12345678"},
        {"__nd__": 1, "dtype": "<f4", "shape": [3], "data": b"1234"},
        {"__nd__": 1, "dtype": "nonsense", "shape": [1], "data": b"1234"},
        {"__nd__": 1, "dtype": "<f4", "shape": ["x"], "data": b"1234"},
        {"__nd__": 1, "dtype": "<f4", "shape": 1, "data": b"1234"},
        {"__nd__": 1, "dtype": "<f4", "shape": [1], "data": "no base64!"},
        {"__nd__": 1, "dtype": "<f4"},
        {"__bin__": 7},
    ],
)
def test_what_only_looks_like_an_array_stays_a_map(fake: dict[str, Any]) -> None:
    assert decode_data([fake]) == [fake]


def _deep(levels: int) -> object:
    return [] if levels == 0 else [_deep(levels - 1)]


_CYCLE: list[Any] = []
_CYCLE.append(_CYCLE)

REFUSED: dict[str, tuple[object, str]] = {
    "object": ({"boxes": [1, {"score": object()}]}, "result.boxes[1].score: object cannot be packed"),
    "date": ([dt.date(2026, 1, 1)], "result[0]: datetime.date cannot be packed"),
    "class": (Pair, "result: type cannot be packed"),
    "function": ({"f": len}, "result.f: builtin_function_or_method"),
    "complex": ({"a": 1j}, "result.a: complex"),
    "object array": ({"a": np.array([None])}, "result.a: a numpy value of dtype object"),
    "complex array": ({"a": np.zeros(2, "c8")}, "result.a: a numpy value of dtype complex64"),
    "datetime64": ([np.datetime64("2026-01-01")], "result[0]: a numpy value of dtype datetime64"),
    "structured": (np.zeros(1, [("a", "i4")]), "result: a numpy value of dtype"),
    "big int": ([1, 2**64], "result[1]: an int of more than 64 bits"),
    "surrogate": ({"name": ["\ud800"]}, "a text with a lone surrogate"),
    "float key": ({1.5: 1}, "result: a map key of type float"),
    "bool key": ({"x": {True: 1}}, "result.x: a map key of type bool"),
    "too deep": (_deep(40), "more than 32 levels deep"),
    "cycle": (_CYCLE, "more than 32 levels deep"),
    "large bytes": ({"raw": b"x" * ((8 << 20) + 1)}, "more than 8388608"),
    "large array": ({"raw": np.zeros((8 << 20) + 1, "u1")}, "result.raw: an array of 8388609 bytes"),
}


@pytest.mark.parametrize("pack", [pack_data, json_data])
@pytest.mark.parametrize(("value", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_travel_is_refused_with_its_path(
    pack: Callable[[object], bytes], value: object, problem: str
) -> None:
    with pytest.raises(UnpackableError) as caught:
        pack(value)
    assert problem in str(caught.value)


def test_the_sum_of_many_small_things_is_bounded_too() -> None:
    value = [["x" * 1000]] * 100
    assert unpack(pack_data(value)) == value
    for pack in (pack_data, json_data):
        with pytest.raises(UnpackableError, match="more than 50000"):
            pack(value, max_bytes=50_000)


HEAD = ResultHead(
    device="gate-7",
    epoch=3,
    seq=70_000,
    stream="door",
    algorithm="movement",
    kind="motion",
    version="1.0.0",
    frame=1500,
    pts=60.04,
    time=1_790_000_000_123_456,
    latency_ms=12.5,
    skipped=2,
)


def test_the_envelope_is_one_flat_map_around_the_data() -> None:
    value = {"boxes": np.array([[1, 2, 3, 4]]), "n": 1}
    tree = msgpack.unpackb(pack_result(HEAD, pack_data(value)))
    assert list(tree) == [
        *("v", "device", "epoch", "seq", "stream", "algorithm", "kind", "version"),
        *("frame", "pts", "time", "latency_ms", "skipped", "data"),
    ]
    assert tree == HEAD.fields() | {"data": {"boxes": [[1, 2, 3, 4]], "n": 1}}
    assert json.loads(json_result(HEAD, json_data(value))) == tree


def test_a_result_reads_back_and_what_is_none_is_refused() -> None:
    for payload in (pack_result(HEAD, pack_data([1])), json_result(HEAD, json_data([1]))):
        result = unpack_result(payload)
        assert (result.device, result.seq, result.time, result.data) == ("gate-7", 70_000, HEAD.time, [1])
    for payload in (b"", b"\x93\x01\x02\x03", b"{}", b"\x80"):
        with pytest.raises(PayloadError):
            unpack_result(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01\x01",  # more than one value
        b"\x81\xa1x",  # cut short
        b"\xdd\xff\xff\xff\xff",  # a list of 4 G items, says its header
        b"\xdf\xff\xff\xff\xff",
        b"\xd6\xff\x00\x00\x00\x01",  # a timestamp extension
        b"\xc7\x00\x05",
        b"\x81\x90\x01",  # a list as key
        b"\x81\x01\x01",  # an int as key
        b"\xa1\xff",  # no UTF-8
        b"\x91" * 5000,
        b"\x91" * 17 + b"\x01",
        b"{",
        b'{"a": NaN}',
        b'{"a": ' + b"[" * 100_000,
        b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"\xff": 1}',
    ],
)
def test_damaged_and_hostile_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        unpack(payload, COMMAND_LIMITS)


def test_oversized_payloads_are_not_read() -> None:
    with pytest.raises(OversizedError):
        unpack(b"{" * 11, COMMAND_LIMITS.with_payload(10))


def test_the_codec_shows_in_the_first_byte() -> None:
    assert codec_of(b' \r\n{"id": "1"}') == "json"
    assert codec_of(msgpack.packb({"id": "1"})) == "msgpack"
    assert codec_of(b"") == "msgpack"
