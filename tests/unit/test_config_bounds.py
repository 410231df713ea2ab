"""Documents that are large, deep or strange: one error with a bounded number of readable lines."""

import time
from pathlib import Path

import pytest

from agent.config.document import MAX_FILE_BYTES
from agent.config.ids import MAX_ITEMS
from agent.config.nearest import did_you_mean, nearest
from agent.config.problems import MAX_PROBLEMS
from agent.config.settings import load_settings
from agent.errors import ConfigError

SCENE = '[[streams]]\nid = "a"\nsource = "test://scene"\n'
ALGORITHM = '[[algorithms]]\nid = "m"\nkind = "motion"\n'


def refusal(folder: Path, text: str | bytes) -> list[str]:
    path = folder / "agent.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    lines = str(caught.value).split("\n")
    assert all(len(line.splitlines()) == 1 and len(line) < 600 for line in lines)
    assert len(lines) <= MAX_PROBLEMS + 2
    return [line.strip() for line in lines]


STRANGE: list[tuple[str, str | bytes, str]] = [
    ("no UTF-8", b"[device]\nid = '\xff'\n", "not UTF-8"),
    ("too large", b"#" * (MAX_FILE_BYTES + 1), "more than"),
    ("many digits", f"x = {'1' * 5000}", "no TOML"),
    ("deep lists", f"x = {'[' * 5000}", "nested"),
    ("deep lists that end", f"x = {'[' * 50}{']' * 50}", "32 levels"),
    ("a deep key", f"x{'.a' * 5000} = 1", "32 levels"),
    ("a long key", f"{'a' * 9000}.b = 1\n{'a' * 9000} = 2", "no TOML"),
    ("a key of control characters", '"\\u0085\\u202e\\n" = 1', "\\u0085\\u202e"),
    ("a date", f"{ALGORITHM}params = {{ x = [2026-11-23] }}", "params: a date"),
    ("not finite", f"{ALGORITHM}params = {{ x = nan }}", "not finite"),
    ("66 bits", f"{ALGORITHM}params = {{ x = {1 << 66} }}", "64 bits"),
    ("a sink's", '[[sinks]]\nid = "s"\nkind = "file"\nparams = { x = inf }', "not finite"),
    ("a NUL in a path", '[paths]\nstate_dir = "a\\u0000b"', "NUL"),
    ("a folder of another's", ALGORITHM.replace('"m"', '".."'), "must not be `.` or `..`"),
    ("a prefix that is none", '[broker]\ntopic_prefix = "a//b"', "levels"),
    ("a prefix of other letters", '[broker]\ntopic_prefix = "ä"', "levels"),
    ("a line in a stream's name", f'{ALGORITHM}streams = ["a\\nb"]', "is no id"),
    ("a long user name", f"[broker]\nusername = '{'x' * 2000}'", "at most 1024"),
    ("too many streams", SCENE * (MAX_ITEMS + 1), "at most 1000"),
]


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in STRANGE], ids=[row[0] for row in STRANGE])
def test_what_is_strange_is_told_in_a_few_lines(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert words in "\n".join(refusal(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "[device]\n" + "".join(f"key{number} = 1\n" for number in range(20_000)),
        "".join(f"[[streams]]\nid = 'a{number}'\nfps = 0\n" for number in range(900)),
        SCENE + ALGORITHM + f"streams = {[f'b{number}' for number in range(900)]}",
        "".join(SCENE.replace('"a"', f'"{"s" * 56}{number:04}"') for number in range(900))
        + "".join(f"[[algorithms]]\nid='m{n}'\nkind='x'\nstreams=['{'s' * 50}{n}']\n" for n in range(900)),
    ],
    ids=["unknown keys", "wrong streams", "unknown streams", "streams that are nearly there"],
)
def test_of_many_problems_the_first_are_told_and_the_others_counted(tmp_path: Path, text: str) -> None:
    began_s = time.process_time()
    *_, last = refusal(tmp_path, text)
    assert last.startswith("and ")
    assert last.endswith(" more")
    assert time.process_time() - began_s < 20  # two seconds, where hints for all took minutes


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("VEDETTE_STREAMS", "[" * 100_000, "nested"),
        ("VEDETTE_STREAMS", "[" * 50 + "]" * 50, "32 levels"),
        ("VEDETTE_STREAMS", "1" * 5000, "digits"),
        ("VEDETTE_SECURITY__SOURCE_HOSTS", '{"a":' * 5000, "nested"),
        ("VEDETTE_DEVICE__LABELS", '["\\ud800"]', "device.labels"),
        ("VEDETTE_DEVICE__ID", "\udcff", "device.id"),
        ("VEDETTE_\x1b[2J", "1", "unknown setting"),
    ],
)
def test_strange_variables_are_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    lines = refusal(tmp_path, "")
    assert words in "\n".join(lines)
    assert "\x1b" not in "\n".join(lines)


def test_the_nearest_name_is_found_among_many() -> None:
    names = [f"camera-{number:04}" for number in range(1000)]
    assert nearest("camera-07x7", names) in {"camera-0707", "camera-0717", "camera-0797", "camera-0727"}
    assert nearest("frnt-door", [*names, "front-door"]) == "front-door"
    assert nearest("x", names) is None
    assert did_you_mean("streems", ["streams"]) == "; did you mean 'streams'?"
    assert did_you_mean("x", []) == ""
    began_s = time.process_time()
    nearest("a" * 64, ["a" * 60 + f"{number:04}" for number in range(100_000)])
    assert time.process_time() - began_s < 10  # a second; all of them would take minutes
