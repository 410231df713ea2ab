"""A run that has to be complete fails for whatever is left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

@pytest.mark.skipif(True, reason="no broker")
def test_skipif(): pass

def test_skip(): pytest.skip("no clips")

@pytest.mark.xfail(reason="known", strict=True)
def test_xfail(): raise ValueError

@pytest.mark.hardware
def test_hardware(): pytest.skip("no camera")

@pytest.mark.heavy
def test_heavy(): pytest.skip("no torch")

def test_passes(): pass
"""


def run(folder: Path, *, complete: bool) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "VEDETTE_TEST_COMPLETE": "1" if complete else ""}
    options = ["-p", "tests.complete", "-p", "no:cacheprovider", f"--rootdir={folder}", "-W", "ignore"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_some.py").write_text(TESTS, "utf-8")
    return tmp_path


def test_skips_are_allowed_by_default(folder: Path) -> None:
    ended = run(folder, complete=False)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed, 4 skipped, 1 xfailed" in ended.stdout


def test_skips_fail_a_complete_run(folder: Path) -> None:
    ended = run(folder, complete=True)
    assert ended.returncode == 1
    assert "1 failed, 1 passed, 2 skipped, 1 xfailed, 1 error" in ended.stdout
    assert "VEDETTE_TEST_COMPLETE=1: Skipped: no clips" in ended.stdout


def test_a_skipped_file_fails_a_complete_run(folder: Path) -> None:
    (folder / "test_some.py").write_text("import pytest\npytest.importorskip('no_such_module')\n", "utf-8")
    assert run(folder, complete=True).returncode not in (0, 5)
