"""The file that `--out` names: what was there stays until there is something to put in its place."""

import os
import stat
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self


class OutFile:
    """A file that is opened at once, so that it is known to be writable, and emptied when results begin.

    Wrong settings or a missing source leave what was there, and no empty file where nothing was. A lifetime
    is a `with` block.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        """Raise FileExistsError unless `force`, and OSError."""
        self._path = path
        self._is_new = not path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if force else os.O_EXCL)
        self.file = FileIO(os.open(path, flags, 0o666), "wb")
        self._is_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_new and not self._is_begun:
            self._path.unlink(missing_ok=True)
        self.file.close()

    def begin(self) -> None:
        """Results come: what was there goes. More calls do nothing. Raises OSError."""
        if self._is_begun:
            return
        self._is_begun = True
        if stat.S_ISREG(os.fstat(self.file.fileno()).st_mode):  # a device or a pipe has nothing to lose
            self.file.truncate(0)
