"""One command, one pure step from a desired state to the next.

Removing a stream leaves the algorithms that name it alone: they wait for it (their status says so), since
another command may bring it back. An algorithm may not newly name a stream that is not there: that is
a misspelling.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from agent.config.algorithms import AlgorithmConfig
from agent.config.ids import MAX_ITEMS
from agent.config.nearest import did_you_mean
from agent.config.problems import and_more
from agent.config.streams import StreamConfig
from agent.contract import commands as c
from agent.control.desired import ConfigT, Desired, Items
from agent.errors import CommandError

_MAX_TOLD = 5  # streams that are not there, with the nearest that is

Mutation = (
    c.StreamAdd
    | c.StreamUpdate
    | c.StreamRemove
    | c.StreamPause
    | c.StreamResume
    | c.AlgorithmAdd
    | c.AlgorithmUpdate
    | c.AlgorithmRemove
)
"""The commands that change what is to run."""


def apply(desired: Desired, command: Mutation) -> Desired:  # noqa: PLR0911 - one return a verb
    """The desired state after `command`: the same object when it was so already.

    Raises CommandError, and then nothing has changed: 404 for an unknown id, 409 when the id is taken by
    something else or there are too many, 422 when the result would be wrong.
    """
    match command:
        case c.StreamAdd(stream=stream):
            return _with_streams(desired, _added(desired.streams, stream, "stream"))
        case c.StreamUpdate(id=key):
            stream = command.applied_to(_config_of(desired.streams, key, "stream"))
            return _with_streams(desired, _put(desired.streams, stream))
        case c.StreamRemove(id=key):
            _config_of(desired.streams, key, "stream")
            return _with_streams(desired, desired.streams.without(key))
        case c.StreamPause(id=key) | c.StreamResume(id=key):
            paused = isinstance(command, c.StreamPause)
            stream = _config_of(desired.streams, key, "stream")
            return _with_streams(desired, _put(desired.streams, stream.model_copy(update={"paused": paused})))
        case c.AlgorithmAdd(algorithm=algorithm):
            _check_streams(desired, algorithm.streams)
            return _with_algorithms(desired, _added(desired.algorithms, algorithm, "algorithm"))
        case c.AlgorithmUpdate(id=key):
            before = _config_of(desired.algorithms, key, "algorithm")
            algorithm = command.applied_to(before)
            known = frozenset(before.streams)
            _check_streams(desired, [name for name in algorithm.streams if name not in known])
            return _with_algorithms(desired, _put(desired.algorithms, algorithm))
        case c.AlgorithmRemove(id=key):
            _config_of(desired.algorithms, key, "algorithm")
            return _with_algorithms(desired, desired.algorithms.without(key))
        case _:
            assert_never(command)


def id_of(command: Mutation) -> str:
    """The id of the stream or algorithm that a command is about."""
    match command:
        case c.StreamAdd(stream=stream):
            return stream.id
        case c.AlgorithmAdd(algorithm=algorithm):
            return algorithm.id
        case _:
            return command.id


def unknown(what: str, key: str, known: Iterable[str]) -> str:
    """A sentence for an id that is not there, with the nearest that is."""
    return f"there is no {what} {key!r}{did_you_mean(key, known)}"


def _with_streams(desired: Desired, streams: Items[StreamConfig]) -> Desired:
    if streams is desired.streams:
        return desired
    return replace(desired, streams=streams, revision=desired.revision + 1)


def _with_algorithms(desired: Desired, algorithms: Items[AlgorithmConfig]) -> Desired:
    if algorithms is desired.algorithms:
        return desired
    return replace(desired, algorithms=algorithms, revision=desired.revision + 1)


def _added(items: Items[ConfigT], config: ConfigT, what: str) -> Items[ConfigT]:
    known = items.get(config.id)
    if known is not None:
        if known.config == config:
            return items
        raise CommandError(409, f"there is a {what} {config.id!r} already, with other settings: update it")
    if len(items) >= MAX_ITEMS:
        raise CommandError(409, f"there are {MAX_ITEMS} {what}s already, which is the most")
    return items.put(config)


def _put(items: Items[ConfigT], config: ConfigT) -> Items[ConfigT]:
    return items if items[config.id].config == config else items.put(config)


def _config_of(items: Items[ConfigT], key: str, what: str) -> ConfigT:
    item = items.get(key)
    if item is None:
        raise CommandError(404, unknown(what, key, items))
    return item.config


def _check_streams(desired: Desired, names: Sequence[str]) -> None:
    missing = [name for name in names if name != "*" and name not in desired.streams]
    problems = [f"streams: {unknown('stream', name, desired.streams)}" for name in missing[:_MAX_TOLD]]
    if len(missing) > _MAX_TOLD:
        problems.append(and_more(len(missing) - _MAX_TOLD))
    if problems:
        raise CommandError(422, "\n".join(problems))
