"""Commands: from a payload to a value of a closed union, or to a refusal that says everything."""

import json
from collections.abc import Callable
from typing import Any, get_args

import msgpack
import pytest

from agent.config.algorithms import AlgorithmConfig
from agent.config.streams import StreamConfig
from agent.contract import commands as c
from agent.contract.decode import COMMAND_LIMITS
from agent.contract.verbs import (
    VERBS,
    RequestError,
    Verb,
    encode_reply,
    parse_command,
    parse_request,
    verb_of,
)
from agent.errors import CommandError

SOURCE = "rtsp://10.0.0.5/stream1"
COMMANDS: list[tuple[str, dict[str, Any], c.Command]] = [
    (
        "stream.add",
        {"id": "door", "source": SOURCE},
        c.StreamAdd(stream=StreamConfig(id="door", source=SOURCE)),
    ),
    (
        "stream.update",
        {"id": "door", "fps": 5},
        c.StreamUpdate(id="door", patch=c.StreamPatch.model_validate({"id": "door", "fps": 5})),
    ),
    ("stream.remove", {"id": "door"}, c.StreamRemove(id="door")),
    ("stream.list", {}, c.StreamList()),
    ("stream.pause", {"id": "door"}, c.StreamPause(id="door")),
    ("stream.resume", {"id": "door"}, c.StreamResume(id="door")),
    (
        "algorithm.add",
        {"id": "m", "kind": "motion", "streams": ["*"]},
        c.AlgorithmAdd(algorithm=AlgorithmConfig(id="m", kind="motion", streams=("*",))),
    ),
    (
        "algorithm.update",
        {"id": "m", "interval": 0},
        c.AlgorithmUpdate(id="m", patch=c.AlgorithmPatch.model_validate({"id": "m", "interval": 0})),
    ),
    ("algorithm.remove", {"id": "m"}, c.AlgorithmRemove(id="m")),
    ("algorithm.list", {}, c.AlgorithmList()),
    ("algorithm.restart", {"id": "m"}, c.AlgorithmRestart(id="m")),
    (
        "snapshot.take",
        {"stream": "door"},
        c.SnapshotTake(stream="door", quality=85, max_width=None, draw=False),
    ),
    (
        "preview.start",
        {"stream": "door", "fps": 2},
        c.PreviewStart(stream="door", viewer="viewer", fps=2.0, max_width=640, quality=70, lease_s=30.0),
    ),
    ("preview.stop", {"stream": "door", "viewer": "me"}, c.PreviewStop(stream="door", viewer="me")),
    ("state.get", {}, c.StateGet()),
    ("config.get", {}, c.ConfigGet()),
    ("log.level", {"level": "debug", "for_s": 60}, c.LogSetLevel(level="debug", for_s=60)),
    ("diag", {"to": "mqtt"}, c.Diag(to="mqtt", stacks=True)),
    ("ping", {}, c.Ping()),
]


@pytest.mark.parametrize(("verb", "args", "command"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_every_verb_makes_its_command(verb: str, args: dict[str, Any], command: c.Command) -> None:
    assert parse_command(verb, args) == command
    assert verb_of(command) == verb


def test_the_table_of_verbs_is_the_union_of_commands() -> None:
    assert [row.command for row in VERBS.values()] == list(get_args(c.Command))
    assert [row[0] for row in COMMANDS] == list(VERBS)
    assert all(row.doc.endswith(".") for row in VERBS.values())


REFUSED: list[tuple[str, dict[str, Any], int, list[str]]] = [
    ("stream.ad", {}, 404, ["stream.ad", "did you mean 'stream.add'"]),
    ("nonsense", {}, 404, ["no verb 'nonsense'"]),
    ("stream.add", {}, 422, ["id", "source"]),
    ("stream.add", {"id": "door", "sorce": SOURCE}, 422, ["sorce", "source"]),
    ("stream.add", {"id": "a/b", "source": SOURCE, "backend": "vlc"}, 422, ["id", "backend"]),
    ("stream.add", {"id": "+", "source": SOURCE}, 422, ["id"]),
    ("stream.update", {"fps": 1}, 422, ["id"]),
    ("stream.update", {"id": "door", "fsp": 1}, 422, ["fsp"]),
    ("stream.update", {"id": "door", "fps": -1}, 422, ["fps"]),
    ("stream.remove", {"id": ""}, 422, ["id"]),
    ("stream.remove", {"id": "x", "force": True}, 422, ["force"]),
    ("stream.list", {"all": True}, 422, ["all"]),
    ("algorithm.add", {"id": "m", "kind": "motion", "streams": ["door"], "interval": -1}, 422, ["interval"]),
    ("snapshot.take", {"stream": "door", "quality": 0, "max_width": 1}, 422, ["quality", "max_width"]),
    ("preview.start", {"stream": "door", "fps": 6, "lease_s": 1}, 422, ["fps", "lease_s"]),
    ("log.level", {"level": "loud"}, 422, ["level"]),
    ("log.level", {"level": "info", "for_s": 0}, 422, ["for_s"]),
]


@pytest.mark.parametrize(("verb", "args", "status", "words"), REFUSED)
def test_a_refusal_names_every_problem(
    verb: str, args: dict[str, Any], status: int, words: list[str]
) -> None:
    with pytest.raises(CommandError) as caught:
        parse_command(verb, args)
    assert caught.value.status == status
    for word in words:
        assert word in str(caught.value)


def test_an_update_changes_what_it_names_and_null_brings_the_default_back() -> None:
    stream = StreamConfig(id="door", source=SOURCE, fps=10, backend="opencv", open_timeout_s=3)
    command = parse_command("stream.update", {"id": "door", "fps": None, "open_timeout_s": 4})
    assert isinstance(command, c.StreamUpdate)
    assert command.applied_to(stream) == StreamConfig(
        id="door", source=SOURCE, backend="opencv", open_timeout_s=4
    )
    command = parse_command("stream.update", {"id": "door", "source": None})
    assert isinstance(command, c.StreamUpdate)
    with pytest.raises(CommandError, match="source") as caught:  # it has no default
        command.applied_to(stream)
    assert caught.value.status == 422


def test_params_are_replaced_as_a_whole() -> None:
    algorithm = AlgorithmConfig(id="m", kind="motion", streams=("*",), params={"a": 1, "b": 2})
    command = parse_command("algorithm.update", {"id": "m", "params": {"a": 3}, "size": [640, 360]})
    assert isinstance(command, c.AlgorithmUpdate)
    changed = command.applied_to(algorithm)
    assert changed.params == {"a": 3}
    assert changed.size == (640, 360)
    assert changed.kind == "motion"


@pytest.mark.parametrize("pack", [msgpack.packb, lambda tree: json.dumps(tree).encode()])
def test_a_request_comes_in_either_codec(pack: Callable[[object], bytes]) -> None:
    tree = {"id": "a1", "args": {"id": "door"}, "expires": 1_790_000_000_000_000, "if_revision": 3}
    request = parse_request(pack(tree))
    assert request.model_dump() == tree
    assert parse_request(pack({"id": "a1"})) == c.Request(id="a1")


@pytest.mark.parametrize(
    ("payload", "request_id"),
    [
        (b"", None),
        (b"\xc0", None),
        (b"\x91\x01", None),
        (b'{"id":', None),
        (b"[]", None),
        (b"{}", None),
        (b'{"id": 1}', None),
        (b'{"id": "a/b"}', None),
        (b'{"id": "' + b"x" * 65 + b'"}', None),
        (b'{"id": "a1", "args": []}', "a1"),
        (b'{"id": "a1", "arg": {}}', "a1"),
        (b'{"id": "a1", "expires": "tomorrow"}', "a1"),
        (b'{"id": "a1", "expires": 1790000000}', "a1"),  # seconds
        (b'{"id": "a1", "if_revision": -1}', "a1"),
    ],
)
def test_what_is_no_request_is_400(payload: bytes, request_id: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(payload)
    assert (caught.value.status, caught.value.request_id) == (400, request_id)


def test_an_oversized_request_is_413() -> None:
    payload = json.dumps({"id": "a1", "args": {"x": "y" * 300_000}}).encode()
    with pytest.raises(RequestError) as caught:
        parse_request(payload)
    assert caught.value.status == 413
    with pytest.raises(RequestError) as caught:
        parse_request(b'{"id": "a1"}', COMMAND_LIMITS.with_payload(11))
    assert caught.value.status == 413


def test_a_reply_goes_out_in_either_codec() -> None:
    reply = c.Reply(id="a1", ok=True, code=200, data={"id": "dö"}, device="gate-7", revision=4)
    tree = {"id": "a1", "ok": True, "code": 200, "data": {"id": "dö"}, "device": "gate-7", "revision": 4}
    assert json.loads(encode_reply(reply, "json")) == tree
    assert msgpack.unpackb(encode_reply(reply, "msgpack")) == tree
    unread = c.Reply(id=None, ok=False, code=400, error="no", device="gate-7", revision=4)
    assert json.loads(encode_reply(unread, "json"))["id"] is None


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_the_examples_of_the_reference_are_valid(verb: Verb) -> None:
    parse_command(verb.name, verb.example)
    verb.reply.model_validate(verb.example_reply)
    assert set(verb.example_reply) <= set(verb.reply.model_fields)
