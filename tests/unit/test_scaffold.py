"""The names that `vedette new` takes, and the files that it writes."""

import ast
import tomllib
from pathlib import Path

import pytest

from agent.cli import scaffold
from agent.cli.scaffold import Name
from agent.errors import ScaffoldError


@pytest.mark.parametrize(
    ("given", "name", "distribution", "class_name"),
    [
        ("my_algo", "my_algo", "my-algo", "MyAlgo"),
        ("my-algo", "my_algo", "my-algo", "MyAlgo"),
        ("heads", "heads", "heads", "Heads"),
        ("yolo_v8n_2", "yolo_v8n_2", "yolo-v8n-2", "YoloV8n2"),
    ],
)
def test_a_name_in_all_its_spellings(given: str, name: str, distribution: str, class_name: str) -> None:
    found = Name.checked(given)
    assert (found.name, found.distribution, found.class_name) == (name, distribution, class_name)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("MyAlgo", "try 'my_algo'"),
        ("HTTPCount", "try 'http_count'"),
        ("my algo", "try 'my_algo'"),
        ("my.algo", "try 'my_algo'"),
        ("my__algo", "try 'my_algo'"),
        ("_private", "try 'private'"),
        ("algo_", "try 'algo'"),
        ("7up", "try 'up'"),
        ("", "cannot be the name"),
        ("../up", "cannot be the name"),
        ("größe", "cannot be the name"),
        ("a" * 65, "at most 64"),
        ("class", "a word of Python; try 'class_algo'"),
        ("match", "a word of Python"),
        ("print", "a word of Python"),
        ("json", "is taken"),
        ("algos", "is taken"),
        ("frames", "is taken"),
        ("base-algo", "is taken"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_can(given: str, says: str) -> None:
    with pytest.raises(ScaffoldError) as refused:
        Name.checked(given)
    assert says in str(refused.value)


def test_a_name_of_a_module_that_is_here_would_hide_it(tmp_path: Path) -> None:
    hidden = Name.checked("numpy").hides(tmp_path)
    assert hidden is not None
    assert hidden.endswith("numpy/__init__.py")
    assert Name.checked("nobody_has_this").hides(tmp_path) is None


def test_what_is_written_is_python_and_toml_of_that_name() -> None:
    name = Name.checked("my-heads")
    files = {str(place): text for place, text in scaffold.package(name).items()}
    assert set(files) == {
        "pyproject.toml",
        "README.md",
        "src/my_heads/__init__.py",
        "src/my_heads/algorithm.py",
        "tests/test_my_heads.py",
    }
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["name"] == "my-heads"
    assert project["project"]["entry-points"]["vedette.algorithms"] == {"my_heads": "my_heads:MyHeads"}
    for place, text in files.items():
        assert "$" not in text, place
        if place.endswith(".py"):
            ast.parse(text)
    assert [str(place) for place in scaffold.one_file(name)] == ["my_heads.py"]


def test_nothing_is_overwritten_or_half_written(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine", encoding="utf-8")
    with pytest.raises(ScaffoldError, match="there already"):
        scaffold.write(tmp_path, {Path("a"): "", Path("b"): ""})
    assert (tmp_path / "b").read_text("utf-8") == "mine"
    assert not (tmp_path / "a").exists()
    with pytest.raises(ScaffoldError, match="cannot be written"):
        scaffold.write(tmp_path / "b", {Path("c"): ""})
