"""The page's own source: its checks and tests pass, and what is committed as built is what it builds."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "dashboard"
BUILT = ROOT / "agent" / "dashboard" / "static"
PAGE_GZIPPED = 300_000  # bytes, at most


def npm(*arguments: str, told: str = "") -> str:
    """What `tools/npm` prints; it has to succeed."""
    done = subprocess.run(
        [ROOT / "tools" / "npm", *arguments],
        input=told,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON": sys.executable, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    npm("--version")


pytestmark = pytest.mark.timeout(180)  # the first one fetches some 200 MB


def test_types_lint_and_format() -> None:
    npm("run", "check")


def test_its_own_tests() -> None:
    assert "passed" in npm("test")


def test_what_is_committed_is_what_it_builds(tmp_path: Path) -> None:
    npm("run", "build", "--", "--outDir", str(tmp_path))
    built = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path.relative_to(BUILT): path.read_bytes() for path in BUILT.rglob("*") if path.is_file()}
    assert sorted(built) == sorted(committed), "run `make dashboard`, and commit what it builds"
    assert built == committed, "run `make dashboard`, and commit what it builds"


def test_the_page_is_light() -> None:

    weight = sum(len(gzip.compress(path.read_bytes())) for path in BUILT.rglob("*") if path.is_file())
    assert weight <= PAGE_GZIPPED


def test_its_types_are_those_of_the_contract(tmp_path: Path) -> None:
    schema = subprocess.run(
        [sys.executable, "-m", "agent", "schema"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    made = tmp_path / "contract.ts"
    npm("run", "contract", "--", str(made), told=schema)
    assert made.read_text("utf-8") == (SOURCE / "src" / "client" / "contract.ts").read_text("utf-8"), (
        "run `make dashboard`"
    )
