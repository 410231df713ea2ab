"""The newest statement about an item wins: the file's or a command's."""

from collections.abc import Sequence

import pytest

from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.control.desired import Change, Changes, Desired, Item, fingerprint, merge


def _stream(fps: float | None = None, key: str = "door") -> StreamConfig:
    return StreamConfig(id=key, source="test://scene", fps=fps)


def _file(*streams: StreamConfig, algorithms: Sequence[AlgorithmConfig] = ()) -> Settings:
    return Settings(streams=streams, algorithms=tuple(algorithms))


A, B, C = _stream(1), _stream(2), _stream(3)
FA, FB = fingerprint(A), fingerprint(B)

# What the file says, what a command left behind, what is to run.
MERGED: list[tuple[str, StreamConfig | None, Change[StreamConfig] | None, Item[StreamConfig] | None]] = [
    ("the file alone", A, None, Item(config=A)),
    ("a command alone", None, Change(config=B, replaced=None), Item(config=B, origin="command")),
    (
        "changed by command",
        A,
        Change(config=B, replaced=FA),
        Item(config=B, origin="file+command", replaced=FA),
    ),
    ("changed by command, then in the file", C, Change(config=B, replaced=FA), Item(config=C)),
    ("changed by command, then gone from the file", None, Change(config=B, replaced=FA), None),
    ("removed by command", A, Change(config=None, replaced=FA), None),
    ("removed by command, then changed in the file", C, Change(config=None, replaced=FA), Item(config=C)),
    ("removed by command, then gone from the file", None, Change(config=None, replaced=FA), None),
    ("added by command, then named by the file", A, Change(config=B, replaced=None), Item(config=A)),
    ("added by command, then named by the file alike", B, Change(config=B, replaced=None), Item(config=B)),
    ("the file changed to what the command says", B, Change(config=B, replaced=FA), Item(config=B)),
    ("a removal of nothing", None, Change(config=None, replaced=None), None),
]


@pytest.mark.parametrize(("file", "change", "item"), [row[1:] for row in MERGED], ids=[r[0] for r in MERGED])
def test_the_newest_statement_wins(
    file: StreamConfig | None, change: Change[StreamConfig] | None, item: Item[StreamConfig] | None
) -> None:
    changes = Changes(streams={} if change is None else {"door": change})
    settings = _file(*([] if file is None else [file]))
    desired = merge(settings, changes)
    assert desired.streams.get("door") == item
    assert merge(settings, desired.changes()) == desired


def test_a_change_that_the_file_overruled_does_not_come_back() -> None:
    changed = merge(_file(A), Changes(streams={"door": Change(config=B, replaced=FA)}))
    overruled = merge(_file(C), changed.changes())
    assert merge(_file(A), overruled.changes()).streams["door"] == Item(config=A)


STEPS: list[tuple[str, StreamConfig | None, list[StreamConfig | None], str | None, StreamConfig | None]] = [
    ("added", None, [A], "command", A),
    ("added and changed", None, [A, B], "command", B),
    ("added and removed", None, [A, None], None, None),
    ("changed", A, [B], "file+command", B),
    ("changed and back", A, [B, A], "file", A),
    ("removed", A, [None], None, None),
    ("removed and added otherwise", A, [None, B], "file+command", B),
    ("removed and added as it was", A, [None, A], "file", A),
    ("changed and removed", A, [B, None], None, None),
]


@pytest.mark.parametrize(
    ("file", "steps", "origin", "config"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS]
)
def test_what_commands_made_is_the_same_after_a_restart(
    file: StreamConfig | None,
    steps: list[StreamConfig | None],
    origin: str | None,
    config: StreamConfig | None,
) -> None:
    settings = _file(*([] if file is None else [file]))
    streams = merge(settings, Changes()).streams
    for step in steps:
        streams = streams.without("door") if step is None else streams.put(step)
    desired = Desired(streams=streams, revision=7)
    item = desired.streams.get("door")
    assert (item and item.origin, item and item.config) == (origin, config)
    assert merge(settings, desired.changes()) == desired


def test_the_revision_grows_when_the_file_has_changed_and_only_then() -> None:
    first = merge(_file(A), Changes())
    assert first.revision == 1
    assert merge(_file(A), first.changes()).revision == 1
    assert merge(_file(B), first.changes()).revision == 2
    algorithm = AlgorithmConfig(id="m", kind="motion")
    assert merge(_file(A, algorithms=[algorithm]), first.changes()).revision == 2
    assert merge(_file(), merge(_file(B), first.changes()).changes()).revision == 3


def test_two_items_do_not_share_their_fate() -> None:
    other = _stream(9, key="yard")
    changes = Changes(
        streams={"door": Change(config=B, replaced=FA), "hall": Change(config=None, replaced=FB)}
    )
    desired = merge(_file(A, other, _stream(2, key="hall")), changes)
    assert {key: item.origin for key, item in desired.streams.items()} == {
        "door": "file+command",
        "yard": "file",
        "hall": "file",  # its entry is not the one that was removed: it has another id
    }


def test_a_fingerprint_tells_settings_not_spelling() -> None:
    spelt = StreamConfig(id="door", source="test://scene", fps=1, paused=False, open_timeout_s=10)
    assert fingerprint(spelt) == fingerprint(A) != fingerprint(B)
