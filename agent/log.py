"""Structured logs to stderr: one event a line, JSON when nobody watches, and never a secret.

The only door to structlog. Event names are stable (`stream.opened`); everything else is a field.
"""

import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, Protocol

import structlog

Redact = Callable[[str], str]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # of syslog, which journald reads
_state = {"level": _LEVELS["info"]}


class Logger(Protocol):
    """What logs; the first argument is the event's name."""

    def debug(self, event: str, **fields: object) -> None:
        """For those who look for a fault."""

    def info(self, event: str, **fields: object) -> None:
        """Something happened as it should."""

    def warning(self, event: str, **fields: object) -> None:
        """Something went wrong, and is handled."""

    def error(self, event: str, **fields: object) -> None:
        """Something went wrong, and a person has to act."""


def get_logger(component: str) -> Logger:
    """A logger whose lines say which part of the agent speaks."""
    logger: Logger = structlog.get_logger(component=component)
    return logger


def configure(
    *,
    level: str = "info",
    style: Literal["auto", "json", "text"] = "auto",
    redact: Redact = str,
) -> None:
    """Set up this process' log; every text in it passes `redact`. May be called again."""
    set_level(level)
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    renderer: Any
    if text:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    structlog.configure(
        processors=[
            _drop_below_level,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redactor(redact),
            *([_journal_priority(renderer)] if "JOURNAL_STREAM" in os.environ and not text else [renderer]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _take_standard_logging()


def set_level(level: str) -> None:
    """Log this and what is graver, from now on. Raises KeyError for a level that there is not."""
    _state["level"] = _LEVELS[level]


def level() -> str:
    """The least level that is logged."""
    return next(name for name, number in _LEVELS.items() if number == _state["level"])


_Event = MutableMapping[str, Any]


def _drop_below_level(_logger: object, method: str, event: _Event) -> _Event:
    if _LEVELS.get(method, _LEVELS["error"]) < _state["level"]:
        raise structlog.DropEvent
    return event


def _redactor(redact: Redact) -> Callable[[object, str, _Event], _Event]:
    def clean(value: Any) -> Any:  # noqa: ANN401  any field
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return value if value is None or isinstance(value, bool | int | float) else redact(str(value))

    def process(_logger: object, _method: str, event: _Event) -> _Event:
        return {key: clean(value) for key, value in event.items()}

    return process


def _journal_priority(
    renderer: Callable[[Any, str, _Event], str | bytes],
) -> Callable[[Any, str, _Event], str]:
    """Prefix a line with its priority, so that `journalctl -p warning` works."""

    def render(logger: Any, method: str, event: _Event) -> str:  # noqa: ANN401  structlog's
        return f"<{_PRIORITIES.get(method, 3)}>{renderer(logger, method, event)!s}"

    return render


class _Forward(logging.Handler):
    """Lines of libraries, and of algorithms that use `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        method = record.levelname.lower() if record.levelname.lower() in _LEVELS else "error"
        getattr(get_logger(record.name), method)("log", message=record.getMessage())


def _take_standard_logging() -> None:
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(_state["level"])
