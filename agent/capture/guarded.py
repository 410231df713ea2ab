"""A source behind a guard: closed with it, and blamed on it when that let something not through."""

from types import TracebackType
from typing import Self

from agent.capture.guard import Guard
from agent.capture.source import Picture, Source, SourceInfo, Unit
from agent.errors import SourceError


def blamed(guard: Guard, where: str, error: SourceError) -> SourceError:
    """Why it failed: what the guard did not let through, if there was something."""
    refusal = guard.refusal
    return error if refusal is None else SourceError(refusal.cause, f"{where}: {refusal}")


class GuardedSource:
    """See `Source`."""

    def __init__(self, source: Source, guard: Guard, where: str) -> None:
        self._source = source
        self._guard = guard
        self._where = where

    @property
    def info(self) -> SourceInfo:
        """See `Source.info`."""
        return self._source.info

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """See `Source.close`."""
        self._source.close()
        self._guard.close()

    def read(self) -> Unit:
        """See `Source.read`."""
        try:
            unit = self._source.read()
        except SourceError as err:
            raise blamed(self._guard, self._where, err) from err
        refusal = self._guard.refusal
        if refusal is not None:  # FFmpeg goes on with what else a playlist names
            raise SourceError(refusal.cause, f"{self._where}: {refusal}")
        return unit

    def decode(self, unit: Unit, *, wanted: bool = True) -> list[Picture]:
        """See `Source.decode`."""
        return self._source.decode(unit, wanted=wanted)

    def flush(self) -> list[Picture]:
        """See `Source.flush`."""
        return self._source.flush()

    def restart(self) -> None:
        """See `Source.restart`."""
        self._source.restart()
