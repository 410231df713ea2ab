"""What an algorithm may return, as msgpack and as JSON: any tree of plain values, numpy among them.

Plain values: None, bool, int (64 bit), float, str, bytes, list, tuple, set, dict (keys str or int; int
keys become str), enum members, pydantic models and dataclasses (both become maps of their fields).
numpy: scalars become plain numbers. Arrays of at most ARRAY_ITEMS items become nested lists, those of
float16 and float32 packed as single floats; larger ones become the map
`{"__nd__": 1, "dtype": "<f4", "shape": [...], "data": <bytes, little endian, C order>}`.
Not msgpack-numpy: its decoder unpickles, and JavaScript cannot read it.
JSON has no bytes, no NaN and no infinities: bytes become `{"__bin__": "<base64>"}`, the others null.
"""

import base64
import binascii
import enum
import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import msgpack
import numpy as np
from pydantic import BaseModel

from agent.errors import VedetteError

ARRAY_ITEMS = 4096  # an array of more items travels as a map with its bytes
MAX_DEPTH = 32  # containers within containers
MAX_DATA_BYTES = 8 << 20

_LEAVES = frozenset({type(None), bool, int, float, str, bytes})
_JSON_LEAVES = frozenset({type(None), bool, int, str})
_STRINGS = frozenset({str})
_SINGLE = frozenset({"f2", "f4"})
_ARRAY_MAP_KEYS = frozenset({"__nd__", "dtype", "shape", "data"})


class UnpackableError(VedetteError, ValueError):
    """An algorithm returned what cannot travel; its author acts. Names the path within the result."""

    code = "unpackable"

    def __init__(self, problem: str, steps: tuple[str, ...] = ()) -> None:
        super().__init__(f"result{''.join(steps)}: {problem}")
        self.problem = problem
        self.steps = steps

    def below(self, step: str) -> "UnpackableError":
        """The same, seen from one container further up."""
        return UnpackableError(self.problem, (step, *self.steps))


def pack_data(value: object, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_DATA_BYTES) -> bytes:
    """`value` as msgpack by the rules above; UnpackableError says what cannot be packed, and where."""
    writer = _Writer(max_depth, max_bytes)
    writer.write(value, 0)
    return bytes(writer.out)


def json_data(value: object, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_DATA_BYTES) -> bytes:
    """`value` as JSON by the rules above (no spaces, UTF-8); UnpackableError as `pack_data`."""
    text = json.dumps(_jsonable(value, 0, max_depth, max_bytes), ensure_ascii=False, separators=(",", ":"))
    try:
        data = text.encode()
    except UnicodeEncodeError as err:
        raise UnpackableError("a text with a lone surrogate") from err
    if len(data) > max_bytes:
        raise UnpackableError(f"{len(data)} bytes of JSON, more than {max_bytes}")
    return data


def decode_data(value: Any) -> Any:  # noqa: ANN401  any tree
    """The unpacked tree with its `__nd__` maps as numpy arrays, `__bin__` maps as bytes.

    A map that is not exactly of that form stays as it is.
    """
    if isinstance(value, list):
        return [decode_data(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"__bin__"} and isinstance(value["__bin__"], str):
        data = _from_base64(value["__bin__"])
        return value if data is None else data
    if value.keys() == _ARRAY_MAP_KEYS:
        array = _array_of(value)
        return value if array is None else array
    return {key: decode_data(item) for key, item in value.items()}


class _Writer:
    """Packs one tree; whole lists and maps of plain values go through msgpack's C code at once."""

    def __init__(self, max_depth: int, max_bytes: int) -> None:
        self.out = bytearray()
        self._max_depth = max_depth
        self._max_bytes = max_bytes
        self._packer = msgpack.Packer()

    def write(self, value: object, depth: int) -> None:
        value = _plain(value)
        kind = type(value)
        if kind in _LEAVES:
            self._leaf(value)
        elif depth >= self._max_depth:
            raise UnpackableError(f"more than {self._max_depth} levels deep")
        elif isinstance(value, dict):
            self._map(value, depth)
        elif isinstance(value, np.ndarray):
            self._array(value)
        elif isinstance(value, list | tuple):
            self._list(value, depth)
        else:
            raise UnpackableError(f"{_name(kind)} cannot be packed")
        if len(self.out) > self._max_bytes:
            raise UnpackableError(f"more than {self._max_bytes} bytes")

    def _leaf(self, value: object) -> None:
        try:
            self.out += self._packer.pack(value)
        except OverflowError as err:
            raise UnpackableError("an int of more than 64 bits") from err
        except UnicodeEncodeError as err:
            raise UnpackableError("a text with a lone surrogate") from err

    def _whole(self, value: object) -> bool:
        """Pack a container of leaves at once; False when one of them cannot be packed."""
        try:
            self.out += self._packer.pack(value)
        except (OverflowError, UnicodeEncodeError):
            return False  # item by item, the error gets its path
        return True

    def _list(self, items: list[Any] | tuple[Any, ...], depth: int) -> None:
        if _LEAVES.issuperset(map(type, items)) and self._whole(items):
            return
        self.out += self._packer.pack_array_header(len(items))
        for index, item in enumerate(items):
            try:
                self.write(item, depth + 1)
            except UnpackableError as err:
                raise err.below(f"[{index}]") from err.__cause__

    def _map(self, items: dict[Any, Any], depth: int) -> None:
        if (
            _STRINGS.issuperset(map(type, items))
            and _LEAVES.issuperset(map(type, items.values()))
            and self._whole(items)
        ):
            return
        named = {_key(key): item for key, item in items.items()}  # 1 and "1" are one key, as in JSON
        self.out += self._packer.pack_map_header(len(named))
        for text, item in named.items():
            self._leaf(text)
            try:
                self.write(item, depth + 1)
            except UnpackableError as err:
                raise err.below(f".{text}") from err.__cause__

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        if array.nbytes > self._max_bytes:
            raise UnpackableError(f"an array of {array.nbytes} bytes, more than {self._max_bytes}")
        if array.size <= ARRAY_ITEMS or array.dtype.kind == "U":
            single = array.dtype.str[1:] in _SINGLE
            self.out += msgpack.packb(array.tolist(), use_single_float=single)
        else:
            dtype, shape, data = _array_parts(array)
            self.out += self._packer.pack({"__nd__": 1, "dtype": dtype, "shape": shape, "data": data})


def _jsonable(  # noqa: C901, PLR0911  one branch a type
    value: object, depth: int, max_depth: int, max_bytes: int
) -> object:
    """The tree that `json.dumps` writes; the twin of `_Writer.write`."""
    value = _plain(value)
    kind = type(value)
    if kind in _JSON_LEAVES:
        if isinstance(value, int) and not -(1 << 63) <= value < (1 << 64):
            raise UnpackableError("an int of more than 64 bits")
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return {"__bin__": _base64(value, max_bytes)}
    if depth >= max_depth:
        raise UnpackableError(f"more than {max_depth} levels deep")
    if isinstance(value, np.ndarray):
        if value.nbytes > max_bytes:
            raise UnpackableError(f"an array of {value.nbytes} bytes, more than {max_bytes}")
        if value.size <= ARRAY_ITEMS or value.dtype.kind == "U":
            return _without_nan(value.tolist())
        dtype, shape, data = _array_parts(value)
        return {"__nd__": 1, "dtype": dtype, "shape": shape, "data": _base64(data, max_bytes)}
    if isinstance(value, dict):
        named = {_key(key): item for key, item in value.items()}
        return {key: _item(f".{key}", item, depth, max_depth, max_bytes) for key, item in named.items()}
    if isinstance(value, list | tuple):
        return [_item(f"[{i}]", item, depth, max_depth, max_bytes) for i, item in enumerate(value)]
    raise UnpackableError(f"{_name(kind)} cannot be packed")


def _item(step: str, value: object, depth: int, max_depth: int, max_bytes: int) -> object:
    """One item of a container, for JSON; `step` is its place in the path of an error."""
    try:
        return _jsonable(value, depth + 1, max_depth, max_bytes)
    except UnpackableError as err:
        raise err.below(step) from err.__cause__


def _plain(value: object) -> object:  # noqa: PLR0911  one line a type
    """One step towards plain: a leaf, a list, a tuple, a dict or an array that can travel; else as it is."""
    kind = type(value)
    if kind in _LEAVES or kind is list or kind is dict or kind is tuple:
        return value
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, np.generic | np.ndarray):
        return _plain_numpy(value)
    if isinstance(value, BaseModel):
        return dict(value)  # its fields, one level: no foreign serializer runs here
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, set | frozenset):
        return _ordered(value)
    if isinstance(value, int | float | str | bytes):  # subclasses of plain types count as these
        return _base_of(value)
    return value


def _base_of(value: float | str | bytes) -> object:
    match value:
        case int():
            return int(value)
        case float():
            return float(value)
        case str():
            return str(value)
        case bytes():
            return bytes(value)


def _plain_numpy(value: "np.generic | np.ndarray[Any, Any]") -> object:
    """A number for a scalar or an array without dimensions; an array stays one; UnpackableError."""
    if value.dtype.kind not in "biufU":
        raise UnpackableError(f"a numpy value of dtype {value.dtype} cannot be packed")
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:  # noqa: PLR2004  float128 is no wire type
        value = value.astype(np.float64)
    return value if value.ndim else value.item()


def _ordered(items: "set[Any] | frozenset[Any]") -> list[Any]:
    """A set as a list, in an order that is the same in each process."""
    kinds = set(map(type, items))
    if len(kinds) == 1 and kinds <= _LEAVES - {type(None)}:
        return sorted(items)
    return sorted(items, key=pack_data)


def _key(key: object) -> str:
    if isinstance(key, str):
        return str(key.value) if isinstance(key, enum.Enum) else str(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return str(int(key))
    raise UnpackableError(f"a map key of type {_name(type(key))}; keys are str or int")


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _array_parts(array: np.ndarray[Any, Any]) -> tuple[str, list[int], bytes]:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.dtype.str, list(little.shape), little.tobytes()


def _without_nan(value: Any) -> Any:  # noqa: ANN401  nested lists of any depth
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _base64(data: bytes, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise UnpackableError(f"{len(data)} bytes, more than {max_bytes}")
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _array_of(parts: dict[str, Any]) -> "np.ndarray[Any, Any] | None":
    """The array of an `__nd__` map; None when it is none."""
    data = _from_base64(parts["data"]) if isinstance(parts["data"], str) else parts["data"]
    shape = parts["shape"]
    if not isinstance(data, bytes) or not isinstance(shape, list) or not isinstance(parts["dtype"], str):
        return None
    try:
        dtype = np.dtype(parts["dtype"])
        if dtype.kind not in "biuf":  # never object: it would hold pointers from the network
            return None
        return np.frombuffer(data, dtype=dtype).reshape([int(extent) for extent in shape])
    except (TypeError, ValueError):
        return None
