"""The gate: each message is ignored, answered on the spot, or admitted once."""

import json
import re
from collections import Counter
from typing import Any

import msgpack
import pytest

from agent.config.tables import SecurityConfig
from agent.contract import commands as c
from agent.contract.topics import Topics
from agent.control.bounds import MAX_RECENT_BYTES, Recent
from agent.control.gate import (
    MAX_ADDRESSES,
    MAX_AT_WORK,
    MAX_ERROR,
    Admitted,
    Answered,
    Gate,
    Ignored,
    Joined,
    Outcome,
)
from agent.control.messages import CommandMessage, Remembered

TOPICS = Topics("vedette/v1", "gate-7", ("berlin",))
RESP = TOPICS.response
NOW_US = 1_790_000_000_000_000


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now_us(self) -> int:
        return NOW_US + int(self.seconds * 1e6) - 100_000_000

    def monotonic_s(self) -> float:
        return self.seconds


class Bench:
    """A gate with what it needs."""

    def __init__(self, **security: float) -> None:
        self.clock = Hands()
        self.stored: dict[str, Remembered] = {}
        self.gate = Gate(
            TOPICS,
            SecurityConfig.model_validate(security),
            stored=self.stored.get,
            revision=lambda: 4,
            redact=lambda text: text.replace("pa55word", "***"),
            clock=self.clock,
        )

    def send(self, verb: str, tree: object, **fields: Any) -> Any:  # noqa: ANN401 - a decision, looked into
        payload = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
        return self.gate.receive(
            CommandMessage(topic=fields.pop("topic", TOPICS.command(verb)), payload=payload, **fields)
        )

    def done(self, admitted: Admitted, outcome: Outcome | None = None) -> list[tuple[str, dict[str, Any]]]:
        reply = self.gate.encode(admitted, outcome or Outcome(code=200, data={"n": 1}), revision=5)
        return [(message.topic, json.loads(message.payload)) for message in self.gate.finish(reply)]


def _reply(decision: object) -> dict[str, Any]:
    assert isinstance(decision, Answered), decision
    reply: dict[str, Any] = json.loads(decision.reply.payload)
    assert reply["code"] == decision.code
    return reply


def test_a_command_is_admitted_and_answered_where_its_sender_waits() -> None:
    bench = Bench()
    admitted = bench.send(
        "ping", {"id": "a1"}, response_topic="vedette/v1/client/me/resp", correlation_data=b"\x01"
    )
    assert admitted == Admitted(c.Request(id="a1"), c.Ping(), "json")
    reply = bench.gate.encode(admitted, Outcome(code=200, data={"n": 1}), revision=5)
    (message,) = bench.gate.finish(reply)
    assert (message.topic, message.correlation_data) == ("vedette/v1/client/me/resp", b"\x01")
    assert message.content_type == "application/json"
    assert json.loads(message.payload) == {
        "id": "a1",
        "ok": True,
        "code": 200,
        "data": {"n": 1},
        "device": "gate-7",
        "revision": 5,
    }


def test_a_command_to_a_group_or_to_all_is_one_to_this_device() -> None:
    bench = Bench()
    for number, topic in enumerate(("vedette/v1/g/berlin/cmd/ping", "vedette/v1/all/cmd/ping")):
        admitted = bench.send("ping", {"id": f"a{number}"}, topic=topic)
        assert isinstance(admitted, Admitted)
        ((reply_topic, reply),) = bench.done(admitted)
        assert (reply_topic, reply["device"], reply["id"]) == (RESP, "gate-7", f"a{number}")


TURNED_AWAY: list[tuple[str, str, Any, int, str | None, str]] = [
    ("empty", "ping", b"", 400, None, "msgpack"),
    ("no JSON", "ping", b'{"id":', 400, None, "JSON"),
    ("no map", "ping", b"[]", 400, None, ""),
    ("no id", "ping", {}, 400, None, "id"),
    ("an id that is none", "ping", {"id": "a/b"}, 400, None, "id"),
    ("a misspelt key", "ping", {"id": "a1", "arg": {}}, 400, "a1", "did you mean `args`"),
    ("half a character", "ping", b'{"id": "a1", "args": {"x": "\\ud800"}}', 400, "a1", "surrogate"),
    ("half a character in a key", "ping", b'{"id": "a1", "args": {"\\ud800": 1}}', 400, "a1", "surrogate"),
    ("half a character outside", "ping", b'{"id": "a1", "\\ud800": 1}', 400, "a1", "unicode"),
    ("infinite", "ping", b'{"id": "a1", "args": {"x": [1e999]}}', 400, "a1", "finite"),
    ("70 bits", "ping", {"id": "a1", "args": {"x": 1 << 70}}, 400, "a1", "64 bits"),
    ("too deep", "ping", b'{"id": "a1", "args": ' + b'{"x":' * 20 + b"1" + b"}" * 21, 400, None, "deep"),
    ("too large", "ping", {"id": "a1", "args": {"x": "y" * 4096}}, 413, None, "2048"),
    ("an unknown verb", "stream.ad", {"id": "a1"}, 404, "a1", "did you mean 'stream.add'"),
    ("a wrong argument", "stream.add", {"id": "a1", "args": {"id": "+"}}, 422, "a1", "source"),
    ("a password", "log.level", {"id": "a1", "args": {"pa55word": 1}}, 422, "a1", "\\*\\*\\*"),
    ("expired", "ping", {"id": "a1", "expires": NOW_US - 1}, 410, "a1", "expired"),
    ("expired and wrong", "nothing", {"id": "a1", "expires": NOW_US - 1}, 410, "a1", "expired"),
]


@pytest.mark.parametrize(
    ("verb", "tree", "code", "command_id", "words"),
    [row[1:] for row in TURNED_AWAY],
    ids=[r[0] for r in TURNED_AWAY],
)
def test_what_cannot_be_done_is_answered_on_the_spot(
    verb: str, tree: object, code: int, command_id: str | None, words: str
) -> None:
    bench = Bench(max_payload_bytes=2048)
    decision = bench.send(verb, tree, response_topic="elsewhere/resp", correlation_data=b"c")
    reply = _reply(decision)
    assert (reply["code"], reply["id"], reply["ok"], reply["revision"]) == (code, command_id, False, 4)
    assert re.search(words, reply["error"])
    assert (decision.reply.topic, decision.reply.correlation_data) == (RESP, b"c")


def test_a_reply_comes_in_the_codec_of_its_command() -> None:
    bench = Bench()
    admitted = bench.send("ping", msgpack.packb({"id": "a1"}))
    reply = bench.gate.encode(admitted, Outcome(code=200), revision=5)
    assert reply.content_type == "application/vnd.msgpack"
    assert msgpack.unpackb(reply.payload)["id"] == "a1"
    wrong = bench.send("stream.add", msgpack.packb({"id": "a2"}))
    assert msgpack.unpackb(wrong.reply.payload)["code"] == 422
    for args in ({"x": b"bytes"}, {"x": float("nan")}):
        assert (
            msgpack.unpackb(bench.send("ping", msgpack.packb({"id": "a3", "args": args})).reply.payload)[
                "code"
            ]
            == 400
        )


IGNORED: list[tuple[str, CommandMessage]] = [
    ("retained", CommandMessage(topic=TOPICS.command("ping"), payload=b'{"id": "a1"}', retain=True)),
    ("another group", CommandMessage(topic="vedette/v1/g/paris/cmd/ping", payload=b'{"id": "a1"}')),
    ("another device", CommandMessage(topic="vedette/v1/d/other/cmd/ping", payload=b'{"id": "a1"}')),
    ("no verb", CommandMessage(topic="vedette/v1/d/gate-7/cmd", payload=b'{"id": "a1"}')),
    ("not a command", CommandMessage(topic="vedette/v1/d/gate-7/status", payload=b'{"id": "a1"}')),
    ("a strange verb", CommandMessage(topic="vedette/v1/d/gate-7/cmd/a b", payload=b'{"id": "a1"}')),
]


@pytest.mark.parametrize("message", [row[1] for row in IGNORED], ids=[row[0] for row in IGNORED])
def test_what_is_no_command_gets_no_answer(message: CommandMessage) -> None:
    bench = Bench()
    assert isinstance(bench.gate.receive(message), Ignored)
    assert isinstance(bench.send("ping", {"id": "a1"}), Admitted)
    assert bench.gate.counters == {"received": 2, "ignored": 1, "admitted": 1}


RESPONSE_TOPICS: list[tuple[str | None, bool]] = [
    (None, False),
    ("vedette/v1/client/me/resp", True),
    ("vedette/v1/d/gate-7/resp", True),
    ("vedette/v1/d/other/resp", False),
    ("vedette/v1/d/gate-7/cmd/stream.remove", False),
    ("vedette/v1/client/me/other", False),
    ("vedette/v1/client/+/resp", False),
    ("vedette/v1/client/a/b/resp", False),
    ("$SYS/x", False),
    ("", False),
]


@pytest.mark.parametrize(("asked", "allowed"), RESPONSE_TOPICS)
def test_the_agent_is_no_reflector(asked: str | None, allowed: bool) -> None:  # noqa: FBT001
    bench = Bench()
    decision = bench.send("ping", b"?", response_topic=asked)
    assert decision.reply.topic == (asked if allowed else RESP)


def test_an_id_at_work_is_not_done_twice_and_gets_the_one_reply() -> None:
    bench = Bench()
    mine = {"response_topic": "vedette/v1/client/me/resp"}
    admitted = bench.send("ping", {"id": "a1"}, **mine)
    assert bench.send("ping", {"id": "a1"}, **mine) == Joined("a1")  # the same sender: one reply
    assert bench.send("ping", {"id": "a1"}) == Joined("a1")
    for number in range(2 * MAX_ADDRESSES):
        bench.send("ping", {"id": "a1"}, response_topic=f"vedette/v1/client/c{number}/resp")
    topics = [topic for topic, _ in bench.done(admitted)]
    assert topics[:2] == ["vedette/v1/client/me/resp", RESP]
    assert len(topics) == len(set(topics)) == MAX_ADDRESSES


def test_an_id_that_was_answered_gets_the_same_bytes() -> None:
    bench = Bench()
    reply = bench.gate.encode(bench.send("ping", {"id": "a1"}), Outcome(code=200, data={"n": 1}), revision=5)
    bench.gate.finish(reply)
    again = bench.send("stream.remove", msgpack.packb({"id": "a1"}), correlation_data=b"2")
    assert isinstance(again, Answered)
    assert (again.reply.payload, again.reply.content_type) == (reply.payload, reply.content_type)
    assert (again.reply.topic, again.reply.correlation_data) == (RESP, b"2")
    refused = bench.send("nothing", {"id": "a2"})
    assert bench.send("ping", {"id": "a2"}).reply.payload == refused.reply.payload
    assert bench.gate.counters["repeated"] == 2


def test_an_id_of_an_earlier_life_gets_the_same_bytes() -> None:
    bench = Bench()
    bench.stored["a1"] = Remembered(
        id="a1", code=409, payload=b"{}", content_type="application/json", time_us=1
    )
    again = bench.send("ping", {"id": "a1", "expires": NOW_US - 1})
    assert (again.code, again.reply.payload) == (409, b"{}")


def test_a_command_that_was_given_up_may_come_again() -> None:
    bench = Bench()
    bench.gate.forget(bench.send("ping", {"id": "a1"}))
    assert isinstance(bench.send("ping", {"id": "a1"}), Admitted)


def test_too_many_a_second_are_told_to_slow_down_and_may_come_again() -> None:
    bench = Bench(commands_per_s=5)
    for number in range(10):
        bench.done(bench.send("ping", {"id": f"a{number}"}))
    assert _reply(bench.send("ping", {"id": "b"}))["code"] == 429
    assert _reply(bench.send("ping", b"?"))["code"] == 429
    bench.clock.seconds += 0.2
    assert isinstance(bench.send("ping", {"id": "b"}), Admitted)
    assert _reply(bench.send("ping", {"id": "b"}))["code"] == 429


def client(name: str) -> dict[str, str]:
    return {"response_topic": f"vedette/v1/client/{name}/resp"}


def test_a_client_that_floods_takes_nothing_from_the_others() -> None:
    bench = Bench(commands_per_s=5)
    codes = Counter[str]()
    for number in range(100):
        decision = bench.send("ping", {"id": f"noise{number}"}, **client("noisy"))
        codes[type(decision).__name__] += 1
        if isinstance(decision, Admitted):
            bench.done(decision)
    assert codes == {"Admitted": 10, "Answered": 10, "Ignored": 80}  # obeyed, told, counted
    assert bench.gate.counters["flooded"] == bench.gate.counters["ignored"] == 80
    assert isinstance(bench.send("ping", {"id": "a1"}, **client("calm")), Admitted)
    assert isinstance(bench.send("ping", {"id": "a2"}), Admitted)
    for topic in ("vedette/v1/d/other/resp", RESP, "vedette/v1/client/+/resp"):  # all of them nobody
        for number in range(6):
            bench.send("ping", {"id": f"b{number}"}, response_topic=topic)
    assert _reply(bench.send("ping", {"id": "a3"}))["code"] == 429


def test_a_flood_of_names_leaves_a_client_that_is_known_its_share() -> None:
    bench = Bench()
    bench.send("ping", b"?", **client("known"))
    for second in range(20):
        for number in range(500):
            bench.send("ping", b"?", **client(f"n{second}-{number}"))
        bench.clock.seconds += 1.0
        decision = bench.send("ping", {"id": f"a{second}"}, **client("known"))
        assert isinstance(decision, Admitted), second
        bench.done(decision)


def test_too_many_at_work_of_one_client_leave_room_for_another() -> None:
    bench = Bench(commands_per_s=10_000, all_commands_per_s=10_000)
    taken = [bench.send("ping", {"id": f"a{number}"}, **client("busy")) for number in range(MAX_AT_WORK)]
    assert [isinstance(decision, Admitted) for decision in taken].count(True) == MAX_AT_WORK // 2
    assert _reply(taken[-1])["code"] == 429
    assert isinstance(bench.send("ping", {"id": "b"}, **client("other")), Admitted)
    assert isinstance(bench.send("ping", {"id": "c"}), Admitted)


def test_too_many_at_work_are_told_to_wait() -> None:
    bench = Bench(commands_per_s=10_000, all_commands_per_s=10_000)
    admitted = [bench.send("ping", {"id": f"a{number}"}) for number in range(MAX_AT_WORK)]
    assert _reply(bench.send("ping", {"id": "b"}))["code"] == 429
    bench.done(admitted[0])
    assert isinstance(bench.send("ping", {"id": "b"}), Admitted)


def test_what_is_remembered_is_bounded_in_bytes() -> None:
    recent = Recent()
    for number in range(10):
        payload = bytes(MAX_RECENT_BYTES // 4)
        recent.add(Remembered(id=f"a{number}", code=200, payload=payload, content_type="", time_us=0))
    assert [number for number in range(10) if recent.get(f"a{number}")] == [6, 7, 8, 9]
    recent.add(
        Remembered(id="large", code=200, payload=bytes(MAX_RECENT_BYTES * 2), content_type="", time_us=0)
    )
    assert recent.get("large")
    assert not recent.get("a9")


def test_an_answer_that_cannot_be_packed_or_is_too_long_is_still_an_answer() -> None:
    bench = Bench()
    admitted = bench.send("ping", msgpack.packb({"id": "a1"}))
    reply = bench.gate.encode(admitted, Outcome(code=200, data={"n": 1 << 70}), revision=5)
    assert msgpack.unpackb(reply.payload)["code"] == reply.code == 500
    reply = bench.gate.encode(admitted, Outcome(code=422, error="x" * 100_000), revision=5)
    assert len(msgpack.unpackb(reply.payload)["error"]) == MAX_ERROR + 2
