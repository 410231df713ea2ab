"""The wall clock of the agent under test, which can be wrong by hours; see shifted/sitecustomize.py."""

import mmap
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

SHIFTED = Path(__file__).parent / "shifted"


class Clock:
    """The file that says by how many seconds it is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shared: mmap.mmap | None = None

    def __enter__(self) -> Self:
        self.path.write_bytes(struct.pack("d", 0.0))
        with self.path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._shared is not None
        self._shared.close()

    def shift(self, seconds: float) -> None:
        """Set it wrong, at once, for all processes of the agent; 0: right again."""
        assert self._shared is not None
        self._shared[:8] = struct.pack("d", seconds)
