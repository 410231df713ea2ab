"""What `vedette new` makes is tested, installed and run as its author would."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.environment import ROOT, Environment
from tests.system.agent_process import AgentProcess
from tests.watcher import Watcher

SCENE = "test://scene?size=320x180&fps=25&seed=1"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


def test_a_package_passes_its_tests_is_installed_and_runs(
    environment: Environment, tmp_path: Path, broker: Mosquitto
) -> None:
    made = environment.run("vedette new bright-spot", tmp_path)
    assert made.returncode == 0, made.stderr
    package = tmp_path / "bright-spot"
    tested = environment.run("python -m pytest -q -p no:cacheprovider", package)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    installed = environment.run("pip install -q --no-deps .", package)
    assert installed.returncode == 0, installed.stderr
    shutil.rmtree(package)  # what runs is what was installed

    listed = environment.run("vedette kinds --json", tmp_path)
    assert listed.returncode == 0, listed.stderr
    kind = json.loads(listed.stdout)["kinds"]["bright_spot"]
    assert kind["origin"] == "entry-point:bright_spot"
    assert kind["params_schema"]["properties"]["level"]["maximum"] == 255

    inferred = environment.run(f"vedette infer '{SCENE}' -a bright_spot --until 3", tmp_path)
    assert inferred.returncode == 0, inferred.stderr
    runs = [json.loads(line) for line in inferred.stdout.splitlines()]
    assert [run["pts"] for run in runs if "data" in run] == [0.0, 1.0, 2.0]

    agent = AgentProcess(tmp_path, broker.url, python=environment.python, environment=environment.variables())
    agent.configure(
        streams=[{"id": "scene", "source": SCENE}],
        algorithms=[{"id": "spot", "kind": "bright_spot", "interval": 0.2, "params": {"level": 60}}],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        *_, result = watcher.wait_for_results(3, algorithm="spot", timeout_s=30.0)
    assert 0 < result["data"]["share"] <= 1
    ((x1, y1, x2, y2),) = result["data"]["boxes"]
    assert 0 <= x1 < x2 <= 1
    assert 0 <= y1 < y2 <= 1


def test_one_file_is_found_in_the_folder_of_algorithms(
    environment: Environment, tmp_path: Path, broker: Mosquitto
) -> None:
    agent = AgentProcess(tmp_path, broker.url)
    agent.configure(
        streams=[{"id": "scene", "source": SCENE}],
        algorithms=[{"id": "spot", "kind": "bright_spot", "interval": 0.2}],
    )
    made = environment.run(f"vedette new bright_spot --one-file --config {agent.config}", tmp_path)
    assert made.returncode == 0, made.stderr
    assert f"wrote {agent.algorithms}/bright_spot.py" in made.stdout
    assert "[paths]" not in made.stdout  # it is the folder that agent.toml names
    with Watcher(broker.url, agent.device) as watcher, agent:
        *_, result = watcher.wait_for_results(3, algorithm="spot", timeout_s=30.0)
    assert set(result["data"]) == {"share", "boxes"}


def test_a_folder_that_nobody_looks_into_is_told(environment: Environment, tmp_path: Path) -> None:
    made = environment.run("vedette new bright_spot --one-file --folder my-algos", tmp_path)
    assert made.returncode == 0, made.stderr
    assert f'[paths]\nalgorithms = "{tmp_path}/my-algos"' in made.stdout
    assert (tmp_path / "my-algos" / "bright_spot.py").is_file()


def test_what_is_there_is_not_written_over(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.py").write_text("mine", encoding="utf-8")
    for command in (
        "vedette new mine",
        "vedette new mine --one-file",
        "vedette new mine --one-file --folder .",
    ):
        refused = environment.run(command, tmp_path)
        assert refused.returncode == 1
        assert refused.stderr.endswith("is there already, and is not overwritten\n")
        assert refused.stderr.count("\n") == 1
    assert list((tmp_path / "mine").iterdir()) == []
    assert (tmp_path / "mine.py").read_text("utf-8") == "mine"


def test_a_kind_that_is_installed_is_not_made_again(environment: Environment, tmp_path: Path) -> None:
    refused = environment.run("vedette new motion", tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == (
        "vedette: a kind 'motion' is installed already, from entry-point:motion; choose another name\n"
    )
    assert not (tmp_path / "motion").exists()


def test_the_templates_are_in_the_wheel(environment: Environment, tmp_path: Path) -> None:
    """Built from a copy, since building leaves a folder behind."""
    source = tmp_path / "source"
    unwanted = shutil.ignore_patterns("__pycache__")
    for package in ("agent", "algos"):
        shutil.copytree(ROOT / package, source / package, ignore=unwanted)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    built = environment.run(f"pip wheel -q --no-deps -w {tmp_path} {source}", tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("vedette-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    templates = {f"agent/cli/templates/{path.name}" for path in (ROOT / "agent/cli/templates").iterdir()}
    assert templates
    assert templates <= packed
    assert "algos/py.typed" in packed
