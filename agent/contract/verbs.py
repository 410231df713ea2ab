"""The table of verbs, and the way from a command's payload to a `Command`, and from a `Reply` to bytes."""

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.config.algorithms import AlgorithmConfig
from agent.config.problems import problems_of
from agent.config.streams import StreamConfig
from agent.contract import commands as c
from agent.contract.codec import pack_data
from agent.contract.decode import (
    COMMAND_LIMITS,
    Codec,
    Limits,
    OversizedError,
    PayloadError,
    codec_of,
    unpack,
)
from agent.contract.patch import validated
from agent.contract.status import Payload, Reported
from agent.contract.topic import is_id
from agent.errors import CommandError


class RequestError(CommandError):
    """A payload that is no request; `request_id` is its id where that much could be read."""

    def __init__(self, status: int, message: str, request_id: str | None = None) -> None:
        super().__init__(status, message)
        self.request_id = request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One row: what comes in, what it becomes, what is answered."""

    name: str
    command: type[BaseModel]  # a member of `Command`
    args: type[BaseModel]  # the arguments on the wire
    reply: type[Payload]  # `data` of the reply when all is well
    example: dict[str, Any]  # arguments, for the reference
    example_reply: dict[str, Any]
    make: Callable[[Any], c.Command]  # a command of valid arguments

    @property
    def doc(self) -> str:
        """One sentence."""
        return (self.command.__doc__ or "").strip().replace("\n    ", " ")


def _same(args: Any) -> c.Command:  # noqa: ANN401  the arguments are the command
    command: c.Command = args
    return command


_STREAM = {"id": "door", "source": "rtsp://{secret:door}@10.0.0.5/stream1", "fps": 10}
_ALGORITHM = {
    "id": "movement",
    "kind": "motion",
    "streams": ["door"],
    "interval": 1.0,
    "size": [640, 360],
    "params": {"min_area": 0.002},
}
_DONE_STREAM = {"id": "door", "changed": True}
_DONE_ALGORITHM = {"id": "movement", "changed": True}
_T = 1_790_000_000_000_000
_STREAM_STATUS = {"id": "door", "state": "running", "since": _T, "origin": "command"}
_STREAM_STATUS |= {"source": "rtsp://***@10.0.0.5/stream1", "fps": 25.0, "width": 1920, "height": 1080}
_ALGORITHM_STATUS = {"id": "movement", "kind": "motion", "state": "running", "since": _T}
_ALGORITHM_STATUS |= {"origin": "command", "streams": ["door"], "workers": 1, "runs": 60, "results": 60}


def _row(
    name: str,
    command: type[BaseModel],
    reply: type[Payload],
    example: dict[str, Any],
    example_reply: dict[str, Any],
    *,
    args: type[BaseModel] | None = None,
    make: Callable[[Any], c.Command] = _same,
) -> Verb:
    return Verb(
        name=name,
        command=command,
        args=args or command,
        reply=reply,
        example=example,
        example_reply=example_reply,
        make=make,
    )


_ROWS = (
    _row(
        "stream.add",
        c.StreamAdd,
        c.Changed,
        _STREAM,
        _DONE_STREAM,
        args=StreamConfig,
        make=lambda args: c.StreamAdd(stream=args),
    ),
    _row(
        "stream.update",
        c.StreamUpdate,
        c.Changed,
        {"id": "door", "fps": 5, "hwaccel": None},
        _DONE_STREAM,
        args=c.StreamPatch,
        make=lambda args: c.StreamUpdate(id=args.id, patch=args),
    ),
    _row("stream.remove", c.StreamRemove, c.Changed, {"id": "door"}, _DONE_STREAM),
    _row(
        "stream.list",
        c.StreamList,
        c.Streams,
        {},
        {"streams": {"door": {"origin": "command", "config": _STREAM, "status": _STREAM_STATUS}}},
    ),
    _row("stream.pause", c.StreamPause, c.Changed, {"id": "door"}, _DONE_STREAM),
    _row("stream.resume", c.StreamResume, c.Changed, {"id": "door"}, _DONE_STREAM),
    _row(
        "algorithm.add",
        c.AlgorithmAdd,
        c.Changed,
        _ALGORITHM,
        _DONE_ALGORITHM,
        args=AlgorithmConfig,
        make=lambda args: c.AlgorithmAdd(algorithm=args),
    ),
    _row(
        "algorithm.update",
        c.AlgorithmUpdate,
        c.Changed,
        {"id": "movement", "interval": 0.5, "size": None},
        _DONE_ALGORITHM,
        args=c.AlgorithmPatch,
        make=lambda args: c.AlgorithmUpdate(id=args.id, patch=args),
    ),
    _row("algorithm.remove", c.AlgorithmRemove, c.Changed, {"id": "movement"}, _DONE_ALGORITHM),
    _row(
        "algorithm.list",
        c.AlgorithmList,
        c.Algorithms,
        {},
        {
            "algorithms": {
                "movement": {"origin": "command", "config": _ALGORITHM, "status": _ALGORITHM_STATUS}
            }
        },
    ),
    _row("algorithm.restart", c.AlgorithmRestart, c.Changed, {"id": "movement"}, _DONE_ALGORITHM),
    _row(
        "snapshot.take",
        c.SnapshotTake,
        c.SnapshotTaken,
        {"stream": "door", "quality": 80, "max_width": 1280, "draw": True},
        {
            "topic": "vedette/v1/d/gate-7/s/door/snapshot",
            "width": 1280,
            "height": 720,
            "bytes": 143_201,
            "frame": 15_120,
            "pts": 604.8,
            "time": _T,
            "drawn": ["movement"],
        },
    ),
    _row(
        "preview.start",
        c.PreviewStart,
        c.Previewed,
        {"stream": "door", "viewer": "wall", "fps": 2, "max_width": 960},
        {
            "topic": "vedette/v1/d/gate-7/s/door/preview",
            "viewers": 1,
            "fps": 2,
            "max_width": 960,
            "until": _T,
        },
    ),
    _row(
        "preview.stop",
        c.PreviewStop,
        c.Previewed,
        {"stream": "door", "viewer": "wall"},
        {"topic": "vedette/v1/d/gate-7/s/door/preview", "viewers": 0, "fps": 0, "max_width": 0},
    ),
    _row(
        "state.get",
        c.StateGet,
        Reported,
        {},
        {
            "revision": 8,
            "epoch": 3,
            "time": _T,
            "streams": {"door": _STREAM_STATUS},
            "algorithms": {"movement": _ALGORITHM_STATUS},
        },
    ),
    _row(
        "config.get",
        c.ConfigGet,
        c.ConfigShown,
        {},
        {"file": "/etc/vedette/agent.toml", "config": {"device": {"id": "gate-7"}}},
    ),
    _row(
        "log.level",
        c.LogSetLevel,
        c.LogLevelSet,
        {"level": "debug", "for_s": 600},
        {"level": "debug", "until": _T},
    ),
    _row(
        "diag",
        c.Diag,
        c.Diagnosed,
        {"to": "mqtt"},
        {
            "name": "vedette-gate-7-20261001T120000Z.tar.gz",
            "bytes": 143_201,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "topic": "vedette/v1/d/gate-7/diag/c-1",
            "parts": 2,
        },
    ),
    _row("ping", c.Ping, c.Pong, {}, {"version": "0.1.0", "epoch": 3, "time": _T, "uptime_s": 86_400.5}),
)

VERBS: dict[str, Verb] = {row.name: row for row in _ROWS}
"""Every verb that the agent obeys."""


def parse_request(payload: bytes, limits: Limits = COMMAND_LIMITS) -> c.Request:
    """The request in a payload, JSON or msgpack; RequestError 413, 400."""
    return request_of(read_tree(payload, limits))


def read_tree(payload: bytes, limits: Limits = COMMAND_LIMITS) -> object:
    """The plain tree in a payload, JSON or msgpack; RequestError 413, 400."""
    try:
        return unpack(payload, limits)
    except OversizedError as err:
        raise RequestError(413, str(err)) from err
    except PayloadError as err:
        raise RequestError(400, str(err)) from err


def request_of(tree: object) -> c.Request:
    """The request in a tree; RequestError 400."""
    if not isinstance(tree, dict):
        raise RequestError(400, f"a request is a map, not a {type(tree).__name__}")
    given = tree.get("id")
    request_id = given if isinstance(given, str) and is_id(given) else None
    try:
        return c.Request.model_validate(tree)
    except ValidationError as err:
        raise RequestError(400, "\n".join(problems_of(err, c.Request)), request_id) from err


def parse_command(verb: str, args: Mapping[str, Any]) -> c.Command:
    """The command; CommandError 404 for an unknown verb, 422 with every problem of the arguments."""
    row = VERBS.get(verb)
    if row is None:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        raise CommandError(404, f"no verb {verb!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return row.make(validated(row.args, args))


def verb_of(command: c.Command) -> str:
    """The name under which a command came."""
    return next(row.name for row in _ROWS if row.command is type(command))


def encode_reply(reply: c.Reply, codec: Codec) -> bytes:
    """The reply in the codec of its request."""
    if codec == "msgpack":
        return pack_data(reply.tree())
    return json.dumps(reply.tree(), ensure_ascii=False, separators=(",", ":")).encode()


__all__ = [
    "VERBS",
    "RequestError",
    "Verb",
    "codec_of",
    "encode_reply",
    "parse_command",
    "parse_request",
    "read_tree",
    "request_of",
    "verb_of",
]
