"""The state folder: who owns it, and the start counter that outlives everything else in it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from agent.errors import StateError

_EPOCH = "epoch"
_MAX_EPOCH_DIGITS = 18
_WRITTEN_S = 1_795_000_000  # when this was written: no clock that is right says less


@contextlib.contextmanager
def own_folder(path: Path) -> Iterator[None]:
    """Make the folder, and keep every other agent out of it; StateError when one is there.

    The kernel drops the lock with the process, however that ends: there is nothing to clean up.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise StateError(f"the state folder {path} cannot be used: {err.strerror}") from err
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            owner = os.read(handle, 20).decode("ascii", "replace").strip()
            who = f" (process {owner})" if owner.isdigit() else ""
            raise StateError(
                f"another agent{who} uses the state folder {path}; stop it, or set paths.state_dir"
            ) from err
        with contextlib.suppress(OSError):  # the number is for people: a full disk is no reason to stop
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def read_epoch(folder: Path) -> int | None:
    """The last epoch; 0 when there was none, None when the file cannot be understood."""
    try:
        text = (folder / _EPOCH).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return 0
    except UnicodeDecodeError:
        return None
    except OSError as err:
        raise StateError(f"{folder / _EPOCH} cannot be read: {err.strerror}") from err
    return int(text) if text.isdigit() and len(text) <= _MAX_EPOCH_DIGITS else None


def write_epoch(folder: Path, epoch: int) -> None:
    """Replace the file whole, and wait until it is on the disk."""
    new = folder / f"{_EPOCH}.new"
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"{epoch}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        new.replace(folder / _EPOCH)
        _sync_folder(folder)
    except OSError as err:
        raise StateError(f"{folder / _EPOCH} cannot be written: {err.strerror}") from err


def newest_s(folder: Path) -> int:
    """A time, in seconds since the Unix epoch, that is past for sure, whatever the clock says."""
    times = [_WRITTEN_S]
    with contextlib.suppress(OSError):
        times += [int(entry.stat(follow_symlinks=False).st_mtime) for entry in os.scandir(folder)]
    return max(times)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
