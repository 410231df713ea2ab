"""A command is a pure step, or a refusal that changed nothing."""

from typing import Any

import pytest

from agent.config.algorithms import AlgorithmConfig
from agent.config.ids import MAX_ITEMS
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.contract.verbs import parse_command
from agent.control.apply import Mutation, apply, id_of
from agent.control.desired import Changes, merge
from agent.errors import CommandError

SOURCE = "rtsp://10.0.0.5/1"
BEFORE = merge(
    Settings(
        streams=(StreamConfig(id="door", source=SOURCE), StreamConfig(id="yard", source=SOURCE, paused=True)),
        algorithms=(AlgorithmConfig(id="m", kind="motion", streams=("door",)),),
    ),
    Changes(revision=4),
)


def _command(verb: str, args: dict[str, Any]) -> Mutation:
    command = parse_command(verb, args)
    assert isinstance(command, Mutation)
    return command


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("stream.add", {"id": "hall", "source": SOURCE}, {"origin": "command", "source": SOURCE}),
    ("stream.update", {"id": "door", "fps": 5}, {"origin": "file+command", "fps": 5, "source": SOURCE}),
    ("stream.remove", {"id": "door"}, {}),
    ("stream.pause", {"id": "door"}, {"origin": "file+command", "paused": True}),
    ("stream.resume", {"id": "yard"}, {"origin": "file+command", "paused": False}),
    (
        "algorithm.add",
        {"id": "n", "kind": "probe", "streams": ["yard", "door"]},
        {"origin": "command", "streams": ("yard", "door")},
    ),
    ("algorithm.add", {"id": "n", "kind": "probe", "streams": ["*"]}, {"origin": "command"}),
    ("algorithm.update", {"id": "m", "interval": 0}, {"origin": "file+command", "interval": 0}),
    ("algorithm.update", {"id": "m", "streams": ["yard"]}, {"streams": ("yard",)}),
    ("algorithm.remove", {"id": "m"}, {}),
]


@pytest.mark.parametrize(("verb", "args", "expected"), CHANGES)
def test_a_change_touches_its_item_alone(verb: str, args: dict[str, Any], expected: dict[str, Any]) -> None:
    command = _command(verb, args)
    after = apply(BEFORE, command)
    assert after.revision == BEFORE.revision + 1
    key = id_of(command)
    tables = ("streams", "algorithms") if verb.startswith("stream") else ("algorithms", "streams")
    changed: Any = getattr(after, tables[0])
    before: Any = getattr(BEFORE, tables[0])
    assert getattr(after, tables[1]) is getattr(BEFORE, tables[1])
    assert {k: v for k, v in changed.items() if k != key} == {k: v for k, v in before.items() if k != key}
    if not expected:
        assert key not in changed
        assert key in changed.removed
    for name, value in expected.items():
        assert (changed[key].origin if name == "origin" else getattr(changed[key].config, name)) == value


UNCHANGED: list[tuple[str, dict[str, Any]]] = [
    ("stream.add", {"id": "door", "source": SOURCE}),
    ("stream.update", {"id": "door"}),
    ("stream.update", {"id": "door", "fps": None, "backend": "pyav"}),
    ("stream.pause", {"id": "yard"}),
    ("stream.resume", {"id": "door"}),
    ("algorithm.add", {"id": "m", "kind": "motion", "streams": ["door"]}),
    ("algorithm.update", {"id": "m", "interval": 1.0}),
]


@pytest.mark.parametrize(("verb", "args"), UNCHANGED)
def test_what_is_so_already_changes_nothing(verb: str, args: dict[str, Any]) -> None:
    assert apply(BEFORE, _command(verb, args)) is BEFORE


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("stream.add", {"id": "door", "source": "rtsp://10.0.0.6/1"}, 409, "already"),
    ("stream.update", {"id": "dor", "fps": 5}, 404, "did you mean 'door'"),
    ("stream.update", {"id": "door", "loop": True}, 422, "loop"),
    ("stream.update", {"id": "door", "source": None}, 422, "source"),
    ("stream.remove", {"id": "nothing-like-it"}, 404, "no stream 'nothing-like-it'"),
    ("stream.pause", {"id": "x"}, 404, "no stream"),
    ("stream.resume", {"id": "x"}, 404, "no stream"),
    ("algorithm.add", {"id": "m", "kind": "motion", "streams": ["yard"]}, 409, "already"),
    ("algorithm.add", {"id": "n", "kind": "k", "streams": ["dor", "yrd"]}, 422, "did you mean 'yard'"),
    ("algorithm.update", {"id": "m", "streams": ["door", "dor"]}, 422, "did you mean 'door'"),
    ("algorithm.update", {"id": "m", "pixel_format": "nv12", "size": [3, 3]}, 422, "nv12"),
    ("algorithm.update", {"id": "n", "interval": 2}, 404, "no algorithm"),
    ("algorithm.remove", {"id": "n"}, 404, "no algorithm"),
]


@pytest.mark.parametrize(("verb", "args", "status", "words"), REFUSED)
def test_a_refusal_says_why(verb: str, args: dict[str, Any], status: int, words: str) -> None:
    before = repr(BEFORE)
    with pytest.raises(CommandError, match=words) as caught:
        apply(BEFORE, _command(verb, args))
    assert caught.value.status == status
    assert repr(BEFORE) == before


def test_an_algorithm_keeps_naming_a_stream_that_was_removed() -> None:
    desired = apply(BEFORE, _command("stream.remove", {"id": "door"}))
    assert desired.algorithms["m"].config.streams == ("door",)
    changed = apply(
        desired, _command("algorithm.update", {"id": "m", "interval": 3, "streams": ["door", "yard"]})
    )
    assert changed.algorithms["m"].config.streams == ("door", "yard")
    again = apply(changed, _command("stream.add", {"id": "door", "source": SOURCE}))
    assert again.streams["door"].origin == "file"  # as the file has it


def test_there_is_a_most() -> None:
    full = merge(
        Settings(streams=tuple(StreamConfig(id=f"s{n}", source=SOURCE) for n in range(MAX_ITEMS))), Changes()
    )
    with pytest.raises(CommandError, match="which is the most") as caught:
        apply(full, _command("stream.add", {"id": "one-more", "source": SOURCE}))
    assert caught.value.status == 409
