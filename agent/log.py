"""The log: one event a line on stderr, and never a secret in it.

An event has a stable, dotted name and fields: `log.get_logger("supervise").warning("child.ended",
child=name, reason=...)`. JSON when stderr is no terminal, coloured text when it is one. Every text that
is written, tracebacks and what other libraries say included, passes the redaction first. This is the
only module that knows structlog.
"""

import contextlib
import logging
import math
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import TextIOBase
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TextIO

from agent import memory_file
from agent.errors import VedetteError

if TYPE_CHECKING:
    from structlog.dev import ConsoleRenderer
    from structlog.processors import JSONRenderer, TimeStamper

Level = Literal["debug", "info", "warning", "error"]
Style = Literal["auto", "json", "text"]
Redact = Callable[[str], str]

MAX_TEXT: Final = 16384
"""Characters of one field; what is longer loses its middle. journald takes lines of 48 KiB."""

RECENT: Final = "vedette-log"
"""Name of the file in memory with the last lines of a process, as JSON."""
RECENT_BYTES: Final = 262_144  # of the agent's last lines, and of a child's a quarter

_LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES: Final[Mapping[str, int]] = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # syslog's
_OWN_KEYS: Final = frozenset({"time", "level", "component", "event", "logger"})
_MAX_DEPTH: Final = 8  # of fields that are trees; what is deeper is shown as its repr
# An escape sequence in the words of a camera or a broker is not to steer the terminal that shows it.
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


class Logger:
    """Writes the events of one component; may be made before `configure`, and follows it."""

    def __init__(self, component: str) -> None:
        self._component = component

    def debug(self, event: str, **fields: object) -> None:
        """Tell what only a developer wants to know."""
        _output.tell("debug", self._component, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Tell what is worth a line on a healthy day."""
        _output.tell("info", self._component, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Tell what went wrong and is taken care of."""
        _output.tell("warning", self._component, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Tell what went wrong and needs somebody."""
        _output.tell("error", self._component, event, fields)


def get_logger(component: str) -> Logger:
    """The logger of a component: one word that stays the same, like "supervise".

    A field may be any plain value or tree. An exception is shown as its text when it is one of ours, for
    then the text says it all, and with its traceback when nobody expected it.
    """
    return Logger(component)


def configure(
    *,
    level: str = "info",
    style: Style = "auto",
    redact: Redact = str,
    stream: TextIO | None = None,
    context: Mapping[str, str] | None = None,
) -> None:
    """Say how this process logs: each process of the agent does so once, before anything else.

    `stream` is stderr unless given; `context` holds fields of every line, such as the name of a child.
    Raises ValueError for a level or a style that does not exist.
    """
    global _output  # noqa: PLW0603  a process has one log
    recent = _output.recent
    _output = _Output(level=level, style=style, redact=redact, stream=stream, context=context or {})
    _output.recent = recent


def keep_recent(limit_bytes: int) -> None:
    """From now on keep the last lines in memory, where a diagnosis finds them, also of a child that hangs.

    At most `limit_bytes`; the older half goes when they are full.
    """
    _output.recent = _output.recent or memory_file.Lines(RECENT, limit_bytes)


def recent(pid: int) -> str:
    """The last lines of a process that keeps them, whatever it does; empty when it has none."""
    fd = memory_file.find(pid, RECENT)
    if fd is None:
        return ""
    try:
        return memory_file.read(fd, RECENT_BYTES).decode("utf-8", "replace")
    finally:
        os.close(fd)


def without_secrets(text: str) -> str:
    """`text` as this process would log it: without what it knows to be a secret."""
    return _output.redact(text)


def set_level(level: str) -> None:
    """Change the level from now on; raises ValueError for one that does not exist."""
    _output.threshold = _threshold(level)


def level() -> str:
    """The level in force."""
    return next(name for name, value in _LEVELS.items() if value == _output.threshold)


def adopt_process(*, prints: bool = False) -> None:
    """Let what this process says unasked go through the log too.

    That is warnings, what other libraries log, and exceptions that nobody caught. With `prints` also what
    Python code writes to stdout and stderr, as in children: foreign code prints, and so does
    multiprocessing when an exception ends the child.
    """
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    sys.excepthook = _on_uncaught
    threading.excepthook = _on_uncaught_in_thread
    sys.unraisablehook = _on_unraisable
    if prints:
        sys.stdout, sys.stderr = _Prints("stdout"), _Prints("stderr")


@dataclass(frozen=True, slots=True)
class _Writers:
    """What makes a line of an event."""

    stamp: "TimeStamper"
    json: "JSONRenderer"
    text: "ConsoleRenderer"


class _Output:
    """How lines look and where they go; `configure` replaces it whole."""

    def __init__(
        self, *, level: str, style: str, redact: Redact, stream: TextIO | None, context: Mapping[str, str]
    ) -> None:
        if style not in ("auto", "json", "text"):
            raise ValueError(f"there is no log style {style!r}: auto, json or text")
        self.threshold = _threshold(level)
        self.redact = redact
        self.recent: memory_file.Lines | None = None
        self._stream = stream
        self._context = dict(context)
        target = self._target()  # None: the process was started with stderr closed
        self._journal = target is not None and _is_journal(target)
        terminal = target is not None and target.isatty()
        self._as_text = style == "text" or (style == "auto" and terminal)
        self._coloured = terminal
        # Reentrant: a signal may come, and log, while a line is written.
        self._lock = threading.RLock()

    @cached_property
    def _writers(self) -> "_Writers":
        """Made with the first line: structlog takes a quarter of the time in which an inference starts."""
        import structlog  # noqa: PLC0415  see above

        return _Writers(
            stamp=structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            json=structlog.processors.JSONRenderer(ensure_ascii=False),
            text=structlog.dev.ConsoleRenderer(
                colors=self._coloured,
                pad_event_to=20,
                timestamp_key="time",
                sort_keys=False,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        )

    def tell(self, level: Level, component: str, event: str, fields: Mapping[str, object]) -> None:
        if _LEVELS[level] < self.threshold:
            return
        line: dict[str, object] = {"time": "", "level": level, "component": component, "event": event}
        line |= self._context
        writers = self._writers
        writers.stamp(None, level, line)
        for name, value in fields.items():
            line[f"{name}_" if name in _OWN_KEYS or name in self._context else name] = self._clean(value)
        text = "" if self._as_text and self.recent is None else str(writers.json(None, level, line))
        if self.recent is not None:
            self.recent.add(f"{text}\n".encode())
        if self._as_text:
            text = str(self._for_people(level, line))
        self._write((f"<{_PRIORITIES[level]}>" if self._journal else "") + text + "\n")

    def _for_people(self, level: str, line: dict[str, object]) -> str | bytes:
        shown: dict[str, object] = {"logger": line.pop("component")}
        for key, value in line.items():
            text = value.translate(_CONTROL) if isinstance(value, str) else value
            # Under this key structlog lets a text keep its lines.
            shown["exception" if _is_traceback(text) else key] = text
        return self._writers.text(None, level, shown)

    def _clean(self, value: object, depth: int = 0) -> object:
        """The value as plain data whose every text is redacted."""
        match value:
            case float() if not math.isfinite(value):
                return str(value)  # JSON has no word for it
            case None | bool() | int() | float():
                return value
            case BaseException():
                return self._clean_text(_told(value))
            case Mapping() if depth < _MAX_DEPTH:
                return {
                    self._clean_text(str(key)): self._clean(item, depth + 1) for key, item in value.items()
                }
            case list() | tuple() | set() | frozenset() if depth < _MAX_DEPTH:
                return [self._clean(item, depth + 1) for item in value]
            case _:
                return self._clean_text(str(value))

    def _clean_text(self, text: str) -> str:
        # Redacted before it is cut: half a password would not be recognised.
        text = self.redact(text).encode("utf-8", "backslashreplace").decode()
        if len(text) <= MAX_TEXT:
            return text
        return f"{text[: MAX_TEXT // 2]} […{len(text) - MAX_TEXT} characters…] {text[-MAX_TEXT // 2 :]}"

    def _write(self, line: str) -> None:
        # A log that cannot be written (a closed pipe, a full disk) ends nothing that works.
        with self._lock, contextlib.suppress(OSError, ValueError):
            if target := self._target():
                target.write(line)
                target.flush()

    def _target(self) -> TextIO | None:
        stream = self._stream or sys.stderr
        # What `adopt_process` puts there would lead back here.
        return sys.__stderr__ if isinstance(stream, _Prints) else stream


def _threshold(level: str) -> int:
    if level not in _LEVELS:
        raise ValueError(f"there is no log level {level!r}: {', '.join(_LEVELS)}")
    return _LEVELS[level]


def _told(error: BaseException) -> str:
    if isinstance(error, VedetteError):
        return f"{error} ({error.code})"
    return "".join(traceback.format_exception(error)).rstrip()


def _is_traceback(value: object) -> bool:
    return isinstance(value, str) and value.startswith("Traceback (")


def _is_journal(stream: TextIO) -> bool:
    """Whether the stream is the one that systemd made for the journal, which reads `<4>` as a priority."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(stream.fileno())
        return (status.st_dev, status.st_ino) == (int(device), int(inode))
    except (ValueError, OSError):  # not set; or a stream that is no file
        return False


class _Bridge(logging.Handler):
    """Takes what libraries say through Python's logging (asyncio: an exception never retrieved)."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"text": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["error"] = record.exc_info[1]
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        _output.tell(level, record.name, "library.message", fields)


class _Prints(TextIOBase):
    """What is printed, line by line as events; a line without an end is kept to 16 K characters."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = ""
        self._lock = threading.RLock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1 if self._name == "stdout" else 2

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > MAX_TEXT:
                lines.append(self._rest)
                self._rest = ""
        for line in lines:
            if line.strip():
                _output.tell("info", self._name, "process.printed", {"text": line})
        return len(text)


def _on_uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    event = "process.interrupted" if isinstance(error, KeyboardInterrupt) else "process.crashed"
    _output.tell("error", "process", event, {"error": error})


def _on_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "?"
        _output.tell("error", "process", "thread.crashed", {"thread": name, "error": args.exc_value})


def _on_unraisable(args: "sys.UnraisableHookArgs") -> None:
    _output.tell("warning", "process", "error.ignored", {"where": repr(args.object), "error": args.exc_value})


_output = _Output(level="info", style="auto", redact=str, stream=None, context={})
