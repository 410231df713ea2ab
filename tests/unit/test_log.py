"""The log: its lines, its levels, and that no secret gets through it in any way."""

import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from agent import log
from agent.config.secret import redact_url
from agent.errors import ConfigError

SECRET = "hunter2"  # as a camera's password
ROOT = Path(__file__).parents[2]


def redact(text: str) -> str:
    return text.replace(SECRET, "***")


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test configures ends with it."""
    monkeypatch.setattr(log, "_output", log._output)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(**settings: Any) -> io.StringIO:  # noqa: ANN401  whatever `configure` takes
    stream = io.StringIO()
    log.configure(redact=redact, stream=stream, **settings)
    return stream


def test_one_event_is_one_line_of_json() -> None:
    stream = configured()
    log.get_logger("capture").warning("source.lost", stream="door", retry_in_s=1.5, times=[1, 2])
    text = stream.getvalue()
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "component": "capture",
        "event": "source.lost",
        "stream": "door",
        "retry_in_s": 1.5,
        "times": [1, 2],
    }
    assert list(json.loads(text))[:4] == ["time", "level", "component", "event"]


@pytest.mark.parametrize(
    "value",
    [
        f"rtsp://admin:{SECRET}@10.0.0.5/",
        {"source": f"rtsp://admin:{SECRET}@10.0.0.5/"},
        {SECRET: 1},
        [[{"deep": (SECRET,)}]],
        ValueError(SECRET),
        ConfigError(SECRET),
        Path(SECRET),
        SECRET.encode(),
        {SECRET},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": SECRET}}}}}}}}}},
        "x" * (log.MAX_TEXT // 2 - 3) + SECRET + "x" * log.MAX_TEXT,  # the cut goes through it
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_gets_past_the_redaction(value: object) -> None:
    stream = configured()
    log.get_logger("test").info("some.event", value=value)
    assert lines(stream)
    assert "hunt" not in stream.getvalue()


def test_the_password_of_an_url_is_hidden() -> None:
    stream = io.StringIO()
    log.configure(redact=redact_url, stream=stream)
    log.get_logger("test").info("some.event", url=f"rtsp://admin:{SECRET}@10.0.0.5/")
    assert "10.0.0.5" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_an_expected_error_has_no_traceback_and_an_unexpected_one_has() -> None:
    stream = configured()
    for error in (ConfigError("no such key"), KeyError("door")):
        try:
            raise error
        except (ConfigError, KeyError) as err:
            log.get_logger("test").error("it.failed", error=err)
    expected, unexpected = lines(stream)
    assert expected["error"] == "no such key (config)"
    assert unexpected["error"].startswith("Traceback (most recent call last)")
    assert unexpected["error"].endswith("KeyError: 'door'")


def test_a_field_cannot_pass_for_one_of_the_line() -> None:
    stream = configured(context={"child": "worker/x/0"})
    log.get_logger("test").info("some.event", level="critical", component="x", child="y", time=0)
    (line,) = lines(stream)
    assert (line["level"], line["component"], line["child"]) == ("info", "test", "worker/x/0")
    assert (line["level_"], line["component_"], line["child_"], line["time_"]) == ("critical", "x", "y", 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", b"\xff", object])
def test_whatever_the_value_the_line_is_valid_json(value: object) -> None:
    stream = configured()
    log.get_logger("test").info("some.event", value=value)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(stream.getvalue().encode(), parse_constant=refuse)


def test_long_texts_lose_their_middle() -> None:
    stream = configured()
    log.get_logger("test").info("some.event", text="a" * 50_000 + "b")
    (line,) = lines(stream)
    assert len(line["text"]) < log.MAX_TEXT + 100
    assert line["text"].endswith("b")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels_can_be_changed_while_running(level: str, expected: list[str]) -> None:
    stream = configured()
    logger = log.get_logger("test")
    log.set_level(level)
    assert log.level() == level
    for tell in (logger.debug, logger.info, logger.warning, logger.error):
        tell("some.event")
    assert [line["level"] for line in lines(stream)] == expected


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        log.set_level("loud")
    with pytest.raises(ValueError, match="loud"):
        log.configure(level="loud")
    with pytest.raises(ValueError, match="xml"):
        log.configure(style="xml")  # type: ignore[arg-type]


def test_text_for_people_is_disarmed() -> None:
    stream = configured(style="text")
    log.get_logger("test").info("some.event", said="\x1b[2Jgone")
    assert "some.event" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    program = "from agent import log; log.get_logger('test').info('some.event'); print('alive')"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=30,
            check=False,
        )
    assert ended.stdout == b"alive\n"
    closed = configured()
    closed.close()
    log.get_logger("test").info("some.event")


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        log.configure(stream=stream)
        logger = log.get_logger("test")

        def tell(n: int) -> None:
            for i in range(200):
                logger.info("some.event", n=n, i=i)

        threads = [threading.Thread(target=tell, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    told = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    assert len(told) == 800


PROGRAM = f"""
import logging, sys, threading, warnings
from agent import log
log.configure(redact=lambda text: text.replace({SECRET!r}, "***"))
log.adopt_process(prints="prints" in sys.argv)
logging.getLogger("asyncio").error("never retrieved %s", {SECRET!r})
warnings.warn({SECRET!r})
thread = threading.Thread(target=lambda: 1 / 0, name={SECRET!r}); thread.start(); thread.join()
class Sore:
    def __del__(self): raise RuntimeError({SECRET!r})
Sore()
if "prints" in sys.argv:
    print({SECRET!r}, end=" "); print("out"); print({SECRET!r}, file=sys.stderr)
raise ValueError({SECRET!r})
"""


def run_program(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: ANN401
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, timeout=30, check=False, **settings
    )


def test_what_a_process_says_unasked_is_redacted_too() -> None:
    ended = run_program("prints", capture_output=True)
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert SECRET.encode() not in ended.stderr
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["event"], line["component"]) for line in told] == [
        ("library.message", "asyncio"),
        ("library.message", "py.warnings"),
        ("thread.crashed", "process"),
        ("error.ignored", "process"),
        ("process.printed", "stdout"),
        ("process.printed", "stderr"),
        ("process.crashed", "process"),
    ]
    assert [line["text"] for line in told[4:6]] == ["*** out", "***"]


def test_on_a_terminal_it_is_text_for_people() -> None:
    ours, theirs = pty.openpty()
    try:
        run_program(stderr=theirs, stdout=subprocess.DEVNULL)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "process.crashed" in shown
    assert "\n    raise" in shown.replace("\r", "") or "\nTraceback" in shown.replace("\r", "")
    assert '{"' not in shown
    assert SECRET not in shown


def test_the_journal_gets_priorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        log.configure(stream=stream, level="debug")
        logger = log.get_logger("test")
        for tell in (logger.debug, logger.info, logger.warning, logger.error):
            tell("some.event")
    told = (tmp_path / "journal").read_text("utf-8").splitlines()
    assert [line[:4] for line in told] == ["<7>{", "<6>{", "<4>{", "<3>{"]


def test_the_last_lines_are_kept_redacted_whatever_the_style() -> None:
    configured(style="text")
    log.keep_recent(4096)
    for number in range(200):
        log.get_logger("test").info("some.event", number=number, password=SECRET)
    kept = [json.loads(line) for line in log.recent(os.getpid()).splitlines()]
    assert kept[-1]["number"] == 199
    assert [line["number"] for line in kept] == list(range(200 - len(kept), 200))
    assert 10 < len(kept) < 60
    assert {line["password"] for line in kept} == {"***"}
    log.configure(stream=io.StringIO(), redact=redact)  # what was kept stays
    assert json.loads(log.recent(os.getpid()).splitlines()[-1])["number"] == 199


def test_a_process_that_keeps_none_has_no_last_lines() -> None:
    assert log.recent(os.getppid()) == ""


def test_a_line_larger_than_all_that_is_kept_does_no_harm() -> None:
    configured()
    log.keep_recent(1000)
    for _ in range(3):
        log.get_logger("test").info("some.event", text="x" * 5000)
    log.get_logger("test").info("last.event")
    assert json.loads(log.recent(os.getpid()).splitlines()[-1])["event"] == "last.event"
