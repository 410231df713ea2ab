"""A bundle: what is in it, its limits, and the folder that keeps the newest."""

import io
import json
import os
import secrets
import tarfile
from pathlib import Path

import pytest

from agent.errors import StateError
from agent.health import bundle
from agent.health.bundle import Bundle, keep


def redact(text: str) -> str:
    return text.replace("hunter'2", "***")


def unpack(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {entry.name: file.read().decode() for entry in archive if (file := archive.extractfile(entry))}


def test_texts_and_documents_are_redacted() -> None:
    made = Bundle(redact)
    made.add_text("a.txt", "it is hunter'2")
    made.add_document(
        "b", {"x": ["hunter'2"], "hunter'2": 1, "password": "other", "path": Path("/x"), "raw": b"hunter'2"}
    )
    found = unpack(made.packed())
    assert found["vedette/a.txt"] == "it is ***"
    shown = {"x": ["***"], "***": 1, "password": "***", "path": "/x", "raw": 'b"***"'}
    assert json.loads(found["vedette/b.json"]) == shown


def test_too_much_is_cut_and_the_end_of_it_kept() -> None:
    made = Bundle(str)
    made.add_text("first", "x" * (bundle.MAX_BYTES - 100))
    made.add_text("second", "y" * 1000 + "the end")
    made.add_text("third", "z")
    found = unpack(made.packed())
    assert found["vedette/second"].startswith("[cut]\n")
    assert found["vedette/second"].endswith("the end")
    assert found["vedette/third"] == "[left out: too much]\n"


def test_what_cannot_be_compressed_is_bounded_too() -> None:
    made = Bundle(str)
    made.add_text("small", "kept whole")
    made.add_text("noise", secrets.token_hex(bundle.MAX_BYTES // 2 - 1000))
    data = made.packed()
    assert len(data) <= bundle.MAX_PACKED_BYTES
    assert unpack(data)["vedette/small"] == "kept whole"


def test_half_a_character_does_no_harm() -> None:
    made = Bundle(str)
    made.add_text("a", "\ud800")
    made.add_document("b", {"x": "\udfff", "y": float("inf")})
    assert set(unpack(made.packed())) == {"vedette/a", "vedette/b.json"}


def test_the_newest_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "diag"
    for number in range(8):
        path = keep(folder, f"{number}.tar.gz", b"x")
        os.utime(path, (number, number))
    (folder / "left.tar.gz.new").touch()
    (folder / "not ours").touch()
    keep(folder, "last.tar.gz", b"y")
    names = {path.name for path in folder.iterdir()}
    assert names == {"4.tar.gz", "5.tar.gz", "6.tar.gz", "7.tar.gz", "last.tar.gz", "not ours"}
    assert (folder / "last.tar.gz").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "diag").mkdir()
    (tmp_path / "diag" / "full.tar.gz").mkdir()  # nothing can take its place
    with pytest.raises(StateError, match="cannot be written"):
        keep(tmp_path / "diag", "full.tar.gz", b"x")
    assert [path.name for path in (tmp_path / "diag").iterdir()] == ["full.tar.gz"]
