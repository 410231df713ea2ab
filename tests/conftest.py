"""Fixtures for all tests, and the proof after each that it left nothing behind."""

import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import left_out, leftovers
from tests.broker import Mosquitto
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent

pytest_plugins = ["tests.complete"]


@pytest.fixture(scope="session", autouse=True)
def _marked_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Mark this run's processes, and give them a temporary folder of their own."""
    folder = tmp_path_factory.mktemp("tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(leftovers.MARKER, uuid.uuid4().hex)
        patch.setenv("TMPDIR", str(folder))
        # OpenCV asks once, when a process first uses its FFmpeg; the agent's own source sets it before that,
        # but a test that opens a capture by itself may have come first.
        patch.setenv("OPENCV_FFMPEG_LOGLEVEL", "-8")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield


@pytest.fixture(autouse=True)
def _nothing_left(_marked_run: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """No process, shared memory, thread or temporary file outlives its test.

    Autouse and in the topmost conftest, so it is set up before and checked after every other fixture of
    a test. Things of fixtures with a wider scope were there before.
    """
    # The thousand tables of the unit tests start no process.
    processes = ROOT / "tests" / "unit" not in request.path.parents
    before = leftovers.look(processes=processes)
    yield

    def nothing_left() -> bool:
        left = leftovers.look(processes=processes).without(before)
        left["segments"] = [name for name in left.get("segments", []) if not leftovers.in_foreign_use(name)]
        assert not any(left.values()), f"left behind: {left}"
        return True

    eventually(nothing_left, leftovers.GRACE_S, "nothing is left behind")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto of the test's own (it starts in some 20 ms), with a plain listener."""
    with Mosquitto(tmp_path / "mosquitto") as running:
        yield running


@pytest.fixture
def secure_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto with plain, TLS (client certificates wanted) and WebSocket listeners."""
    with Mosquitto(tmp_path / "mosquitto", tls=True, websockets=True) as running:
        yield running


@pytest.fixture
def data_dir() -> Path:
    """The folder of clips with ground truth: VEDETTE_TEST_DATA, else shared/data beside the repository."""
    folder = Path(os.environ.get("VEDETTE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ground_truth.json").is_file():
        left_out.leave_out(f"no clips in {folder} (set VEDETTE_TEST_DATA)")
    return folder.resolve()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was left out."""
    # From the reports, since each of several worker processes has seen its own skips only.
    skipped = (
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, count in sorted(Counter(skipped).items()):
        terminalreporter.write_line(f"LEFT OUT: {count} tests: {reason}", yellow=True)
