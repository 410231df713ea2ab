"""What a test leaves behind is noticed, an orphan too; what multiprocessing keeps is not."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

from tests import leftovers
from tests.waiting import eventually


def test_processes_and_orphans_are_seen() -> None:
    before = leftovers.look()
    sleeper = "import time; time.sleep(60)"
    script = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {sleeper!r}], stdout=2).pid)"
    )
    orphan = int(subprocess.check_output([sys.executable, "-c", script]))
    with subprocess.Popen([sys.executable, "-c", sleeper]) as child:
        left = leftovers.look().without(before)
        assert sorted(int(name.split()[0]) for name in left["processes"]) == sorted([orphan, child.pid])
        assert set(left) == {"processes"}
        assert all("time.sleep" in name for name in left["processes"])
        child.kill()
    os.kill(orphan, signal.SIGKILL)
    eventually(lambda: not leftovers.look().without(before))


def test_segments_threads_and_files_are_seen() -> None:
    before = leftovers.look()
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait, name="lingering", daemon=True)
    thread.start()
    segment = SharedMemory(create=True, size=4096)
    with tempfile.NamedTemporaryFile(prefix="vedette-") as file, tempfile.NamedTemporaryFile(prefix="other-"):
        left = leftovers.look().without(before)
        assert left["files"] == [Path(file.name).name]
    segment.close()
    segment.unlink()
    go_on.set()
    thread.join()
    assert left["segments"] == [segment.name]
    assert left["threads"] == [f"lingering ({thread.ident})"]
    assert not leftovers.look().without(before)


def test_a_segment_in_use_elsewhere_is_told_from_a_left_one() -> None:
    segment = SharedMemory(create=True, size=4096)
    holder = f"f = open('/dev/shm/{segment.name}'); print(flush=True); input()"
    foreign = {name: value for name, value in os.environ.items() if name != leftovers.MARKER}
    # Twice forked, so that it is no descendant either.
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {holder!r}])"
    try:
        assert not leftovers.in_foreign_use(segment.name)
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=foreign,
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdin is not None
            parent.stdout.readline()
            parent.wait(10)
            assert leftovers.in_foreign_use(segment.name)
    finally:
        segment.close()
        segment.unlink()


def test_servers_of_multiprocessing_may_stay() -> None:
    before = leftovers.look()
    child = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert not leftovers.look().without(before)


def test_the_fixture_fails_a_test_that_leaves_something(tmp_path: Path) -> None:
    fixtures = "from tests.conftest import *\nfrom tests.conftest import _marked_run, _nothing_left\n"
    (tmp_path / "conftest.py").write_text(fixtures, "utf-8")
    (tmp_path / "test_it.py").write_text(
        "import subprocess\n"
        "def test_leaves(): globals()['p'] = subprocess.Popen(['sleep', '60'])\n"
        "def test_ends_it(): p.kill(); p.wait()\n"
        "def test_left_out():\n"
        "    from tests.left_out import leave_out\n"
        "    leave_out('no such program')\n",
        "utf-8",
    )
    output = run_pytest(tmp_path, VEDETTE_TEST_COMPLETE="0")
    assert "left behind: {'processes': ['" in output, output
    assert "sleep 60" in output
    assert "LEFT OUT: 1 tests: no such program" in output
    assert "2 passed, 1 skipped, 1 error" in output
    output = run_pytest(tmp_path, "-k", "left_out", VEDETTE_TEST_COMPLETE="1")
    assert "left out although VEDETTE_TEST_COMPLETE=1: no such program" in output
    assert "1 failed" in output


def run_pytest(folder: Path, *arguments: str, **environ: str) -> str:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": str(root)},
    )
    return done.stdout
