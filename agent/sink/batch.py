"""What becomes of a batch: delivered, refused, or to be tried again."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent import log
from agent.errors import SinkBusyError, SinkRefusedError
from agent.ipc.foreign import Raised, call_foreign
from agent.sink.base import Item

_MAX_WORDS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The first `settled` items are done with: those in `refused` (index, reason) refused, others delivered.

    The rest failed for `error`, and is to be tried again.
    """

    settled: int
    refused: tuple[tuple[int, str], ...] = ()
    error: str = ""
    trace: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    words: str
    culprits: tuple[int, ...]  # indexes; empty: it does not say which


@dataclass(frozen=True, slots=True)
class _Busy:
    words: str
    retry_after_s: float | None


def hand_over(
    send: Callable[[Sequence[Item]], None], items: Sequence[Item], before: Callable[[], None]
) -> Outcome:
    """Give `items` to `send`, in halves where they are refused, so that only the culprit is left out.

    `before` is called before each call of `send`, which may be 2 n - 1 of them. Order is kept: what comes
    after an item that failed is not tried.
    """
    refused: list[tuple[int, str]] = []
    settled = 0
    parts = [items]  # the next one last
    while parts:
        part = parts.pop()
        before()
        answer = call_foreign(lambda part=part: _attempt(send, part))  # type: ignore[misc]
        match answer:
            case None:
                settled += len(part)
            case _Refused(words, culprits) if culprits:
                refused += [(settled + index, words) for index in culprits]
                settled += len(part)
            case _Refused(words) if len(part) == 1:
                refused.append((settled, words))
                settled += 1
            case _Refused():
                half = len(part) // 2
                parts += [part[half:], part[:half]]
            case _Busy(words, retry_after_s):
                return Outcome(
                    settled=settled,
                    refused=tuple(refused),
                    error=words or "it takes nothing now",
                    retry_after_s=retry_after_s,
                )
            case Raised(error, trace):
                return Outcome(settled=settled, refused=tuple(refused), error=in_words(error), trace=trace)
    return Outcome(settled=settled, refused=tuple(refused))


def in_words(said: object) -> str:
    """What can be sent, and shown."""
    # Redacted before it is cut: half a password would not be recognised.
    return log.without_secrets(str(said))[:_MAX_WORDS].encode("utf-8", "replace").decode()


def _seconds(asked: object) -> float | None:
    """What an author may have written down as a number."""
    if isinstance(asked, int | float) and math.isfinite(asked) and asked >= 0:
        return float(asked)
    return None


def _indexes(named: object, part: Sequence[Item]) -> tuple[int, ...]:
    """Where the named items are in `part`; empty when they do not say which ones are meant."""
    if not isinstance(named, Iterable):
        return ()
    culprits = {id(item) for item in named}
    if not culprits <= {id(item) for item in part}:
        return ()
    return tuple(index for index, item in enumerate(part) if id(item) in culprits)


def _attempt(send: Callable[[Sequence[Item]], None], part: Sequence[Item]) -> _Refused | _Busy | None:
    """What `send` says; looked at here, where foreign code may raise: `__str__`, an iterator."""
    try:
        send(part)
    except SinkRefusedError as answer:
        return _Refused(in_words(answer), _indexes(answer.items, part))
    except SinkBusyError as answer:
        return _Busy(in_words(answer), _seconds(answer.retry_after_s))
    return None
