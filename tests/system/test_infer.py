"""`vedette infer` as a person or a script runs it: real files in, results out."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest

from agent.contract.result import unpack_result
from tests.broker import Mosquitto, free_port
from tests.parts.remux import noise, remux
from tests.video import encode
from tests.waiting import eventually
from tests.watcher import Watcher

ALGORITHMS = '''
import time

import numpy as np
from algos import BaseAlgo
from pydantic import Field


class Level(BaseAlgo):
    """The mean level, and how often it was asked."""

    class Params(BaseAlgo.Params):
        scale: float = Field(1.0, ge=0)
        slow_s: float = 0.0
        bad: int = -1

    def init(self):
        self.runs = 0

    def run(self, frames):
        self.runs += 1
        time.sleep(self.params.slow_s)
        if frames.numbers[-1] == self.params.bad:
            raise ValueError("a bad frame")
        return {"level": round(float(frames[-1].mean()) * self.params.scale, 3), "runs": self.runs}
'''

NO_MODEL = '''
from algos import BaseAlgo


class NoModel(BaseAlgo):
    """It cannot begin."""

    def init(self):
        raise RuntimeError("no model")

    def run(self, frames):
        return None
'''


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("infer") / "clip.mp4", frames=100, gop=25)


@pytest.fixture
def level(tmp_path: Path) -> str:
    path = tmp_path / "level.py"
    path.write_text(ALGORITHMS)
    return str(path)


def started(
    *arguments: object, cwd: Path, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """The command, begun."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "agent", "infer", *map(str, arguments)],
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env=environment | {"PYTHONPATH": root, "XDG_STATE_HOME": str(cwd / "state")},
        stdout=stdout,
        stderr=stderr,
    )


def infer(*arguments: object, cwd: Path) -> tuple[int, str, str]:
    """Run it to its end: exit code, standard output, standard error."""
    with started(*arguments, cwd=cwd) as process:
        out, err = process.communicate(timeout=50)
    return process.returncode, out, err


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_results_go_to_standard_output_in_the_envelope_of_live_ones(
    clip: Path, level: str, tmp_path: Path
) -> None:
    code, out, err = infer(clip, "-a", level, "--interval", 1, "-p", "scale=0.5", cwd=tmp_path)
    assert code == 0
    results = [unpack_result(line.encode()) for line in out.splitlines()]
    assert [(one.seq, one.pts, one.frame, one.time) for one in results] == [
        (place + 1, float(place), 25 * place, 1_000_000 * place) for place in range(4)
    ]
    assert {(one.stream, one.algorithm, one.kind, one.device, one.skipped) for one in results} == {
        ("clip", "level", "Level", "offline", 0)
    }
    assert [one.data["runs"] for one in results] == [1, 2, 3, 4]
    assert err.startswith("4 runs, 100 frames played, ")
    assert "\x1b" not in err


def test_the_same_twice_is_the_same_to_the_byte_in_both_formats(
    clip: Path, level: str, tmp_path: Path
) -> None:
    for name in ("a.jsonl", "b.jsonl", "a.msgpack", "b.msgpack"):
        arguments = (clip, "-a", level, "-a", "probe", "--interval", 0.1, "--out", name, "--quiet")
        assert infer(*arguments, cwd=tmp_path) == (0, "", "")
    first = (tmp_path / "a.jsonl").read_bytes()
    assert first == (tmp_path / "b.jsonl").read_bytes()
    packed = (tmp_path / "a.msgpack").read_bytes()
    assert packed == (tmp_path / "b.msgpack").read_bytes()
    with (tmp_path / "a.msgpack").open("rb") as file:
        assert list(msgpack.Unpacker(file)) == lines(first.decode())
    assert len(first.splitlines()) == 80


def test_patterns_folders_and_a_file_of_algorithms(clip: Path, level: str, tmp_path: Path) -> None:
    for name in ("2.mp4", "1.mp4"):
        (tmp_path / name).symlink_to(clip)
    config = tmp_path / "algorithms.toml"
    config.write_text(
        f'[[algorithms]]\nid = "bright"\nkind = "{level}"\ninterval = 2\nparams = {{ scale = 2 }}\n'
        '[[algorithms]]\nid = "facts"\nkind = "probe"\ninterval = 2\nframe_count = 2\n'
    )
    code, out, _ = infer("[0-9].mp4", "--config", config, cwd=tmp_path)
    assert code == 0
    assert [(one["stream"], one["algorithm"], one["pts"]) for one in lines(out)] == [
        (stream, algorithm, pts)
        for stream in ("1", "2")
        for algorithm, pts in (("bright", 0.0), ("facts", 0.04), ("bright", 2.0), ("facts", 2.0))
    ]


def test_a_run_that_raises_is_told_once_and_the_next_goes_on(clip: Path, level: str, tmp_path: Path) -> None:
    code, out, err = infer(clip, "-a", level, "--interval", 1, "-p", "level.bad=25", cwd=tmp_path)
    assert code == 1
    assert [one["pts"] for one in lines(out)] == [0.0, 2.0, 3.0]
    assert "clip/level at 1.000 s: ValueError: a bad frame" in err
    assert 'raise ValueError("a bad frame")' in err
    assert "1 run without a result" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_it_has_a_whole_output_that_says_so(
    clip: Path, level: str, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.jsonl"
    slow = ("--interval", 0, "-p", "slow_s=0.2", "--out", out)
    with started(clip, "-a", level, *slow, cwd=tmp_path) as process:
        eventually(lambda: out.exists() and out.read_bytes().count(b"\n") >= 3, 20.0, "results come")
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    *results, last = lines(out.read_text())
    assert [one["frame"] for one in results] == list(range(len(results)))
    assert last["incomplete"] == {"reason": "interrupted", "results": len(results), "pts": results[-1]["pts"]}
    assert "incomplete: interrupted" in err


def test_who_kills_it_has_whole_results(clip: Path, level: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    slow = ("--interval", 0, "-p", "slow_s=0.1", "--out", out)
    with started(clip, "-a", level, *slow, cwd=tmp_path) as process:
        eventually(lambda: out.exists() and out.read_bytes().count(b"\n") >= 3, 20.0, "results come")
        process.kill()
        process.communicate(timeout=20)
    assert len(lines(out.read_text())) >= 3


def test_a_reader_that_goes_away_is_no_error(clip: Path, level: str, tmp_path: Path) -> None:
    with started(clip, "-a", level, "--interval", 0, "-p", "slow_s=0.01", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 141


def test_a_full_disk_says_how_far_it_came(clip: Path, level: str, tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    code, _, err = infer(clip, "-a", level, "--out", "full.jsonl", "--force", cwd=tmp_path)
    assert code == 74
    assert err == "vedette: full.jsonl cannot be written after 0 results: No space left on device\n"


def test_a_disk_that_fills_up_has_whole_results(clip: Path, level: str, tmp_path: Path) -> None:
    limited = 'ulimit -f 4; exec "$@"'  # no file of more than 4096 bytes
    command = [sys.executable, "-m", "agent", "infer", str(clip), "-a", level, "--interval", "0.04"]
    done = subprocess.run(
        ["bash", "-c", limited, "bash", *command, "--out", "out.jsonl"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    results = lines((tmp_path / "out.jsonl").read_text())
    assert [one["frame"] for one in results] == list(range(len(results)))
    assert 10 < len(results) < 100
    assert done.returncode == 74
    assert done.stderr == (
        f"vedette: out.jsonl cannot be written after {len(results)} results: File too large\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["CLIP", "-a", "probe", "--fps", "0"], 78),
        (["CLIP", "-a", "no_model.py"], 1),
        (["none.mp4", "-a", "probe"], 1),
        (["CLIP", "-a", "probe", "--record", "no/such.mp4", "--position", "99"], 0),
    ],
)
def test_results_that_are_there_go_only_when_others_come(
    clip: Path, tmp_path: Path, arguments: list[str], code: int
) -> None:
    (tmp_path / "no_model.py").write_text(NO_MODEL)
    (tmp_path / "there.jsonl").write_text("kept")
    given = [str(clip) if word == "CLIP" else word for word in arguments]
    assert infer(*given, "--out", "there.jsonl", "--force", cwd=tmp_path)[0] == code
    assert (tmp_path / "there.jsonl").read_text() == ("kept" if code else "")
    assert infer(*given, "--out", "new.jsonl", cwd=tmp_path)[0] == code
    assert (tmp_path / "new.jsonl").exists() == (not code)


def test_what_cannot_begin_names_its_author_not_us(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "no_model.py").write_text(NO_MODEL)
    code, out, err = infer(clip, "-a", "no_model.py", "--quiet", cwd=tmp_path)
    assert code == 1
    assert err.startswith("vedette: an algorithm cannot begin: RuntimeError: no model\nTraceback")
    assert "no_model.py" in err
    assert "/agent/" not in err
    assert lines(out)[-1]["incomplete"]["reason"] == "an algorithm cannot begin: RuntimeError: no model"


def test_a_recording_that_fails_leaves_results_that_say_so(clip: Path, level: str, tmp_path: Path) -> None:
    code, out, err = infer(clip, "-a", level, "--record", "no/such.mp4", cwd=tmp_path)
    assert code == 74
    *results, last = lines(out)
    assert last["incomplete"]["results"] == len(results)
    assert "no/such.mp4 cannot be recorded" in last["incomplete"]["reason"]
    assert "no/such.mp4 cannot be recorded" in err


def test_an_algorithm_of_a_folder_is_found_beside_a_broken_one(
    clip: Path, level: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("def (")
    code, out, err = infer(clip, "-a", "Level", "--algorithms", Path(level).parent, cwd=tmp_path)
    assert (code, len(lines(out))) == (0, 4), err
    code, _, err = infer(clip, "-a", "Levle", "--algorithms", Path(level).parent, cwd=tmp_path)
    assert code == 1
    assert "no algorithm kind 'Levle' is installed here; did you mean 'Level'?" in err
    assert "broken.py cannot be loaded: SyntaxError" in err


def test_a_secret_in_a_name_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "place").write_text("hunter22")
    (tmp_path / "agent.toml").write_text(f'[paths]\nsecrets = "{tmp_path / "secrets"}"\n')
    code, out, err = infer("{secret:place}.mp4", "-a", "probe", cwd=tmp_path)
    assert code == 1
    assert "there is no such file" in err
    assert "hunter22" not in out + err


def test_a_terminal_sees_lines_and_a_bar(clip: Path, level: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with started(
        clip, "-a", level, "--interval", 0.04, "-p", "slow_s=0.02", cwd=tmp_path, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 4096):
                seen += chunk
        except OSError:  # Linux' way to say that the other end is closed
            pass
        os.close(ours)
        assert process.wait(20) == 0
    text = seen.decode()
    assert "0.000  clip/level  level " in text
    assert "x real time" in text
    assert "100 runs, 100 frames played" in text


def test_results_are_published_and_none_is_missing(
    clip: Path, level: str, tmp_path: Path, broker: Mosquitto
) -> None:
    arguments = (clip, "-a", level, "--interval", 0, "--publish", "--broker", broker.url, "--device", "lab")
    with Watcher(broker.url, "lab") as watcher:
        for epoch in (1, 2):
            code, out, err = infer(*arguments, cwd=tmp_path)
            assert (code, len(lines(out))) == (0, 100), err
            assert "not acknowledged" not in err

            def complete(epoch: int = epoch) -> bool:
                seen = [one for one in watcher.results("clip", "level") if one["epoch"] == epoch]
                return [one["seq"] for one in seen] == list(range(1, 101))

            eventually(complete, 10.0, "every result of the epoch")
        eventually(
            lambda: (watcher.latest("d/+/status") or {}).get("state") == "offline", 10.0, "it says goodbye"
        )
        newest = watcher.results("clip", "level")[-1]
    assert abs(newest["time"] / 1e6 - time.time()) < 60


def test_what_no_broker_takes_is_sent_the_next_time(
    clip: Path, level: str, tmp_path: Path, broker: Mosquitto
) -> None:
    arguments = (clip, "-a", level, "--interval", 1, "--publish", "--device", "lab", "--out", "-")
    nobody = f"mqtt://127.0.0.1:{free_port()}"
    code, out, err = infer(*arguments, "--broker", nobody, "--drain-timeout", 0.2, cwd=tmp_path)
    assert (code, len(lines(out))) == (1, 4)
    # Its own state, which is not acknowledged either, is no result.
    assert ", 4 messages not acknowledged: the next --publish sends them" in err
    with Watcher(broker.url, "lab") as watcher:
        code, _, err = infer(*arguments, "--broker", broker.url, cwd=tmp_path)
        assert code == 0, err
        eventually(
            lambda: (
                sorted((one["epoch"], one["seq"]) for one in watcher.results("clip", "level"))
                == [(epoch, seq) for epoch in (1, 2) for seq in range(1, 5)]
            ),
            10.0,
            "those of both runs",
        )


def test_a_broker_that_is_killed_in_the_middle_gets_every_result(
    clip: Path, level: str, tmp_path: Path, broker: Mosquitto
) -> None:
    out = tmp_path / "out.jsonl"
    slow = ("--interval", 0, "-p", "slow_s=0.03", "--out", out)
    to = ("--publish", "--device", "lab", "--broker", broker.url)
    with (
        Watcher(broker.url, "lab") as watcher,
        started(clip, "-a", level, *slow, *to, cwd=tmp_path) as process,
    ):

        def heard() -> set[int]:
            return {one["seq"] for one in watcher.results("clip", "level")}

        eventually(lambda: len(heard()) >= 10, 20.0, "results come")
        broker.kill()
        written = out.read_bytes().count(b"\n")
        eventually(lambda: out.read_bytes().count(b"\n") > written, 20.0, "it goes on without a broker")
        broker.start()
        _, err = process.communicate(timeout=40)
        assert process.returncode == 0, err
        eventually(lambda: heard() == set(range(1, 101)), 20.0, "every result, before or after")
    assert written < 100
    assert len(lines(out.read_text())) == 100


def test_results_that_the_spool_cannot_hold_are_said_to_be_lost(tmp_path: Path) -> None:
    config = tmp_path / "small.toml"
    config.write_text("[delivery]\nspool_max_bytes = 1048576\n")
    scene = ("test://scene?size=64x48", "--until", 240, "-a", "probe", "--interval", 0)
    nobody = f"mqtt://127.0.0.1:{free_port()}"
    to = ("--publish", "--broker", nobody, "--drain-timeout", 0.2, "--config", config)
    code, out, err = infer(*scene, *to, cwd=tmp_path)
    assert (code, len(out.splitlines())) == (1, 6000)
    assert "messages lost: the broker refused them, or delivery.spool_max_* is too little" in err


def test_who_interrupts_the_wait_for_a_broker_has_all_results(clip: Path, level: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    nobody = f"mqtt://127.0.0.1:{free_port()}"
    arguments = (clip, "-a", level, "--out", out, "--publish", "--broker", nobody)
    with started(*arguments, cwd=tmp_path) as process:
        eventually(lambda: out.exists() and out.read_bytes().count(b"\n") == 4, 20.0, "all results")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(lines(out.read_text())) >= 4
    assert "not acknowledged: the next --publish sends them" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["CLIP"], 2, "name an algorithm"),
        (["CLIP", "-a", "nonesuch"], 1, "no algorithm kind 'nonesuch' is installed here"),
        (["CLIP", "-a", "none.py"], 1, "none.py: there is no such file"),
        (["CLIP", "-a", "broken.py"], 1, "SyntaxError"),
        (["CLIP", "-a", "probe", "-a", "probe"], 78, "two algorithms are called probe"),
        (
            ["CLIP", "-a", "motion", "-p", "min_aera=1"],
            78,
            "params.min_aera: unknown key; did you mean `min_area`?",
        ),
        (["CLIP", "-a", "motion", "-p", "min_area"], 2, "is not KEY=VALUE"),
        (["CLIP", "-a", "probe", "--interval", "-1"], 78, "interval: must be at least 0"),
        (["CLIP", "-a", "probe", "--size", "big"], 2, "is no size such as 640x360"),
        (["CLIP", "-a", "probe", "--fps", "0"], 78, "fps must be more than 0"),
        (["CLIP", "-a", "probe", "--until", "-1"], 78, "until must be more than position"),
        (["CLIP", "-a", "probe", "--out", "out.txt"], 2, "ends neither in .jsonl nor in"),
        (["CLIP", "-a", "probe", "--out", "there.jsonl"], 2, "--force replaces it"),
        (
            ["CLIP", "-a", "probe", "--out", "no/such.jsonl"],
            74,
            "no/such.jsonl cannot be written: No such file",
        ),
        (["CLIP", "-a", "probe", "--device", "x"], 2, "is for --publish"),
        (["CLIP", "-a", "probe", "--config", "none.toml"], 78, "none.toml cannot be read"),
        (["none.mp4", "-a", "probe"], 1, "none.mp4: there is no such file"),
        (["none-*.mp4", "-a", "probe"], 1, "none-*.mp4: no file matches"),
        (["broken.py", "-a", "probe"], 1, "broken.py"),
        (["exec:ls", "-a", "probe"], 1, "exec"),
    ],
)
def test_bad_input_is_one_sentence(
    clip: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "there.jsonl").write_text("kept")
    given = [str(clip) if word == "CLIP" else word for word in arguments]
    found, _, err = infer(*given, cwd=tmp_path)
    told = " ".join(err.replace("│", " ").split())
    assert words in told, err
    assert found == code
    assert "Traceback" not in err or "SyntaxError" in err
    assert (tmp_path / "there.jsonl").read_text() == "kept"


def test_damage_is_told_and_what_comes_behind_it_is_played(level: str, tmp_path: Path) -> None:
    plain = encode(tmp_path / "plain.mkv", frames=60, gop=20)
    remux(plain, tmp_path / "bad.mkv", lambda at, p: noise(p) if at == 25 else p)
    code, out, err = infer("bad.mkv", "-a", level, "--interval", "0", cwd=tmp_path)
    assert code == 0
    results = lines(out)
    left_out = 60 - len(results)
    assert left_out >= 1
    assert [result["frame"] for result in results][-20:] == list(range(40, 60))
    assert re.search(rf"{left_out} frames? left out: damaged, and not to be decoded", err)
