"""What the commands are made of: arguments, words, completeness, and what a watcher makes of messages."""

import json
from typing import Any

import pytest
import typer

from agent.cli.call import parse_arguments
from agent.cli.parameters import Parameter, parameters
from agent.cli.words import brief, clean, outline
from agent.client.completeness import MAX_RANGES, Completeness
from agent.client.observed import Measured, Notice, Observed
from agent.contract.codec import json_data, pack_data
from agent.contract.result import Result, ResultHead, json_result, pack_result
from agent.delivery.messages import Inbound

PREFIX = "vedette/v1"


@pytest.mark.parametrize(
    ("verb", "document", "pairs", "wanted"),
    [
        ("ping", None, [], {}),
        ("stream.add", None, ["id=door", "fps=10"], {"id": "door", "fps": 10}),
        ("stream.add", None, ["id=7", "source=8"], {"id": "7", "source": "8"}),
        ("stream.add", None, ["source=test://scene?a=1&b=2"], {"source": "test://scene?a=1&b=2"}),
        ("algorithm.update", None, ["params.min_area=0.01"], {"params": {"min_area": 0.01}}),
        ("algorithm.update", None, ["params.a.b=x", "params.c=[1]"], {"params": {"a": {"b": "x"}, "c": [1]}}),
        ("algorithm.update", None, ["size=null", "size=[640,360]"], {"size": [640, 360]}),
        ("stream.update", '{"id": "door", "fps": 1}', ["fps=2"], {"id": "door", "fps": 2}),
        ("stream.update", None, ["hwaccel="], {"hwaccel": ""}),
    ],
)
def test_arguments_are_json_or_text(
    verb: str, document: str | None, pairs: list[str], wanted: dict[str, Any]
) -> None:
    assert parse_arguments(verb, document, pairs) == wanted


@pytest.mark.parametrize(
    ("document", "pairs", "says"),
    [
        (None, ["door"], "'door' is not KEY=VALUE"),
        (None, ["=1"], "is not KEY=VALUE"),
        (None, ["a..b=1"], "is not KEY=VALUE"),
        (None, ["a=1", "a.b=2"], "a is no map"),
        ("[1]", [], "must be a JSON map"),
        ("{", [], "not JSON"),
    ],
)
def test_what_is_no_argument_is_said(document: str | None, pairs: list[str], says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        parse_arguments("algorithm.add", document, pairs)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"moving": True, "share": 0.123456, "regions": [[0, 0, 1, 1]]},
            "moving yes, share 0.1235, regions 1 item",
        ),
        (
            {"box": [1, 2, 3, 4], "text": "x" * 50, "none": None},
            f"box [1, 2, 3, 4], text {'x' * 39}…, none -",
        ),
        ({"inner": {"a": 1, "b": 2}}, "inner {a, b}"),
        ([1, 2, 3, 4, 5], "5 items"),
        ("\x1b[31mred\n", "\\x1b[31mred\\x0a"),
        (b"\x00\x01", "2 bytes"),
    ],
)
def test_results_are_told_in_a_few_words(data: object, words: str) -> None:
    assert brief(data) == words


def test_a_tree_is_told_in_lines() -> None:
    tree = {"a": 1, "b": {"c": [1, 2], "d": {}, "e": None}, "f": [{"g": True}], "h": "one\n\x1btwo"}
    assert list(outline(tree)) == [
        "a  1",
        "b",
        "  c  1, 2",
        "  d  none",
        "  e  -",
        "f",
        "  -",
        "    g  yes",
        "h",
        "  | one",
        "  | \\x1btwo",
    ]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert clean("a\x1b]0;title\x07\u009b\tb") == "a\\x1b]0;title\\x07\\x9b\\x09b"


def test_completeness_names_what_is_missing_and_takes_what_comes_late() -> None:
    known = Completeness(epoch=1)
    assert [known.hear(seq) for seq in (5, 6, 10, 11)] == [True, True, (7, 9), True]
    assert known.missing == [(7, 9)]
    assert known.hear(8) is True
    assert known.missing == [(7, 7), (9, 9)]
    assert known.hear(8) is False
    assert known.hear(6) is False
    assert known.hear(2) is True  # from before we listened
    assert (known.heard, known.repeated, known.missing_count) == (6, 2, 2)


def test_what_the_device_has_announced_is_not_missing() -> None:
    known = Completeness(epoch=1)
    for seq in (1, 10, 20):
        known.hear(seq)
    assert known.explain(4, 12) == 8
    assert known.missing == [(2, 3), (13, 19)]
    assert known.missing_of(2, 15) == [(2, 3), (13, 15)]
    assert (known.explain(4, 12), known.announced, known.missing_count) == (0, 8, 9)
    assert known.explain(0, 100) == 9
    assert (known.missing, known.announced) == ([], 17)


def test_completeness_is_bounded() -> None:
    known = Completeness(epoch=1)
    for seq in range(0, 4 * MAX_RANGES, 2):
        known.hear(seq)
    assert len(known.missing) == MAX_RANGES
    assert known.missing_count == 2 * MAX_RANGES - 1


def _head(seq: int, *, epoch: int = 1, stream: str = "door", algorithm: str = "movement") -> ResultHead:
    return ResultHead(
        device="gate-7",
        epoch=epoch,
        seq=seq,
        stream=stream,
        algorithm=algorithm,
        kind="motion",
        version="1",
        frame=seq * 25,
        pts=float(seq),
        time=1_790_000_000_000_000 + seq,
        latency_ms=3.0,
        skipped=1,
    )


def _result(seq: int, **of: Any) -> Inbound:  # noqa: ANN401 - as `_head`
    head = _head(seq, **of)
    topic = f"{PREFIX}/d/gate-7/s/{head.stream}/a/{head.algorithm}/result"
    return Inbound(topic=topic, payload=pack_result(head, pack_data({"moving": True})))


def _twin(seq: int) -> Inbound:
    topic = f"{PREFIX}/d/gate-7/s/door/a/movement/result.json"
    return Inbound(topic=topic, payload=json_result(_head(seq), json_data({"moving": True})))


def _texts(observed: Observed, *messages: Inbound) -> list[str]:
    happenings = [happening for message in messages for happening in observed.hear(message)]
    return [
        h.text if isinstance(h, Notice) else f"#{h.seq}" for h in happenings if not isinstance(h, Measured)
    ]


def test_a_watcher_tells_results_once_gaps_and_new_starts() -> None:
    observed = Observed(PREFIX)
    told = _texts(observed, _result(1), _twin(1), _result(2), _result(5), _result(3), _result(1, epoch=2))
    assert told == [
        "#1",
        "#2",
        "epoch 1: results 3 to 4 are missing",
        "#5",
        "#3",
        "epoch 2: the agent was started again",
        "#1",
    ]
    pair = observed.devices["gate-7"].pairs["door", "movement"]
    assert (pair.count, pair.skipped, pair.last.data) == (5, 5, {"moving": True})


def test_a_filter_hides_results_but_not_gaps() -> None:
    observed = Observed(PREFIX, "gate-7", stream="door")
    told = _texts(observed, _result(1), _result(2, stream="yard"), _result(3), _result(5, stream="yard"))
    assert told == ["#1", "#3", "epoch 1: result 4 is missing"]
    assert observed.results == 2
    assert f"{PREFIX}/d/gate-7/s/+/a/+/result" in observed.filters


def test_a_watcher_tells_changes_of_state_alone() -> None:
    observed = Observed(PREFIX)
    status = {"id": "door", "state": "opening", "since": 1, "origin": "file", "source": "test://scene"}
    topic = f"{PREFIX}/d/gate-7/s/door/status"

    def stream(**changed: object) -> Inbound:
        return Inbound(topic=topic, payload=json.dumps(status | changed).encode())

    told = _texts(
        observed,
        stream(),
        stream(fps=3.0),
        stream(state="running", width=640, height=360, codec="h264"),
        stream(state="retrying", cause="refused", error="10.0.0.5:554: nobody listens there"),
        Inbound(topic=topic, payload=b""),
    )
    assert told == [
        "stream door opening",
        "stream door running 640x360 h264",
        "stream door retrying: 10.0.0.5:554: nobody listens there",
        "stream door removed",
    ]
    assert observed.devices["gate-7"].streams == {}


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"{}", b"[1]", b"\x81\xa1v\x01"])
def test_what_is_not_of_the_contract_harms_no_watcher(payload: bytes) -> None:
    observed = Observed(PREFIX)
    told = _texts(observed, Inbound(topic=f"{PREFIX}/d/gate-7/s/door/a/movement/result", payload=payload))
    assert len(told) == 1
    assert told[0].endswith("not of the contract")


def test_parameters_are_told_from_their_schema() -> None:
    schema = {
        "properties": {
            "share": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.5,
                "description": "How much.",
            },
            "mode": {"$ref": "#/$defs/Mode"},
            "limit": {
                "anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}],
                "default": None,
            },
            "names": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        "required": ["mode"],
        "$defs": {"Mode": {"enum": ["fast", "good"], "type": "string"}},
    }
    assert list(parameters(schema)) == [
        Parameter("share", "number", "0 to 1", "0.5", "How much."),
        Parameter("mode", "fast | good", "", "required", ""),
        Parameter("limit", "int or null", "> 0", "null", ""),
        Parameter("names", "list of text", "", "[]", ""),
    ]


def test_a_result_is_what_it_was() -> None:
    (result,) = Observed(PREFIX).hear(_result(1))
    assert isinstance(result, Result)
    assert result.seq == 1
