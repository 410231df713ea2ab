"""`vedette keys`, and the files that it writes and reads."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.cli import root
from agent.config.settings import load_settings

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def vedette(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Run a command in here: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["vedette", *arguments])
    with pytest.raises(SystemExit) as ended:
        root.root()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_new_key_is_for_its_owner_alone_and_its_lines_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = vedette(monkeypatch, capsys, "keys", "new", "--out", "berlin.ops.pem")
    file = tmp_path / "berlin.ops.pem"
    assert (code, file.stat().st_mode & 0o777) == (0, 0o600)
    assert "PRIVATE" not in out + err
    (tmp_path / "agent.toml").write_text(out, encoding="utf-8")
    (name,) = load_settings().security.keys
    assert name == "berlin.ops"
    shown = vedette(monkeypatch, capsys, "keys", "show", "berlin.ops.pem")
    assert shown == (0, tomllib.loads(out)["security"]["keys"][name]["public_key"] + "\n", "")
    assert f"--sign {file.name}" in err
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)


def test_no_file_is_overwritten_and_no_two_keys_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vedette(monkeypatch, capsys, "keys", "new")[0] == 0
    before = (tmp_path / "operator.pem").read_bytes()
    (tmp_path / "link.pem").symlink_to(tmp_path / "elsewhere.pem")
    for file in ("operator.pem", "link.pem"):
        code, out, err = vedette(monkeypatch, capsys, "keys", "new", "--out", file)
        assert (code, out) == (1, "")
        assert err == f"vedette: {file} is there already: name another file with --out\n"
    assert (tmp_path / "operator.pem").read_bytes() == before
    assert not (tmp_path / "elsewhere.pem").exists()
    vedette(monkeypatch, capsys, "keys", "new", "--out", "two.pem")
    assert (tmp_path / "two.pem").read_bytes() != before


def files() -> dict[str, bytes]:
    key = Ed25519PrivateKey.generate()
    good = key.private_bytes(PEM, PKCS8, PLAIN)
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"pa55word"))
    return {
        "empty": b"",
        "text": b"hello",
        "short": good[:-40],
        "locked": locked,
        "public": key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "curve": generate_private_key(SECP256R1()).private_bytes(PEM, PKCS8, PLAIN),
        "noise": bytes(range(256)) * 8,
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty", "is no private key in PEM"),
        ("text", "is no private key in PEM"),
        ("short", "is no private key in PEM"),
        ("noise", "is no private key in PEM"),
        ("public", "is no private key in PEM"),
        ("locked", "needs a password"),
        ("curve", "is no key of Ed25519"),
        ("nowhere", "cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
    ],
)
def test_what_is_no_key_is_told_in_one_sentence(
    tmp_path: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = files().get(name)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for arguments in (("keys", "show", name), ("call", "gate-7", "ping", "--sign", name, "--key", "x")):
        code, out, err = vedette(monkeypatch, capsys, *arguments)
        assert (code, out) == (1, "")
        assert err.startswith(f"vedette: {name} {words}")
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("keys", "new", "--out", "no/where.pem"), 1, "cannot be written: No such file"),
        (("keys", "new", "--out", "a b.pem"), 1, "cannot be the name of a key"),
        (("call", "gate-7", "ping", "--sign", "a b.pem"), 1, "cannot be the name of a key"),
        (("call", "gate-7", "ping", "--sign", "a b.pem", "--key", "a/b"), 2, "--key"),
        (("call", "gate-7", "ping", "--sign", "a b.pem", "--expires", "3601"), 2, "--expires"),
        (("call", "g/", "ping"), 2, "DEVICE"),
        (("call", "g/a/b", "ping"), 2, "DEVICE"),
        (("call", "g/+", "ping"), 2, "DEVICE"),
    ],
)
def test_wrong_usage_is_told(
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN)
    (tmp_path / "a b.pem").write_bytes(key)
    (tmp_path / "a b.pem").chmod(0o600)
    monkeypatch.setenv("COLUMNS", "160")
    ended, _, err = vedette(monkeypatch, capsys, *arguments)
    assert ended == code
    assert words in err


def test_a_key_that_others_can_read_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vedette(monkeypatch, capsys, "keys", "new")
    (tmp_path / "operator.pem").chmod(0o640)
    code, out, err = vedette(monkeypatch, capsys, "keys", "show", "operator.pem")
    assert (code, len(out)) == (0, 45)
    assert err == "vedette: operator.pem can be read by others, who can sign too: chmod 600 operator.pem\n"


def test_an_agent_that_nobody_signs_for_does_not_load_the_library() -> None:
    code = "import agent.app, sys; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "False\n"
