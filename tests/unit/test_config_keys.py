"""Keys in agent.toml: which can be used, and how one that cannot is told without repeating it."""

import base64
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.cli import check_keys
from agent.config.ed25519 import public_key_problem
from agent.config.settings import load_settings
from agent.errors import ConfigError
from tests.signing import OPS, public

GOOD = public(OPS)
PRIVATE = OPS.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
BODY = PRIVATE.splitlines()[1]


def problems(folder: Path, text: str) -> str:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(path)
    return str(raised.value)


def found(folder: Path, text: str) -> list[tuple[str, str, str]]:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return [(row.verdict.value, row.subject, row.text) for row in check_keys.keys(load_settings(path))]


# All points of small order.
SMALL = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
NO_POINT = [
    "0200000000000000000000000000000000000000000000000000000000000000",  # no x belongs to this y
    "0100000000000000000000000000000000000000000000000000000000000080",  # minus zero
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # y is the prime itself
    "ff" * 32,
]


def test_keys_that_were_made_can_be_used() -> None:
    for _ in range(50):
        assert public_key_problem(base64.b64decode(public(Ed25519PrivateKey.generate()))) is None


@pytest.mark.parametrize("key", SMALL)
def test_a_key_that_anybody_can_sign_for_is_none(key: str) -> None:
    assert public_key_problem(bytes.fromhex(key)) == "is a placeholder: anybody could sign for it"


@pytest.mark.parametrize("key", NO_POINT)
def test_a_key_that_nobody_can_sign_for_is_none(key: str) -> None:
    assert "mistyped" in (public_key_problem(bytes.fromhex(key)) or "")


def test_half_of_what_is_mistyped_is_noticed() -> None:
    noticed = sum(public_key_problem(os.urandom(32)) is not None for _ in range(400))
    assert 100 < noticed < 300


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "has 0 bytes"),
        ("x", "is no base64"),
        (GOOD[:-1], "is no base64"),
        (GOOD + GOOD, "is no base64"),
        (GOOD.replace("=", ""), "is no base64"),
        (GOOD + "\\n", "is no base64"),
        (" " + GOOD, "is no base64"),
        (base64.b64encode(bytes(31)).decode(), "has 31 bytes"),
        (base64.b64encode(bytes(64)).decode(), "has 64 bytes"),
        (base64.b64encode(bytes(32)).decode(), "is a placeholder"),
        (PRIVATE.replace("\n", "\\n"), "is a private key"),
        (BODY, "is a private key"),
        ("/etc/vedette/operator.pem", "is no base64"),
    ],
)
def test_an_unusable_key_is_told_and_not_repeated(tmp_path: Path, value: str, words: str) -> None:
    told = problems(tmp_path, f'[security.keys.ops]\npublic_key = "{value}"')
    assert f"security.keys.ops.public_key: {words}" in told
    assert len(value) < 8 or value not in told
    assert BODY not in told
    assert BODY[-40:] not in told


def test_two_texts_are_not_one_key(tmp_path: Path) -> None:
    last = GOOD[-2]
    other = GOOD[:-2] + chr(ord(last) + 1) + "="  # the last bits mean nothing
    assert base64.b64decode(other) == base64.b64decode(GOOD)
    assert "mistyped" in problems(tmp_path, f'[security.keys.ops]\npublic_key = "{other}"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[security]\nrequire_signature = true", "require_signature: needs a key in [security.keys.NAME]"),
        ('[security.keys."a b"]\npublic_key = "KEY"', 'security.keys."a b": must be 1 to 64 letters'),
        ("[security.keys.ops]", "security.keys.ops.public_key: is missing"),
        ('[security.keys.ops]\npublic_key = "KEY"\nverb = ["x"]', "did you mean `verbs`?"),
        ('[security.keys.ops]\npublic_key = "KEY"\nverbs = ["stream*"]', "security.keys.ops.verbs[0]: must"),
        ('[security.keys.ops]\npublic_key = "KEY"\nverbs = "ping"', "verbs: must be a list"),
        ('[security.keys.ops]\npublic_key = "KEY"\ngroups = ["a/b"]', "groups[0]: must be the name"),
        ('[security.keys.ops]\npublic_key = "KEY"\nexpires = "soon"', "expires: must be a date"),
        ('[security.keys.ops]\npublic_key = "KEY"\nexpires = 5', "expires: must be a date"),
        (
            '[security.keys.ops]\npublic_key = "KEY"\nexpires = 2027-01-01T12:00:00Z',
            "expires: must be a date",
        ),
        ("\n".join(f'[security.keys.k{n}]\npublic_key = "KEY"' for n in range(33)), "at most 32"),
    ],
)
def test_a_wrong_table_of_keys_is_told(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(tmp_path, text.replace("KEY", GOOD))


def test_keys_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEDETTE_SECURITY__KEYS", f'{{"ops": {{"public_key": "{GOOD}"}}}}')
    assert load_settings().security.keys["ops"].key_bytes == base64.b64decode(GOOD)


def test_check_doubts_keys_that_do_not_do_what_they_seem_to(tmp_path: Path) -> None:
    text = f"""
[device]
groups = ["north"]
[security]
require_signature = true
[security.keys.ops]
public_key = "{GOOD}"
groups = ["north", "*"]
[security.keys.old]
public_key = "{GOOD}"
expires = 2020-01-01
verbs = ["strem.*", "ping"]
groups = ["south"]
[security.keys.none]
public_key = "{GOOD}"
verbs = []
"""
    assert found(tmp_path, text) == [
        ("right", "ops", "may sign *"),
        ("doubtful", "old", "expired on 2020-01-01"),
        ("doubtful", "old", "strem.* is no verb"),
        ("doubtful", "old", "this device is not in group south"),
        ("doubtful", "none", "may not use any verb"),
    ]
    assert found(tmp_path, f'[security.keys.ops]\npublic_key = "{GOOD}"\nexpires = 2999-12-31') == [
        ("right", "ops", "may sign * until 2999-12-31"),
        ("doubtful", "", "are not required: they protect nothing"),
    ]
    assert found(tmp_path, "") == []
