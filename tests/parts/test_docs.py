"""The documents' examples are run: Python, TOML and commands; their links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer.main

from agent.cli import root
from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import load_settings
from agent.contract.codec import json_data, pack_data
from agent.contract.verbs import VERBS
from agent.worker import kinds
from algos import Frames
from tests.video import encode

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
OFFLINE = ROOT / "docs" / "offline.md"
# Their Python is run elsewhere: by the tests of sinks, of the client, and of tutorials, and below.
CLIENT = ROOT / "docs" / "client.md"
ELSEWHERE = (ROOT / "docs" / "sinks.md", ROOT / "docs" / "first-algorithm.md", OFFLINE, CLIENT)
GUIDE = ROOT / "docs" / "writing-an-algorithm.md"
PLACES = ("agent/", "algos/", "benchmarks/", "docs/", "systemd/", "tests/", "tools/")


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def python_files(document: Path) -> dict[str, str]:
    """Blocks of Python by the names in their first lines, `# bright.py`."""
    found = {}
    for block in blocks(document, "python"):
        name = re.match(r"# ([\w/]+\.py)\n", block)
        assert name is not None, f"{document.name}: a block does not begin with the name of its file"
        found[name[1]] = block
    return found


def each_python_file() -> list[object]:
    return [
        pytest.param(document, name, id=f"{document.stem}-{name}")
        for document in DOCUMENTS
        for name in python_files(document)
        if not name.startswith("test_") and document not in ELSEWHERE
    ]


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def _modules_go_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loading a kind is for a process of its own: what it adds there is taken away here.

    The map of modules itself stays: the interpreter goes on with the first, whatever `sys.modules` is.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("stream_infer", "vedette_algorithm_")):
            del sys.modules[name]


@pytest.mark.usefixtures("_modules_go_again")
@pytest.mark.parametrize(("document", "name"), each_python_file())
def test_algorithms_of_the_documents_run(document: Path, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(python_files(document)[name], encoding="utf-8")
    found = kinds.load(f"file:{path}")
    assert found
    for kind, member in found.items():
        assert kinds.problems(member, {}) == []
        assert kinds.describe(kind, member, f"file:{path}").kind == kind
        algorithm = kinds.make(member, kind, {})
        algorithm.init()
        for number in range(12):
            pictures = [np.full((12, 16, 3), 20 * number, np.uint8) for _ in range(2)]
            for picture in pictures:
                picture.flags.writeable = False
            times = [number / 25, (number + 1) / 25]
            frames = Frames(pictures, times=times, numbers=[number, number + 1], stream="door")
            result = algorithm.run(frames)
            assert result is not None
            assert pack_data(result)
            assert json_data(result)


def run_script(document: Path, name: str, folder: Path) -> list[str]:
    """The lines that a script of a document prints, run in `folder`."""
    (folder / name).write_text(python_files(document)[name], encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, name],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_the_script_of_the_offline_guide_runs(tmp_path: Path) -> None:
    encode(tmp_path / "walk.mp4", frames=60, fps=25, gop=25)
    printed = run_script(OFFLINE, "walk.py", tmp_path)
    assert [line.split(" {")[0] for line in printed] == [
        f"{time} Motion (240, 320, 3)" for time in (0.0, 0.52, 1.0, 1.52, 2.0)
    ]


def test_the_offline_script_runs(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", frames=60, fps=25, gop=25)
    printed = run_script(ROOT / "docs" / "from-stream-infer.md", "offline.py", tmp_path)
    assert printed == [f"{time:.1f} {{'heads': 0, 'seen': {time + 1}}}" for time in range(3)]
    assert (tmp_path / "processed.mp4").stat().st_size > 0


def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    files = python_files(GUIDE)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    tests = [name for name in files if name.startswith("test_")]
    assert tests
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *tests]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_configurations_that_are_shown_can_be_used(document: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(document, "toml")):
        tables = tomllib.loads(block)
        if "project" in tables:  # of a pyproject.toml
            continue
        # A fragment names streams that the rest of its file would have.
        there = {stream["id"] for stream in tables.get("streams", [])}
        named = {name for item in tables.get("algorithms", []) for name in item.get("streams", [])}
        rest = "".join(
            f'\n[[streams]]\nid = "{name}"\nsource = "test://scene"\n'
            for name in sorted(named - there - {"*"})
        )
        path = tmp_path / f"agent-{number}.toml"
        path.write_text(with_certificates(block, tmp_path) + rest, encoding="utf-8")
        settings = load_settings(path)
        assert {stream.id for stream in settings.streams} == there | (named - {"*"})
        assert len(settings.algorithms) == len(tables.get("algorithms", []))


def with_certificates(block: str, folder: Path) -> str:
    """The block with files that are here, where it names certificates: their paths are checked."""
    there = folder / "client.pem"
    there.touch()
    return re.sub(r'^(\w+_file) = ".*?"', rf'\1 = "{there}"', block, flags=re.MULTILINE)


@pytest.mark.usefixtures("_modules_go_again")
def test_settings_of_stream_infer_move_over(tmp_path: Path) -> None:
    document = ROOT / "docs" / "from-stream-infer.md"
    (block,) = blocks(document, "toml")
    (table,) = tomllib.loads(block)["algorithms"]
    config = AlgorithmConfig.model_validate(table)
    path = tmp_path / "heads.py"
    path.write_text(python_files(document)["heads.py"], encoding="utf-8")
    assert kinds.problems(kinds.load(f"file:{path}")[config.kind], config.params) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", document.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        there = document.parent / target if target else document
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), f"{target}#{anchor}"


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_files_that_are_named_exist(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"`([\w./-]+)`", text):
        if name.startswith(PLACES):
            assert (ROOT / name).exists(), name


def test_the_map_has_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for package in sorted(path.parent.name for path in (ROOT / "agent").glob("*/__init__.py")):
        assert f"`agent.{package}`" in text, package


def commands(document: Path) -> list[list[str]]:
    lines = [line for block in blocks(document, "(?:console|sh)") for line in block.splitlines()]
    shown = (line.removeprefix("$ ").removeprefix(".venv/bin/") for line in lines)
    return [
        shlex.split(line.partition(" | ")[0], comments=True) for line in shown if line.startswith("vedette ")
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_commands_that_are_shown_exist(document: Path) -> None:
    group = typer.main.get_command(root._app)
    assert isinstance(group, typer.core.TyperGroup)
    for _, *words in commands(document):
        if words[0].startswith("-"):
            continue
        command = group.commands[words.pop(0)]
        if isinstance(command, typer.core.TyperGroup):
            command = command.commands[words.pop(0)]
        with command.make_context(None, list(words)) as context:  # raises on an option that is not there
            assert context.params
        if command.name == "call":
            assert words[1] in VERBS
