"""The files of the page, read once: a name that is not among them leads nowhere, whatever it looks like."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.dashboard.errors import DashboardError

STATIC: Final = Path(__file__).with_name("static")
INDEX: Final = "index.html"
CONFIG: Final = "config.json"

FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"

_BINARY: Final = "application/octet-stream"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_PACKED: Final = frozenset({".jpg", ".png", ".webp", ".woff2"})  # gzip gains nothing
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_HASHED: Final = re.compile(r"assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+", re.ASCII)  # as Vite names them
_LEAST_GAIN: Final = 0.9  # a packed file that is larger than this part of it is not worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file as it is sent: its bytes, the same packed if that is worth it, and their headers."""

    body: bytes
    packed: bytes | None  # gzip
    content_type: str
    tag: str  # of `body`, without quotes; that of `packed` ends in "-gz"
    caching: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "File":
        """The file of this name, below the folder of the page."""
        suffix = Path(name).suffix.lower()
        packed = None if suffix in _PACKED else gzip.compress(body, mtime=0)
        return cls(
            body=body,
            packed=packed if packed is not None and len(packed) < _LEAST_GAIN * len(body) else None,
            content_type=_TYPES.get(suffix, _BINARY),
            tag=hashlib.sha256(body).hexdigest()[:32],
            caching=FOR_EVER if _HASHED.fullmatch(name) else ASK_AGAIN,
        )


def names_of(folder: Path) -> tuple[str, ...]:
    """What belongs to the page in its folder, without links and hidden files. Raises DashboardError."""
    if not (folder / INDEX).is_file():
        raise DashboardError(
            f"the page is not there: {folder} has no {INDEX}; install a wheel of Vedette, or build the page "
            "in the sources with `npm ci && npm run build` in the folder dashboard"
        )
    try:
        found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    except OSError as err:
        raise DashboardError(f"the page cannot be read: {folder}: {err.strerror}") from err
    names = (
        path.relative_to(folder).as_posix()
        for path in found
        if path.resolve().is_relative_to(folder.resolve())
    )
    return tuple(name for name in names if _NAME.fullmatch(name) and name != CONFIG)


def load(folder: Path = STATIC) -> dict[str, File]:
    """All files of the page by name. Raises DashboardError: there is no page, or it cannot be read."""
    try:
        return {name: File.of(name, (folder / name).read_bytes()) for name in names_of(folder)}
    except OSError as err:
        raise DashboardError(f"the page cannot be read: {err.filename}: {err.strerror}") from err
