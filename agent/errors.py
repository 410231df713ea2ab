"""Every error that Vedette raises, and who has to act on it.

Foreign errors (PyAV, paho, SQLite, the operating system …) are translated into one of these where
the foreign library is called, `from err`. `code` is stable: it appears in logs, status and replies.
"""

from collections.abc import Sequence
from enum import StrEnum


class VedetteError(Exception):
    """Root of all; `str()` is one sentence for a person, without secrets."""

    code = "internal"
    exit_code = 1


class ConfigError(VedetteError):
    """The configuration cannot be used: whoever wrote agent.toml acts. Lists every problem, one a line."""

    code = "config"
    exit_code = 78  # EX_CONFIG: systemd is told not to restart on it


class SecretError(ConfigError):
    """A `{secret:name}` has no value: whoever installs credentials acts."""

    code = "secret"


class Cause(StrEnum):
    """Why a source gives no frames; part of the MQTT contract."""

    AUTH = "auth"  # user name or password refused
    NOT_FOUND = "not-found"  # the server, file or device answers, and has no such stream
    REFUSED = "refused"  # nobody listens there, or the host cannot be reached
    TIMEOUT = "timeout"  # no answer, or frames stopped coming
    CODEC = "codec"  # a codec, container or pixel format that cannot be decoded here
    CORRUPT = "corrupt"  # data that is not what it says
    ENDED = "ended"  # the stream is over
    FORBIDDEN = "forbidden"  # a command named it, and it leads where agent.toml does not let a command lead


class SourceError(VedetteError):
    """A source gave no frames: its `cause` says why; the agent tries again."""

    code = "source"

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class NoRoomError(VedetteError):
    """Shared memory or the processor cannot carry it: the message has the numbers; the operator acts."""

    code = "no-room"


class KindError(VedetteError):
    """An algorithm kind cannot be found, loaded or configured as asked: its author or operator acts."""

    code = "kind"


class ScaffoldError(VedetteError):
    """The beginning of an algorithm cannot be written as asked: whoever named it acts."""

    code = "scaffold"


class ReplayError(VedetteError):
    """A file is no window that the agent kept: whoever named it acts."""

    code = "replay"


class RecordError(VedetteError):
    """Pictures cannot be written to a video file: the message says why; whoever named it acts."""

    code = "record"
    exit_code = 74  # EX_IOERR


class SinkRefusedError(VedetteError):
    """A sink will never accept these results: they become dead letters.

    Without `items`, all that `send` was given, or one of it that cannot be told: it is tried in halves
    until the culprit is alone. With `items`, those; the others of the same call count as delivered.
    """

    code = "sink-refused"

    def __init__(self, message: str, items: Sequence[object] | None = None) -> None:
        super().__init__(message)
        self.items = items


class SinkBusyError(VedetteError):
    """A sink takes nothing now: the same is tried again, not before `retry_after_s` when that is known."""

    code = "sink-busy"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CommandError(VedetteError):
    """A command is refused and has changed nothing; `status` is the HTTP-like code of the reply."""

    code = "command"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BrokerError(VedetteError):
    """The broker cannot be reached or refuses us; the agent tries again, a command-line tool reports it."""

    code = "broker"


class StateError(VedetteError):
    """The state folder cannot be read or written: the operator acts."""

    code = "state"
    exit_code = 74  # EX_IOERR


class ChannelClosedError(VedetteError):
    """The process at the other end of a pipe is gone."""

    code = "channel"
