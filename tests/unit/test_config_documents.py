"""The example and the reference: what they say is what the models say."""

import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from agent.config import reference
from agent.config.algorithms import AlgorithmConfig
from agent.config.environment import variable
from agent.config.keys import KeyConfig
from agent.config.settings import Settings, load_settings
from agent.config.sinks import SinkConfig
from agent.config.streams import StreamConfig

EXAMPLE = Path(__file__).parents[2] / "agent.toml"
LISTS: dict[str, type[BaseModel]] = {
    "streams": StreamConfig,
    "algorithms": AlgorithmConfig,
    "sinks": SinkConfig,
}


def models() -> dict[str, type[BaseModel]]:
    found = dict(LISTS)
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found[name] = field.annotation
    return found


def uncommented(text: str) -> str:
    """The example with every line that is a key or a head of a table, and commented out."""
    return re.sub(r"^# (?=[a-z_]+ = |\[\[?[a-z.]+\])", "", text, flags=re.MULTILINE)


def test_the_example_runs_on_a_machine_without_cameras() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.broker.url == "mqtt://127.0.0.1:1883"
    assert [stream.source.partition("?")[0] for stream in settings.streams] == ["test://scene"]
    assert [(item.id, item.kind) for item in settings.algorithms] == [
        ("movement", "motion"),
        ("facts", "probe"),
    ]


def test_the_example_can_be_used_with_every_line_of_it(tmp_path: Path) -> None:
    text = uncommented(EXAMPLE.read_text(encoding="utf-8"))
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).touch()
        text = text.replace(f"/etc/vedette/{name}", str(tmp_path / name))
    path = tmp_path / "agent.toml"
    path.write_text(text.replace("mqtt://", "mqtts://"), encoding="utf-8")
    settings = load_settings(path)
    assert [stream.id for stream in settings.streams] == ["scene", "door", "clip"]
    assert settings.broker.key_file == tmp_path / "client.key"
    assert settings.security.keys["operator"].expires == dt.date(2027, 12, 31)


def test_the_example_has_every_key() -> None:
    document = tomllib.loads(uncommented(EXAMPLE.read_text(encoding="utf-8")))
    there = set()
    for name, tables in document.items():
        for keys in tables if isinstance(tables, list) else [tables]:
            there |= {f"{name}.{key}" for key in keys}
    assert there == {f"{name}.{key}" for name, model in models().items() for key in model.model_fields}
    (key,) = document["security"]["keys"].values()
    assert key.keys() == KeyConfig.model_fields.keys()


def test_what_the_example_comments_out_is_the_default_unless_it_says_so() -> None:
    table = ""
    seen = 0
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if head := re.match(r"(?:# )?\[+(\w+(?:\.keys)?)[\w.]*\]+", line):
            table = head[1]
        commented = re.match(r"# ([a-z_]+) = ", line)
        if commented is None or "[example]" in line or commented[1] in {"id", "source"}:
            continue
        value = tomllib.loads(line.removeprefix("# "))[commented[1]]
        model = KeyConfig if table == "security.keys" else models()[table]
        default = model.model_fields[commented[1]].default
        assert value == (list(default) if isinstance(default, tuple) else default), line
        seen += 1
    assert seen > 20


def test_the_committed_reference_is_what_the_models_say() -> None:
    committed = reference.PATH.read_text(encoding="utf-8")
    assert committed == reference.markdown(), "run `python -m agent.config.reference`"


def test_the_reference_has_every_key_with_its_meaning_and_variable() -> None:
    text = reference.markdown()
    for name, model in models().items():
        head = f"## `[[{name}]]`" if name in LISTS else f"## `[{name}]`"
        section = text.partition(head + "\n")[2].partition("\n## ")[0]
        for key, field in model.model_fields.items():
            (row,) = [line for line in section.splitlines() if line.startswith(f"| `{key}` |")]
            assert field.description
            assert field.description in row
            assert name in LISTS or f"`{variable(name, key)}`" in row
    keys = text.partition("### `[security.keys.NAME]`\n")[2].partition("\n## ")[0]
    assert all(f"| `{key}` |" in keys for key in KeyConfig.model_fields)


def test_a_stale_reference_is_told_and_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "docs" / "configuration.md"
    monkeypatch.setattr(reference, "PATH", path)
    assert reference.main(["--check"]) == 1
    assert not path.exists()
    assert capsys.readouterr().err == (
        "stale: configuration.md in docs/; run `python -m agent.config.reference`\n"
    )
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    path.write_text("old", encoding="utf-8")
    assert reference.main(["--check"]) == 1
    assert path.read_text(encoding="utf-8") == "old"
