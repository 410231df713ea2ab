"""What is wanted on this device: the file's items, and what commands changed of them since."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.contract.status import Origin

_Config = TypeVar("_Config", StreamConfig, AlgorithmConfig)


@dataclass(frozen=True, slots=True)
class Item(Generic[_Config]):
    """A wanted stream or algorithm, and where it comes from."""

    config: _Config
    origin: Origin


@dataclass(frozen=True, slots=True)
class Change:
    """What a command made of one item: its settings, or None when it was removed.

    `replaced` is the fingerprint of the file's entry that it overrides, empty when the file had none.
    """

    settings: Mapping[str, Any] | None
    replaced: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """All that commands have changed, by id."""

    streams: Mapping[str, Change] = field(default_factory=dict)
    algorithms: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that is wanted, and how it came to be."""

    streams: Mapping[str, Item[StreamConfig]]
    algorithms: Mapping[str, Item[AlgorithmConfig]]
    changes: Changes
    revision: int


def fingerprint(config: StreamConfig | AlgorithmConfig) -> str:
    """Tells one entry of the file from another."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]


def merge(
    streams: Iterable[StreamConfig],
    algorithms: Iterable[AlgorithmConfig],
    changes: Changes,
    revision: int,
) -> Desired:
    """The file's entries with the commands' changes on top; the newest statement wins.

    A command's change to an entry of the file holds until the file's own entry for that id changes (or
    comes, or goes); then the file's word is the newer one, and the change is dropped.
    """
    merged_streams, kept_streams = _merge(streams, changes.streams, StreamConfig)
    merged_algorithms, kept_algorithms = _merge(algorithms, changes.algorithms, AlgorithmConfig)
    return Desired(merged_streams, merged_algorithms, Changes(kept_streams, kept_algorithms), revision)


def _merge(
    entries: Iterable[_Config], changes: Mapping[str, Change], model: type[_Config]
) -> tuple[dict[str, Item[_Config]], dict[str, Change]]:
    items: dict[str, Item[_Config]] = {entry.id: Item(entry, "file") for entry in entries}
    kept: dict[str, Change] = {}
    for name, change in changes.items():
        entry = items.get(name)
        if (fingerprint(entry.config) if entry is not None else "") != change.replaced:
            continue
        kept[name] = change
        if change.settings is None:
            items.pop(name, None)
        else:
            items[name] = Item(model.model_validate(change.settings), "command")
    return items, kept
