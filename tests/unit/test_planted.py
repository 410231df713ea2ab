"""The search for planted passwords finds what was planted: it can fail."""

import base64
import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.planted import Planted


def _in_tar(text: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("x")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    return file.getvalue()


def _in_zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as folder:
        folder.writestr("x", text)
    return file.getvalue()


FORMS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "percent-encoded": lambda text: quote(text, safe="").encode(),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe="").encode(),
    "each byte percent-encoded": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "JSON": lambda text: json.dumps(text).encode(),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)).encode(),
    "repr": lambda text: repr(text).encode(),
    "repr of bytes": lambda text: repr(text.encode()).encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "Basic authorization": lambda text: base64.b64encode(f"viewer:{text}".encode()),
    "base64 behind one more": lambda text: base64.b64encode(f"viewers:{text}".encode()),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())),
    "URL-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32-le"),
    "the first half": lambda text: text[:10].encode(),
    "the second half": lambda text: text[-10:].encode(),
    "tar.gz": _in_tar,
    "gzip of a tar in it": lambda text: gzip.compress(gzip.decompress(_in_tar(text))),
    "zip": _in_zip,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found(form: str) -> None:
    planted = Planted()
    password = planted.password("here")
    planted.password("elsewhere")
    packed = FORMS[form](password)
    data = packed if form in ("tar.gz", "gzip of a tar in it", "zip") else b"before " + packed + b" after"
    assert planted.found_in(data) == {"here"}


def test_what_was_not_planted_is_not_found() -> None:
    planted = Planted()
    planted.password("here")
    assert planted.found_in(b"nothing at all" * 1000) == set()


def test_rows_of_a_database_are_found(tmp_path: Path) -> None:
    planted = Planted()
    password = planted.password("here")
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE t (a, b)")
        database.execute("INSERT INTO t VALUES (?, ?)", ("x" * 4090 + password, b"\0" * 9000))
    database.close()
    assert planted.found_in_files(tmp_path) == {"x.db": {"here"}}
