"""Passwords that are nowhere else, and a search that finds them, or half of one, in whatever form."""

import base64
import io
import secrets
import sqlite3
import string
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

_LETTERS = string.ascii_letters + string.digits
_HALF = 10  # characters


class Planted:
    """Makes passwords, each known by the name of the place that it was planted in."""

    def __init__(self) -> None:
        self._needles: dict[bytes, str] = {}  # what is looked for, to its place

    def password(self, place: str, special: str = "%/'\"\\ü@:") -> str:
        """A new password: two halves of letters and digits around what has to be quoted somewhere.

        Each half is looked for by itself: so it does not matter how the middle was quoted, and half a
        password is found, too.
        """
        halves = ["".join(secrets.choice(_LETTERS) for _ in range(_HALF)) for _ in range(2)]
        for half in halves:
            self._needles |= dict.fromkeys(_forms(half), place)
        return special.join(halves)

    def found_in(self, data: bytes) -> set[str]:
        """Places whose password, or half of it, is in `data`, as it is or packed."""
        return {
            place for layer in _layers(data) for needle, place in self._needles.items() if needle in layer
        }

    def found_in_files(self, folder: Path) -> dict[str, set[str]]:
        """The same for every file below a folder, and for every row of its databases: by path."""
        found: dict[str, set[str]] = {}
        for path in folder.rglob("*"):
            if path.is_file():
                places = self.found_in(path.read_bytes())
                if path.suffix in (".db", ".sqlite3"):
                    places |= self.found_in(b"\n".join(_rows(path)))
                if places:
                    found[str(path.relative_to(folder))] = places
        return found


def _forms(text: str) -> Iterator[bytes]:
    """As it may be written. Letters and digits are the same in URLs, JSON and Python."""
    data = text.encode()
    yield data
    yield data[::-1]
    yield data.hex().encode()
    yield data.hex().upper().encode()
    yield data.hex(" ").encode()
    yield text.encode("utf-16-le")
    yield text.encode("utf-32-le")  # as numpy has texts
    yield "".join(f"%{byte:02x}" for byte in data).encode()
    yield "".join(f"%{byte:02X}" for byte in data).encode()
    yield "".join(f"\\u{byte:04x}" for byte in data).encode()
    for before in range(3):  # base64 depends on what stands before: the bits that do not are looked for
        packed = base64.b64encode(b"\0" * before + data).rstrip(b"=")
        whole = (before + len(data)) // 3 * 4
        yield packed[(before * 8 + 5) // 6 : whole]
        yield base64.b64encode(packed[(before * 8 + 5) // 6 : whole]).rstrip(b"=")[:-2]


def _layers(data: bytes) -> Iterator[bytes]:
    """The data, and what is packed in it."""
    yield data
    if data.startswith(b"\x1f\x8b"):
        unpacked = zlib.decompress(data, wbits=31)
        yield unpacked
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
            yield b"\n".join(entry.name.encode() for entry in archive)
    elif data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as folder:
            for name in folder.namelist():
                yield folder.read(name)


def _rows(path: Path) -> Iterable[bytes]:
    """Every value of every table: what is long is spread over a database's pages."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  a table's own name
                yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)
    database.close()


def quoted(password: str) -> str:
    """As it stands in a URL."""
    return quote(password, safe="")
