"""A command as a pure step from one desired state to the next."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.contract import commands as c
from agent.control.desired import Change, Changes, Desired, fingerprint, merge
from agent.errors import CommandError

_Found = TypeVar("_Found")

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


def changed_item(desired: Desired, command: Mutation) -> StreamConfig | AlgorithmConfig | None:
    """The item as it is to be after `command`, None when it is to go. Raises CommandError 404, 409, 422."""
    match command:
        case c.StreamAdd(stream=stream):
            known = desired.streams.get(stream.id)
            _new("stream", stream, known.config if known else None)
            return stream
        case c.StreamUpdate(id=name):
            return command.applied_to(_known("stream", name, desired.streams).config)
        case c.StreamPause(id=name):
            return _known("stream", name, desired.streams).config.model_copy(update={"paused": True})
        case c.StreamResume(id=name):
            return _known("stream", name, desired.streams).config.model_copy(update={"paused": False})
        case c.StreamRemove(id=name):
            _known("stream", name, desired.streams)
            return None
        case c.AlgorithmAdd(algorithm=algorithm):
            found = desired.algorithms.get(algorithm.id)
            _new("algorithm", algorithm, found.config if found else None)
            _streams_exist(algorithm, desired)
            return algorithm
        case c.AlgorithmUpdate(id=name):
            after = command.applied_to(_known("algorithm", name, desired.algorithms).config)
            _streams_exist(after, desired)
            return after
        case c.AlgorithmRemove(id=name):
            _known("algorithm", name, desired.algorithms)
            return None
        case _:
            assert_never(command)


def item_id(command: Mutation) -> str:
    """The id of the stream or algorithm that a command changes."""
    match command:
        case c.StreamAdd(stream=item) | c.AlgorithmAdd(algorithm=item):
            return item.id
        case _:
            return command.id


def apply(desired: Desired, command: Mutation, file: Settings) -> Desired:
    """The desired state after `command`; the same value when it changes nothing. Raises CommandError."""
    name, item = item_id(command), changed_item(desired, command)
    if isinstance(command, c.StreamAdd | c.StreamUpdate | c.StreamPause | c.StreamResume | c.StreamRemove):
        stream = desired.streams.get(name)
        before: StreamConfig | AlgorithmConfig | None = stream.config if stream is not None else None
        streams = _with(desired.changes.streams, name, item, file.streams)
        changes = replace(desired.changes, streams=streams)
    else:
        algorithm = desired.algorithms.get(name)
        before = algorithm.config if algorithm is not None else None
        algorithms = _with(desired.changes.algorithms, name, item, file.algorithms)
        changes = replace(desired.changes, algorithms=algorithms)
    if before is not None and before == item:
        return desired
    return merge(file.streams, file.algorithms, changes, desired.revision + 1)


def _with(
    changes: Mapping[str, Change],
    name: str,
    item: StreamConfig | AlgorithmConfig | None,
    entries: Iterable[StreamConfig | AlgorithmConfig],
) -> dict[str, Change]:
    entry = next((entry for entry in entries if entry.id == name), None)
    after = {key: change for key, change in changes.items() if key != name}
    if item is None and entry is None:
        return after  # the file knows nothing of it: nothing is left to remember
    settings = item.model_dump(mode="json") if item is not None else None
    after[name] = Change(settings, fingerprint(entry) if entry is not None else "")
    return after


def _known(what: str, name: str, items: Mapping[str, _Found]) -> _Found:
    found = items.get(name)
    if found is None:
        near = difflib.get_close_matches(name, items, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise CommandError(404, f"there is no {what} {name!r}{hint}")
    return found


def _new(
    what: str, item: StreamConfig | AlgorithmConfig, known: StreamConfig | AlgorithmConfig | None
) -> None:
    if known is not None and known != item:
        raise CommandError(409, f"there is a {what} {item.id!r} already; change it with {what}.update")


def _streams_exist(algorithm: AlgorithmConfig, desired: Desired) -> None:
    problems = []
    for name in algorithm.streams:
        if name != "*" and name not in desired.streams:
            near = difflib.get_close_matches(name, desired.streams, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            problems.append(f"streams: there is no stream {name!r}{hint}")
    if problems:
        raise CommandError(422, "\n".join(problems))
