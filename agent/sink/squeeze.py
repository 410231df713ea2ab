"""Compresses files that were put aside, one after the other, beside what goes on."""

import gzip
import logging
import os
import queue
import shutil
import threading
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger("vedette.sink")


class Squeezer:
    """A thread at low priority; it is cut off when the process ends, and what it left comes again."""

    def __init__(self) -> None:
        self._paths: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="vedette-gzip", daemon=True).start()

    def squeeze(self, path: Path) -> None:
        """Replace `path` by `path`.gz, some time; one that has that name is left as it is."""
        if path.suffix != ".gz":
            self._paths.put(path)

    def close(self) -> None:
        """Ask the thread to end, after what it is at; what is left comes again."""
        self._paths.put(None)

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
        while (path := self._paths.get()) is not None:
            try:
                _squeeze(path)
            except FileNotFoundError:
                continue  # done already, or removed as one too many
            except OSError as err:
                _log.warning("sink.not_compressed: %s: %s", path, err.strerror)


def _squeeze(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.gz.unfinished")
    with path.open("rb") as plain:
        try:
            with unfinished.open("wb") as file:
                with gzip.open(file, "wb", compresslevel=6) as packed:
                    shutil.copyfileobj(plain, packed, 1 << 18)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                unfinished.rename(path.with_name(f"{path.name}.gz"))
        finally:
            unfinished.unlink(missing_ok=True)
    path.unlink()
