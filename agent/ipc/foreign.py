"""The border to foreign code: the one place where anything may be raised, and is caught."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from agent import log

_Returned = TypeVar("_Returned")
_MAX_TRACE_CHARS = 8192
_OURS = (
    "/agent/worker/",
    "/agent/ipc/",
    "/agent/sink/",
    "/agent/offline/",
    "/agent/cli/infer_job.py",
    "/concurrent/futures/",
)


@dataclass(frozen=True, slots=True)
class Raised:
    """What foreign code raised: one line, and the traceback without our own frames at its top."""

    error: str
    trace: str


def call_foreign(call: Callable[[], _Returned]) -> _Returned | Raised:
    """What `call` returns, or what it raised. `SystemExit` ends the process, as its author asked."""
    try:
        return call()
    except Exception as err:  # noqa: BLE001  foreign code raises what it likes; this is the only broad except
        return raised(err)


def raised(err: BaseException) -> Raised:
    """What was raised, in words."""
    # Redacted before it is cut: half a password would not be recognised.
    trace = log.without_secrets("".join(traceback.format_exception(type(err), err, _theirs(err))))
    line = log.without_secrets(traceback.format_exception_only(err)[-1].strip())
    return Raised(line[:1000], trace[-_MAX_TRACE_CHARS:])


def _theirs(err: BaseException) -> TracebackType | None:
    first = err.__traceback__
    while first is not None and any(ours in first.tb_frame.f_code.co_filename for ours in _OURS):
        first = first.tb_next
    return first or err.__traceback__
