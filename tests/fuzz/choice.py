"""Structure out of bytes: what a fuzzer changes in the bytes changes something in the tree."""

import json
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import msgpack

_T = TypeVar("_T")

WORDS = (
    *(
        "id",
        "args",
        "expires",
        "if_revision",
        "stream",
        "source",
        "backend",
        "fps",
        "hwaccel",
        "loop",
        "paused",
    ),
    *("rtsp_transport", "open_timeout_s", "read_timeout_s", "kind", "streams", "frame_count", "frame_step"),
    *(
        "interval",
        "keyframes",
        "size",
        "pixel_format",
        "workers",
        "timeout_s",
        "init_timeout_s",
        "memory_max",
    ),
    *(
        "restarts_per_hour",
        "on_crash",
        "params",
        "quality",
        "max_width",
        "level",
        "for_s",
        "door",
        "movement",
    ),
    *(
        "motion",
        "*",
        "pyav",
        "opencv",
        "tcp",
        "udp",
        "auto",
        "only",
        "never",
        "bgr24",
        "nv12",
        "debug",
        "keep",
    ),
    *(
        "rtsp://10.0.0.5/1",
        "rtsp://u:p@10.0.0.5/1",
        "rtsp://{secret:x}@camera.example.org/",
        "file:///a/../b",
    ),
    *("/nowhere/media/x", "usb:/dev/video0", "test://scene", "http://[::1]:0/", "rtsp://10.0.0.5:99999/"),
    *(
        "exec:ls",
        "rtsp://\u0661.1.1.1/",
        "http://0x7f.1/",
        "..",
        "",
        "\0",
        "\ud800",
        "\u202e",
        "é",
        "x" * 65,
        "y" * 2049,
    ),
)
NUMBERS = (0, 1, -1, 2, 255, 256, 8192, 1 << 31, (1 << 63) - 1, 1 << 63, 1 << 64, -(1 << 63), -(1 << 63) - 1)
FLOATS = (0.0, -0.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
TOP = 2  # the depth at which trees are put into requests; lists in lists would grow beyond all bounds
MAX_DEPTH = 40


class Choice:
    """Reads decisions off bytes; when they are used up, each is the first of its kind."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """0 to 255."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def of(self, options: Sequence[_T]) -> _T:
        """One of at most 256 options."""
        return options[self.byte() % len(options)]

    def take(self, count: int) -> bytes:
        """At most so many."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def rest(self) -> bytes:
        """All that was not used."""
        return self.take(len(self._data))

    def text(self) -> str:
        """A word that is known, or any, half characters among them."""
        if self.byte() % 4:
            return self.of(WORDS)
        return self.take(self.byte() % 24).decode("utf-8", "surrogateescape")

    def tree(self, depth: int = 0) -> Any:  # noqa: ANN401, PLR0911 - any tree
        """Any tree of plain values, and of values that are not plain enough."""
        match self.byte() % 12 if depth < MAX_DEPTH else 0:
            case 0 | 1 | 2:
                return self.text()
            case 3:
                return self.of(NUMBERS)
            case 4:
                return self.of(FLOATS)
            case 5:
                return self.of((None, True, False))
            case 6:
                return struct.unpack("<d", self.take(8).ljust(8, b"\0"))[0]
            case 7:
                return [self.tree(depth + 1)] * self.of((0, 1, 2, 5, 100, 5000) if depth == TOP else (0, 1))
            case 8 | 9:
                return [self.tree(depth + 1) for _ in range(self.byte() % 5)]
            case _:
                return {self.text(): self.tree(depth + 1) for _ in range(self.byte() % 6)}

    def changed(self, tree: Any) -> Any:  # noqa: ANN401 - any tree
        """A tree with some of its parts replaced, left out or added."""
        if not isinstance(tree, dict):
            return tree if self.byte() % 4 else self.tree(TOP)
        changed = {}
        for key, value in tree.items():
            match self.byte() % 12:
                case 1:
                    continue
                case 2:
                    changed[self.text()] = value
                case 3:
                    changed[key] = self.tree(TOP)
                case _:
                    changed[key] = self.changed(value)
        for _ in range(self.byte() % 3):
            changed[self.text()] = self.tree(TOP)
        return changed

    def packed(self, tree: Any) -> bytes:  # noqa: ANN401 - any tree
        """As msgpack or JSON, at times with a piece cut off or put in."""
        payload = as_json(tree) if self.byte() % 2 else as_msgpack(tree)
        match self.byte() % 8:
            case 1:
                return payload[: len(payload) * self.byte() // 256]
            case 2:
                at = len(payload) * self.byte() // 256
                return payload[:at] + self.take(4) + payload[at:]
            case 3:
                at = len(payload) * self.byte() // 256
                return payload[:at] + self.take(1) + payload[at + 1 :]
            case _:
                return payload


def as_json(tree: Any) -> bytes:  # noqa: ANN401 - any tree
    """JSON, and what other writers of JSON write: NaN, and half characters as they are."""
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")


def as_msgpack(tree: Any) -> bytes:  # noqa: ANN401 - any tree
    """msgpack, with strings that are none, extensions and times where it cannot say a number."""
    packer = msgpack.Packer(unicode_errors="surrogatepass", default=_otherwise, autoreset=True)
    return bytes(packer.pack(_narrow(tree)))


def _narrow(tree: Any) -> Any:  # noqa: ANN401 - any tree
    """Numbers that msgpack has not become what it alone has."""
    match tree:
        case dict():
            return {key: _narrow(value) for key, value in tree.items()}
        case list():
            return [_narrow(value) for value in tree]
        case bool():
            return tree
        case int() if not -(1 << 63) <= tree < (1 << 64):
            return msgpack.Timestamp(1 << 33, 5) if tree > 0 else msgpack.ExtType(5, b"x" * (-tree % 17))
    return tree


def _otherwise(value: object) -> object:
    return repr(value)
