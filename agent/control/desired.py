"""What is to run: agent.toml as changed by commands. The newest statement about an item wins.

A command's change to an item of the file (or its removal) holds until the file's own entry for that id
changes or goes; from then on the file rules again, and the change is forgotten. An item that only a
command named stays until a command removes it or the file names it. "The entry changes" means that its
fingerprint is another than that of the entry that the command saw and replaced.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.contract.status import Origin

ConfigT = TypeVar("ConfigT", StreamConfig, AlgorithmConfig)


def fingerprint(config: StreamConfig | AlgorithmConfig) -> str:
    """Equal for configurations that mean the same.

    Defaults are left out: a later agent that knows more keys sees the same entries as before.
    """
    settings = config.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Generic[ConfigT]):
    """One stream or algorithm that is to run."""

    config: ConfigT
    origin: Origin = "file"
    replaced: str | None = None
    """Fingerprint of the file's entry that a command replaced: set when the origin is "file+command"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[ConfigT]):
    """What commands made of one id; `config` is None when they removed it."""

    config: ConfigT | None
    replaced: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that commands changed, and the revision that this led to: what is stored."""

    streams: Mapping[str, Change[StreamConfig]] = field(default_factory=dict)
    algorithms: Mapping[str, Change[AlgorithmConfig]] = field(default_factory=dict)
    revision: int = 0
    digest: str = ""
    """Of everything that was to run at this revision, the file's items among it."""


@dataclass(frozen=True, slots=True)
class Items(Mapping[str, Item[ConfigT]]):
    """All streams, or all algorithms, by id; `removed` has the file's that a command took away."""

    by_id: Mapping[str, Item[ConfigT]] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    """Id to the fingerprint of the file's entry."""

    def __getitem__(self, key: str) -> Item[ConfigT]:
        return self.by_id[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)

    def put(self, config: ConfigT) -> "Items[ConfigT]":
        """With `config` added, or in place of what had its id, by command."""
        replaced = self._file_entry(config.id)
        item: Item[ConfigT]
        if replaced is None:
            item = Item(config=config, origin="command")
        elif replaced == fingerprint(config):  # back to what the file says: no change is left
            item = Item(config=config)
        else:
            item = Item(config=config, origin="file+command", replaced=replaced)
        removed = {key: value for key, value in self.removed.items() if key != config.id}
        return Items({**self.by_id, config.id: item}, removed)

    def without(self, key: str) -> "Items[ConfigT]":
        """With the item of that id removed, by command."""
        replaced = self._file_entry(key)
        rest = {name: item for name, item in self.by_id.items() if name != key}
        return Items(rest, self.removed if replaced is None else {**self.removed, key: replaced})

    def changes(self) -> dict[str, Change[ConfigT]]:
        """How this differs from the file."""
        changes: dict[str, Change[ConfigT]] = {
            key: Change(config=item.config, replaced=item.replaced)
            for key, item in self.by_id.items()
            if item.origin != "file"
        }
        return changes | {key: Change(config=None, replaced=value) for key, value in self.removed.items()}

    def _file_entry(self, key: str) -> str | None:
        """The fingerprint of the file's entry; None when the file has none."""
        item = self.by_id.get(key)
        if item is None:
            return self.removed.get(key)
        return fingerprint(item.config) if item.origin == "file" else item.replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything that is to run; `revision` grows with each change of it."""

    streams: Items[StreamConfig] = field(default_factory=Items)
    algorithms: Items[AlgorithmConfig] = field(default_factory=Items)
    revision: int = 0

    def changes(self) -> Changes:
        """What is to be remembered of this beside the file."""
        return Changes(
            streams=self.streams.changes(),
            algorithms=self.algorithms.changes(),
            revision=self.revision,
            digest=_digest(self.streams, self.algorithms),
        )


def merge(file: Settings, changes: Changes) -> Desired:
    """The file's items and the changes by command, by the rule above.

    The revision is the one of `changes`, and one more when not the same is to run as there.
    """
    streams = _merged(file.streams, changes.streams)
    algorithms = _merged(file.algorithms, changes.algorithms)
    same = _digest(streams, algorithms) == changes.digest
    revision = changes.revision if same else changes.revision + 1
    return Desired(streams=streams, algorithms=algorithms, revision=revision)


def _merged(file: Iterable[ConfigT], changes: Mapping[str, Change[ConfigT]]) -> Items[ConfigT]:
    items: dict[str, Item[ConfigT]] = {}
    removed: dict[str, str] = {}
    for config in file:
        change = changes.get(config.id)
        entry = fingerprint(config)
        if change is None or change.replaced != entry:
            items[config.id] = Item(config=config)
        elif change.config is None:
            removed[config.id] = entry
        else:
            items[config.id] = Item(config=change.config, origin="file+command", replaced=entry)
    for key, change in changes.items():
        if key not in items and change.config is not None and change.replaced is None:
            items[key] = Item(config=change.config, origin="command")
    return Items(items, removed)


def _digest(streams: Items[StreamConfig], algorithms: Items[AlgorithmConfig]) -> str:
    marks = sorted(f"s {fingerprint(item.config)}" for item in streams.values())
    marks += sorted(f"a {fingerprint(item.config)}" for item in algorithms.values())
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()
