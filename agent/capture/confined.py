"""Files that a command named: what is opened is what was checked.

A path can be made to lead elsewhere between a check and the opening. So a descriptor comes first, which opens
nothing yet (`O_PATH`), then the kernel is asked where that is, and what is read is the descriptor's.
"""

import errno
import os
from pathlib import Path

from agent.control.rules import Rules
from agent.errors import Cause, SourceError


class FileGuard:
    """See `Guard`: a file, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.target = f"file:{opened(descriptor)}"
        self.options: dict[str, str] = {}
        self.refusal: SourceError | None = None

    def close(self) -> None:
        """See `Guard.close`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def reach(path: Path, rules: Rules) -> int:
    """A descriptor of a file or folder in a media root, links followed; to be closed. Raises SourceError."""
    try:
        return _reach(path, rules)
    except OSError as err:
        raise SourceError(Cause.NOT_FOUND, f"{path}: there is no such file") from err


def opened(descriptor: int) -> Path:
    """A path that leads to what a descriptor is of, and nowhere else, whatever is renamed meanwhile."""
    return Path(f"/proc/self/fd/{descriptor}")


def read(path: Path, rules: Rules) -> bytes:
    """All bytes of a file in a media root. Raises OSError, and SourceError when it is elsewhere."""
    descriptor = _reach(path, rules)
    try:
        if not opened(descriptor).is_file():  # a pipe would hang
            raise OSError(errno.EINVAL, "no regular file")
        return opened(descriptor).read_bytes()
    finally:
        os.close(descriptor)


def _reach(path: Path, rules: Rules) -> int:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        inside = rules.holds(opened(descriptor).readlink())
    except (OSError, RuntimeError):
        inside = False
    if not inside:
        os.close(descriptor)
        why = f"{path} is not in a folder of paths.media_roots, links followed"
        raise SourceError(Cause.FORBIDDEN, why)
    return descriptor
