"""The documents' examples are run: their Python, their TOML, and their links."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import load_settings
from agent.contract.codec import pack_data
from agent.contract.verbs import VERBS
from agent.worker import kinds
from algos import Frames

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]


def _blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _python() -> list[tuple[str, str]]:
    return [
        (f"{document.name}-{number}", block)
        for document in DOCUMENTS
        for number, block in enumerate(_blocks(document, "python"))
    ]


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in _python()])
def test_python_of_the_documents_is_an_algorithm_that_runs(block: str, tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(block, encoding="utf-8")
    found = kinds.load(f"file:{path}")
    frames = [np.full((12, 16, 3), level, np.uint8) for level in (10, 200)]
    for kind, member in found.items():
        algorithm = kinds.make(member, kind, {})
        algorithm.init()
        for number, frame in enumerate(frames):
            result = algorithm.run(Frames([frame], times=[number / 25], numbers=[number], stream="s"))
            assert isinstance(result, dict)
            assert pack_data(result)


def test_readme_has_a_configuration_that_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = _blocks(ROOT / "README.md", "toml")
    path = tmp_path / "agent.toml"
    path.write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(path)
    assert [stream.id for stream in settings.streams] == ["door"]


def test_settings_of_stream_infer_move_over() -> None:
    (block,) = _blocks(ROOT / "docs" / "from-stream-infer.md", "toml")
    (table,) = tomllib.loads(block)["algorithms"]
    assert AlgorithmConfig.model_validate(table).frame_step == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_shown_exist(document: Path) -> None:
    for verb in re.findall(r"vedette call \S+ ([a-z]+\.[a-z]+|ping)", document.read_text("utf-8")):
        assert verb in VERBS
