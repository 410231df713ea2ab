"""A bundle of texts and JSON documents as one tar.gz: bounded, and every text in it redacted."""

import gzip
import io
import json
import os
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from agent.config.secret import redacted
from agent.errors import StateError

MAX_BYTES: Final = 4 << 20  # of all texts together, before they are compressed; the later ones are cut
MAX_PACKED_BYTES: Final = 1 << 20
KEPT: Final = 5  # files in the folder
_SUFFIX: Final = ".tar.gz"


class Bundle:
    """Collects named texts. What does not fit is cut, and says so; `redact` takes secrets out of a text."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._texts: dict[str, bytes] = {}
        self._size = 0

    def add_text(self, name: str, text: str) -> None:
        """A text of lines; of one that is too long the end is kept."""
        # Redacted before it is cut: half a password would not be recognised.
        data = self._redact(text).encode("utf-8", "backslashreplace")
        room = MAX_BYTES - self._size
        if len(data) > room:
            data = b"[cut]\n" + data[len(data) - room :] if room > 0 else b"[left out: too much]\n"
        self._texts[name] = data
        self._size += len(data)

    def add_document(self, name: str, tree: Any) -> None:  # noqa: ANN401  any tree of plain values
        """A document; what is no JSON in it is told as text."""
        clean = self._clean(redacted(json.loads(json.dumps(tree, default=str))))
        self.add_text(f"{name}.json", json.dumps(clean, indent=1, ensure_ascii=False) + "\n")

    def packed(self) -> bytes:
        """The tar.gz. While it is larger than MAX_PACKED_BYTES, the largest text loses its first half."""
        while True:
            data = self._pack()
            name = max(self._texts, key=lambda name: len(self._texts[name]), default=None)
            if name is None or len(data) <= MAX_PACKED_BYTES:
                return data
            text = self._texts[name]
            self._texts[name] = b"[cut]\n" + text[len(text) // 2 :]

    def _pack(self) -> bytes:
        now_s = int(time.time())
        file = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=file, mode="wb", mtime=now_s) as packer,
            tarfile.open(fileobj=packer, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, data in self._texts.items():
                entry = tarfile.TarInfo(f"vedette/{name}")
                entry.size, entry.mtime, entry.mode = len(data), now_s, 0o600
                archive.addfile(entry, io.BytesIO(data))
        return file.getvalue()

    def _clean(self, tree: Any) -> Any:  # noqa: ANN401  any plain tree
        # Before JSON quotes it: a secret is looked for as it is, too.
        match tree:
            case str():
                return self._redact(tree)
            case dict():
                return {self._redact(key): self._clean(item) for key, item in tree.items()}
            case list():
                return [self._clean(item) for item in tree]
        return tree


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write a bundle into the folder, for its owner's eyes, and delete all but the newest KEPT.

    Raises StateError, and then nothing is left of it.
    """
    path = folder / name
    new = path.with_name(f"{name}.new")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob(f"*{_SUFFIX}.new"):  # of an agent that was killed while it wrote
            left.unlink()
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            new.replace(path)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        found = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda one: (one.stat().st_mtime_ns, one.name))
        for old in found[:-KEPT]:
            old.unlink()
    except OSError as err:
        raise StateError(f"the diagnosis cannot be written to {folder}: {err.strerror}") from err
    return path
