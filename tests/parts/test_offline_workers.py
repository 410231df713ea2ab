"""Several processes for one algorithm: the same results in the same order, whatever becomes of one."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from agent import Use, infer
from agent.config.algorithms import AlgorithmConfig
from agent.errors import ConfigError, KindError
from agent.offline.installed import installed
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
        ends: str = ""
        once: str = ""  # a file: `init` raises when it exists, and the tenth run makes it and ends

    params: Params
    seen_by = 0

    def init(self) -> None:
        if self.params.ends == "init":
            os._exit(3)
        if self.params.once and Path(self.params.once).exists():
            raise MemoryError("no memory left on the device")
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
        if self.params.once and number >= 10:
            Path(self.params.once).touch()
            os._exit(9)
        if self.params.ends == "held":
            re.match(r"(a+)+$", "a" * 64 + "b")  # keeps the interpreter to itself, for ages
        if self.params.ends == "odd":
            return {"seen": lambda: number}
        time.sleep(self.params.slow_s + 0.002 * (number % 5))
        seen = tuple(read_number(frame) for frame in frames)
        return {
            "seen": seen,
            "times": frames.times,
            "stream": frames.stream,
            "by": self.seen_by,
            "pid": os.getpid(),
        }


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


def test_an_instance_is_used_as_its_maker_set_it(clip: Path) -> None:
    algorithm = Stateless()
    algorithm.seen_by = 7
    runs = list(infer(clip, Use(algorithm, interval=1.0, workers=2)))
    assert {run.result["by"] for run in runs} == {7}


class Plain:
    """Derives from nothing, and takes a parameter of its own."""

    name = "plain"
    stateless = True

    def __init__(self, gain: int) -> None:
        self.gain = gain

    def run(self, frames: list[Any]) -> int:
        frames[-1][:] = 0  # its own copy
        return len(frames) * self.gain


def test_a_class_of_ones_own(clip: Path) -> None:
    runs = list(infer(clip, Use(Plain(3), interval=1.0, keyframes="never", workers=2)))
    assert [run.result for run in runs] == [3, 3, 3]


def test_a_kind_in_a_file_and_its_parameters(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(_FILE)
    config = AlgorithmConfig.model_validate(
        {"id": "one", "kind": "Own", "interval": 1.0, "keyframes": "never", "params": {"gain": 2}}
    )
    # Twice: the file is loaded for each, and the first one's class is no longer that of the module.
    uses = installed([config, config.model_copy(update={"id": "two"})], tmp_path, workers=2)
    runs = list(infer(clip, uses))
    assert [(run.algorithm, run.result) for run in runs] == [("one", 2), ("two", 2)] * 3


_FILE = """
from typing import ClassVar
from algos import BaseAlgo

class Own(BaseAlgo):
    stateless: ClassVar[bool] = True

    class Params(BaseAlgo.Params):
        gain: int = 1

    def run(self, frames):
        return len(frames) * self.params.gain
"""


def test_one_that_ends_in_init_is_named(clip: Path) -> None:
    with pytest.raises(KindError, match=r"the process of it ended in init\(\): exit code 3"):
        list(infer(clip, Use(Stateless("it", {"ends": "init"}), workers=2)))


def test_processes_that_cannot_be_replaced_cost_their_runs_only(clip: Path, tmp_path: Path) -> None:
    found = results(clip, 2, once=str(tmp_path / "mark"))
    assert len(found) == 58
    assert all(isinstance(result, dict) for result in found[:8])
    assert all("exit code 9" in result or "no memory left" in result for result in found[8:])
    assert found[-1] == "MemoryError: no memory left on the device"


def test_what_cannot_leave_its_process_is_said(clip: Path) -> None:
    found = results(clip, 2, ends="odd")
    assert len(found) == 58
    assert all(str(result).startswith("what run() returned cannot leave its process") for result in found)


def test_an_instance_that_cannot_be_sent(clip: Path) -> None:
    algorithm = Stateless("it")
    algorithm.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"make in init\(\) what cannot"):
        infer(clip, Use(algorithm, workers=2))


_PROGRAM = """
import sys
from agent import Use, infer
from tests.parts.test_offline_workers import Stateless
print("began", flush=True)
params = {"ends": "held"} if sys.argv[2] == "held" else {"slow_s": 600.0}
for run in infer(sys.argv[1], Use(Stateless("it", params), interval=0, workers=2)):
    pass
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("busy", ["held", "slow"])
def test_who_is_ended_leaves_no_process(
    clip: Path, tmp_path: Path, *, how: signal.Signals, busy: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(program), str(clip), busy],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        parent = psutil.Process(process.pid)
        try:
            eventually(lambda: len(children_at_work(parent)) == 2, 30.0, "two processes that have a window")
            children = parent.children()
            process.send_signal(how)
            assert process.stdout is not None
            assert process.stdout.read() == "began\n"  # and once: nobody ran the program again
            process.wait(15.0)
        finally:
            process.kill()  # what failed here would compute for ever, and slow all tests after it
    eventually(lambda: not any(map(lives, children)), 10.0, "they end too")


def children_at_work(parent: psutil.Process) -> list[psutil.Process]:
    """Those that have mapped the pixels of a window."""
    return [
        child
        for child in parent.children()
        if any("vedette-infer" in mapped.path for mapped in child.memory_maps(grouped=True))
    ]


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


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
