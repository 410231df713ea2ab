"""A wall clock for the processes under test, to be set wrong and right while they run."""

import mmap
import os
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

SHIFTED = Path(__file__).parent / "shifted"
ROOT = SHIFTED.parent.parent


class Clock:
    """Inside its `with`, the clock of all that is started with its `environment`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shared: mmap.mmap | None = None

    def __enter__(self) -> Self:
        self._path.write_bytes(struct.pack("d", 0.0))
        with self._path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._shared is not None
        self._shared.close()

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is to have this clock."""
        path = os.pathsep.join(map(str, (SHIFTED, ROOT)))
        return {"PYTHONPATH": path, "SHIFTED_CLOCK": str(self._path)}

    def now_us(self) -> int:
        """What it says: integer microseconds since the Unix epoch."""
        assert self._shared is not None
        (shift_s,) = struct.unpack("d", self._shared[:8])
        return int((time.time() + shift_s) * 1e6)

    def shift(self, seconds: float) -> None:
        """Set it wrong by so much, at once; 0: right again."""
        assert self._shared is not None
        self._shared[:8] = struct.pack("d", seconds)
