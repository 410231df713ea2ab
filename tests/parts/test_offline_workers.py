"""Several processes for one algorithm: the same results in the same order, whatever becomes of one."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from agent import Use, infer
from agent.errors import ConfigError
from algos import BaseAlgo, Frames
from tests.video import encode, read_number
from tests.waiting import eventually


class Stateless(BaseAlgo):
    """Says who it is, and what it saw."""

    stateless: ClassVar[bool] = True

    class Params(BaseAlgo.Params):
        die: int = -1
        bad: int = -1
        broken: bool = False
        slow_s: float = 0.0

    params: Params

    def init(self) -> None:
        if self.params.broken:
            raise OSError("there is no model.onnx")
        self.ready = True

    def run(self, frames: Frames) -> dict[str, Any]:
        number = frames.numbers[-1]
        assert self.ready
        if number == self.params.die:
            os._exit(7)
        if number == self.params.bad:
            raise ValueError(f"no frame {number}, please")
        time.sleep(self.params.slow_s + 0.002 * (number % 5))
        seen = tuple(read_number(frame) for frame in frames)
        return {"seen": seen, "times": frames.times, "stream": frames.stream, "pid": os.getpid()}


class Stateful(BaseAlgo):
    """Not to be split."""

    def run(self, frames: Frames) -> int:
        return len(frames)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("workers") / "clip.mp4", frames=60, gop=20, b_frames=2)


def results(clip: Path, workers: int, **params: Any) -> list[Any]:  # noqa: ANN401
    use = Use(Stateless("it", params), interval=0, frame_count=3, workers=workers)
    return [run.error or run.result for run in infer(clip, use, on_error="keep")]


def test_order_and_results_are_those_of_one(clip: Path) -> None:
    one, three = results(clip, 1), results(clip, 3)
    assert {result.pop("pid") for result in one} == {os.getpid()}
    pids = {result.pop("pid") for result in three}
    assert len(pids) == 3
    assert os.getpid() not in pids
    assert three == one
    assert [result["seen"][-1] for result in three] == list(range(2, 60))
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_one_that_dies_takes_one_run_with_it(clip: Path) -> None:
    found = results(clip, 2, die=30)
    assert [place for place, result in enumerate(found, start=2) if isinstance(result, str)] == [30]
    assert found[28] == "the process of it ended in this run: exit code 7"


def test_what_it_raises_is_told_as_if_it_were_here(clip: Path) -> None:
    assert results(clip, 2, bad=10)[8] == results(clip, 1, bad=10)[8] == "ValueError: no frame 10, please"
    with pytest.raises(Exception, match="no frame 10, please") as caught:
        list(infer(clip, Use(Stateless("it", {"bad": 10}), interval=0, workers=2)))
    assert "in run" in str(caught.value)


def test_what_init_raises_is_raised(clip: Path) -> None:
    with pytest.raises(Exception, match=r"no model\.onnx"):
        list(infer(clip, Use(Stateless("it", {"broken": True}), workers=2)))


def test_two_sources(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "other.mp4").symlink_to(clip)
    use = Use(Stateless(), interval=1.0, keyframes="never", workers=2)
    runs = list(infer([clip, tmp_path / "other.mp4"], use))
    assert [(run.stream, run.frame) for run in runs] == [
        (stream, number) for stream in ("clip", "other") for number in (0, 25, 50)
    ]


def test_a_loop_that_is_left_leaves_no_process(clip: Path) -> None:
    with infer(clip, Use(Stateless(), interval=0, workers=2)) as inference:
        pids = {next(inference).result["pid"] for _ in range(10)}
    assert not any(psutil.pid_exists(pid) for pid in pids)


_PROGRAM = """
import sys
from agent import Use, infer
from tests.parts.test_offline_workers import Stateless
print("began", flush=True)
for run in infer(sys.argv[1], Use(Stateless("it", {"slow_s": 30.0}), interval=0, workers=2)):
    pass
"""


def test_who_is_killed_leaves_no_process(clip: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    with subprocess.Popen(
        [sys.executable, str(program), str(clip)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        parent = psutil.Process(process.pid)
        eventually(lambda: len(parent.children()) == 2, 20.0, "two processes")
        children = parent.children()
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == "began\n"  # and once: nobody ran the program again
    eventually(lambda: not any(child.is_running() for child in children), 10.0, "they end too")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Use(Stateful(), workers=2), "several workers are for stateless algorithms"),
        (lambda: infer("a.mp4", Use(local()(), workers=2)), "put Local into a file of its own"),
        (lambda: Use(Stateless(), workers=33), "workers: must be at most 32"),
    ],
)
def test_what_cannot_be_split(make: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError, match=words):
        make()


def local() -> type[BaseAlgo]:
    class Local(BaseAlgo):
        stateless: ClassVar[bool] = True

    return Local


def test_no_thread_is_left() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("infer")]
