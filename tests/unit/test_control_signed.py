"""Signed commands at the gate: who may command what, when, and how often."""

import base64
import datetime as dt
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.config.tables import SecurityConfig
from agent.contract.topics import Topics
from agent.control.gate import Admitted, Answered, Gate, Joined, Outcome
from agent.control.marks import MAX_MARKS, KeptMarks, Mark, Marks
from agent.control.messages import CommandMessage, Remembered
from agent.control.signatures import SigningKey
from tests.signing import OPS, OTHER, envelope, public, request, sealed

TOPICS = Topics("vedette/v1", "gate-7", ("berlin", "north"))
PING = TOPICS.command("ping")
BERLIN = "vedette/v1/g/berlin/cmd/ping"
ALL = "vedette/v1/all/cmd/ping"
NOW_US = 1_790_000_000_000_000  # 2026-09-21
S = 1_000_000
INBOX = "vedette/v1/client/me/resp"


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.us = NOW_US
        self.seconds = 0.0

    def now_us(self) -> int:
        return self.us

    def monotonic_s(self) -> float:
        self.seconds += 1.0  # enough for the next command
        return self.seconds


class Bench:
    """A gate that knows a few keys."""

    def __init__(self, *, required: bool = True, kept: KeptMarks | None = None, **ops: Any) -> None:  # noqa: ANN401
        self.clock = Hands()
        self.stored: dict[str, Remembered] = {}
        keys = {
            "ops": {"public_key": public(OPS), "groups": ["berlin"], **ops},
            "viewer": {"public_key": public(OTHER), "verbs": ["ping", "stream.*"]},
        }
        self.gate = Gate(
            TOPICS,
            SecurityConfig.model_validate(
                {"keys": keys, "require_signature": required, "commands_per_s": 10_000}
            ),
            stored=self.stored.get,
            revision=lambda: 4,
            redact=str,
            clock=self.clock,
            kept=kept,
        )

    def receive(self, payload: bytes, topic: str = PING, **fields: Any) -> Any:  # noqa: ANN401 - a decision
        return self.gate.receive(CommandMessage(topic=topic, payload=payload, **fields))

    def send(self, id: str = "a1", topic: str = PING, in_s: float = 60, **of: Any) -> Any:  # noqa: A002, ANN401
        return self.receive(sealed(topic, request(id, expires=self.clock.us + int(in_s * S)), **of), topic)

    def done(self, admitted: Admitted) -> Remembered:
        reply = self.gate.encode(admitted, Outcome(code=200, data={"n": 1}), revision=5)
        self.gate.finish(reply)
        return reply


def refused(decision: object, code: int, words: str = "", id: str | None = "a1") -> None:  # noqa: A002
    assert isinstance(decision, Answered), decision
    reply = json.loads(decision.reply.payload)
    assert (reply["code"], reply["ok"], reply["id"]) == (code, False, id), reply
    assert words in reply["error"]


# --- what is taken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(("outer", "inner"), [("json", "json"), ("msgpack", "json"), ("msgpack", "msgpack")])
def test_a_signed_command_is_admitted_in_every_codec(required: bool, outer: str, inner: str) -> None:  # noqa: FBT001
    bench = Bench(required=required)
    said = request("a1", expires=NOW_US + 60 * S, if_revision=4)
    if inner == "msgpack":
        said = msgpack.packb(json.loads(said))
    admitted = bench.receive(sealed(PING, said, codec=outer))
    assert isinstance(admitted, Admitted)
    assert (admitted.request.id, admitted.request.if_revision, admitted.codec) == ("a1", 4, outer)
    assert admitted.mark is not None
    reply = bench.done(admitted)
    assert (msgpack.unpackb if outer == "msgpack" else json.loads)(reply.payload)["id"] == "a1"


@pytest.mark.parametrize("topic", [PING, BERLIN])
def test_a_key_commands_the_device_and_its_groups(topic: str) -> None:
    assert isinstance(Bench().send(topic=topic), Admitted)


def test_a_key_for_all_groups_commands_them_and_the_fleet() -> None:
    bench = Bench(groups=["*"])
    topics = ("vedette/v1/g/north/cmd/ping", BERLIN, ALL, PING)
    assert all(isinstance(bench.send(f"a{n}", topic), Admitted) for n, topic in enumerate(topics))


def test_without_the_duty_to_sign_unsigned_commands_pass_and_bad_signatures_do_not() -> None:
    bench = Bench(required=False)
    assert isinstance(bench.receive(b'{"id": "a1"}'), Admitted)
    refused(bench.send(key=OTHER), 401, "signature")
    refused(bench.receive(b"{"), 400, "JSON", None)


# --- who may not ----------------------------------------------------------------------------------------

SOON = NOW_US + 60 * S
Make = Callable[[], bytes]


def _sealed(in_s: float | None = 60, **of: Any) -> bytes:  # noqa: ANN401
    topic = of.pop("topic", PING)
    name, key = of.pop("name", "ops"), of.pop("key", OPS)
    expires = None if in_s is None else NOW_US + int(in_s * S)
    return sealed(topic, request("a1", expires=expires, **of), key=key, name=name)


def _json(**changed: object) -> bytes:
    made = json.loads(_sealed()) | changed
    return json.dumps({key: value for key, value in made.items() if value is not None}).encode()


def _sig(change: Callable[[bytes], bytes]) -> bytes:
    return _json(sig=base64.b64encode(change(base64.b64decode(json.loads(_sealed())["sig"]))).decode())


REFUSED: list[tuple[str, bytes, str, int, str, str | None]] = [
    ("unsigned", request("a1", expires=SOON), PING, 401, "not signed", "a1"),
    ("unsigned to a group", request("a1", expires=SOON), BERLIN, 401, "not signed", "a1"),
    ("unsigned, unknown verb", request("a1", expires=SOON), TOPICS.command("x"), 401, "not signed", "a1"),
    ("not readable", b"{", PING, 401, "not signed", None),
    ("empty", b"", PING, 401, "not signed", None),
    ("a list", b"[]", PING, 401, "not signed", None),
    ("too large", b" " * 300_000 + b"{}", PING, 413, "bytes", None),
    ("an unknown key", _sealed(name="nobody"), PING, 401, "no key 'nobody'", "a1"),
    ("another key", _sealed(key=OTHER), PING, 401, "signature", "a1"),
    ("another key's name", _json(key="viewer"), PING, 401, "signature", "a1"),
    ("for another device", _sealed(topic="vedette/v1/d/gate-8/cmd/ping"), PING, 401, "topic", "a1"),
    ("for another verb", _sealed(topic=TOPICS.command("state.get")), PING, 401, "topic", "a1"),
    ("for another prefix", _sealed(topic="vedette/v2/d/gate-7/cmd/ping"), PING, 401, "topic", "a1"),
    ("for a group, to the device", _sealed(topic=BERLIN), PING, 401, "topic", "a1"),
    ("for the device, to a group", _sealed(), BERLIN, 401, "topic", "a1"),
    (
        "for a group, to another",
        _sealed(topic=BERLIN),
        "vedette/v1/g/north/cmd/ping",
        401,
        "topic",
        "a1",
    ),
    ("altered", _json(signed=request("a1", expires=SOON + 1).decode()), PING, 401, "altered", "a1"),
    ("altered id", _json(signed=request("a2", expires=SOON).decode()), PING, 401, "altered", "a2"),
    ("no signature", _json(sig=None), PING, 401, "sig: is missing", None),
    ("no key", _json(key=None), PING, 401, "key: is missing", None),
    ("nothing signed", _json(signed=None), PING, 401, "signed: is missing", None),
    ("a key that is none", _json(key="a/b"), PING, 401, "key: ", None),
    ("more than that", _json(extra=1), PING, 401, "extra", None),
    ("a signature of no bytes", _json(sig=""), PING, 401, "64 bytes", None),
    ("no base64", _json(sig="*" * 88), PING, 401, "base64", None),
    ("a number for a signature", _json(sig=5), PING, 401, "sig", None),
    ("a short signature", _sig(lambda sig: sig[:-1]), PING, 401, "64 bytes", None),
    ("a long signature", _sig(lambda sig: sig + b"\0"), PING, 401, "64 bytes", None),
    ("half a character", _json(signed="\ud800"), PING, 401, "surrogate", None),
    ("no expiry", _sealed(None), PING, 401, "expires: is missing", "a1"),
    ("expired", _sealed(-1e-6), PING, 401, "2026-09-21T14:13:20Z here", "a1"),
    ("long expired", _sealed(-86_400), PING, 401, "expired", "a1"),
    ("too long ahead", _sealed(3600.000001), PING, 401, "at most 3600 s", "a1"),
    ("a signed list", sealed(PING, b"[]"), PING, 400, "readable", None),
    ("nothing, signed", sealed(PING, b""), PING, 400, "msgpack", None),
    ("signed twice", sealed(PING, _sealed()), PING, 400, "signed", None),
    ("signed nonsense", sealed(PING, b"{"), PING, 400, "JSON", None),
]


@pytest.mark.parametrize(
    ("payload", "topic", "code", "words", "command_id"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_who_may_not_command_is_told_so(
    payload: bytes, topic: str, code: int, words: str, command_id: str | None
) -> None:
    bench = Bench()
    decision = bench.receive(payload, topic, response_topic=INBOX, correlation_data=b"c")
    refused(decision, code, words, command_id)
    assert (decision.reply.topic, decision.reply.correlation_data) == (INBOX, b"c")
    assert bench.gate.counters == {"received": 1}
    assert bench.gate.refused == {code: 1}
    assert isinstance(bench.send(), Admitted)  # it is not remembered: the true sender is not shut out


@pytest.mark.parametrize(
    ("ops", "topic", "words"),
    [
        ({"verbs": ["state.get"]}, PING, "may not use 'ping'"),
        ({"verbs": []}, PING, "may not use 'ping'"),
        ({"verbs": ["ping.*"]}, PING, "may not use 'ping'"),
        ({"verbs": ["stream.*"]}, TOPICS.command("streams"), "may not use 'streams'"),
        ({"verbs": ["ping"]}, TOPICS.command("ping.x"), "may not use 'ping.x'"),
        ({"groups": []}, BERLIN, "may not command group 'berlin'"),
        ({"groups": ["north"]}, BERLIN, "may not command group 'berlin'"),
        ({"groups": ["north", "berlin", "all"]}, ALL, "may not command all devices"),
        ({"expires": dt.date(2026, 9, 20)}, PING, "expired on 2026-09-20"),
    ],
)
def test_a_key_may_do_what_it_was_given_and_no_more(ops: dict[str, Any], topic: str, words: str) -> None:
    refused(Bench(**ops).send(topic=topic), 403, words)


@pytest.mark.parametrize(
    ("ops", "verb"),
    [
        ({"verbs": ["stream.*"]}, "stream.list"),
        ({"verbs": ["state.get", "ping"]}, "ping"),
        ({"expires": dt.date(2026, 9, 21)}, "ping"),
    ],
)
def test_a_key_may_do_what_it_was_given(ops: dict[str, Any], verb: str) -> None:
    assert isinstance(Bench(**ops).send(topic=TOPICS.command(verb)), Admitted)


def test_keys_are_exchanged_without_a_restart() -> None:
    bench = Bench()
    assert isinstance(bench.send("a1"), Admitted)
    keys = {"ops": {"public_key": public(OTHER)}}
    bench.gate.set_limits(SecurityConfig.model_validate({"keys": keys, "require_signature": True}))
    refused(bench.send("a2"), 401, "signature", "a2")
    assert isinstance(bench.send("a3", key=OTHER), Admitted)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_with_any_bit_flipped_it_is_refused(codec: str, required: bool) -> None:  # noqa: FBT001
    topic = TOPICS.command("stream.remove")
    payload = sealed(topic, request("a1", expires=SOON, args={"id": "tür"}, if_revision=4), codec=codec)
    bench = Bench(required=required)
    for place in range(len(payload)):
        for bit in range(8):
            flipped = bytearray(payload)
            flipped[place] ^= 1 << bit
            decision = bench.receive(bytes(flipped), topic)
            assert isinstance(decision, Answered), (place, bit, bytes(flipped))
            assert decision.code == 401 or (not required and decision.code == 400), (place, bit)
    assert bench.receive(payload, topic).code == 422  # as it was signed it gets to the arguments


def test_no_garbage_gets_an_exception_or_through() -> None:
    numbers = random.Random(7)  # noqa: S311 - a table of garbage that is the same each time
    good = [sealed(PING, request("a1", expires=SOON), codec=codec) for codec in ("json", "msgpack")]
    good.append(msgpack.packb(envelope(PING, msgpack.packb([[[]]]), key=OTHER)))
    bench = Bench()
    for _ in range(3000):
        payload = bytearray(numbers.choice(good))
        for _ in range(numbers.randint(1, 4)):
            start = numbers.randrange(len(payload))
            payload[start : start + numbers.randint(0, 9)] = numbers.randbytes(numbers.randint(0, 9))
        if bytes(payload) in good:
            continue
        decision = bench.receive(bytes(payload), correlation_data=None)
        assert isinstance(decision, Answered)
        assert decision.code == 401


# --- twice ----------------------------------------------------------------------------------------------


def _twice(bench: Bench) -> bytes:
    return sealed(PING, request("a1", expires=bench.clock.us + 60 * S))


def test_the_same_again_from_the_same_place_gets_the_same_reply() -> None:
    bench = Bench()
    payload = _twice(bench)
    admitted = bench.receive(payload, response_topic=INBOX, correlation_data=b"1")
    assert bench.receive(payload, response_topic=INBOX, correlation_data=b"1") == Joined("a1")
    reply = bench.done(admitted)
    again = bench.receive(payload, response_topic=INBOX, correlation_data=b"1")
    assert (again.code, again.reply.payload, again.reply.topic) == (200, reply.payload, INBOX)


@pytest.mark.parametrize("at_work", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"response_topic": "vedette/v1/client/thief/resp", "correlation_data": b"1"},
        {"response_topic": INBOX},
        {"response_topic": INBOX, "correlation_data": b""},
        {"response_topic": INBOX, "correlation_data": b"2"},
    ],
)
def test_a_replay_gets_no_answer_meant_for_another(at_work: bool, place: dict[str, Any]) -> None:  # noqa: FBT001
    bench = Bench()
    payload = _twice(bench)
    admitted = bench.receive(payload, response_topic=INBOX, correlation_data=b"1")
    if not at_work:
        bench.done(admitted)
    refused(bench.receive(payload, **place), 401, "replayed")
    if at_work:
        assert len(bench.gate.finish(bench.gate.encode(admitted, Outcome(code=200), revision=5))) == 1


def test_the_same_id_for_something_else_is_refused_and_each_key_has_its_own_ids() -> None:
    bench = Bench(required=False)
    bench.done(bench.send("a1"))
    bench.clock.us += S
    refused(bench.send("a1"), 401, "replayed")  # expires later: something else
    assert isinstance(bench.send("a1", key=OTHER, name="viewer"), Admitted)
    assert isinstance(bench.receive(b'{"id": "a1"}'), Admitted)


def test_what_was_refused_for_its_verb_or_arguments_is_not_done_later() -> None:
    bench = Bench()
    payload = sealed(TOPICS.command("nothing"), request("a1", expires=SOON))
    refused(bench.receive(payload, TOPICS.command("nothing")), 404)
    again = bench.receive(payload, TOPICS.command("nothing"))
    assert again.code == 404
    assert bench.gate.counters["repeated"] == 1


def test_a_command_that_was_given_up_may_come_again() -> None:
    bench = Bench()
    payload = _twice(bench)
    bench.gate.forget(bench.receive(payload))
    assert isinstance(bench.receive(payload), Admitted)


def _of_an_earlier_life(bench: Bench, admitted: Admitted) -> Bench:
    assert admitted.mark is not None
    after = Bench(kept=KeptMarks(marks=(admitted.mark,)))
    after.clock.us = bench.clock.us
    return after


def test_a_replay_after_a_restart_is_refused_when_the_reply_is_forgotten() -> None:
    bench = Bench()
    payload = _twice(bench)
    admitted = bench.receive(payload)
    reply = bench.done(admitted)
    after = _of_an_earlier_life(bench, admitted)
    refused(after.receive(payload), 401, "not remembered any more")
    refused(after.receive(payload, response_topic=INBOX), 401, "replayed")
    after.stored["ops/a1"] = reply
    assert after.receive(payload).reply.payload == reply.payload


@pytest.mark.parametrize("passed_s", [60.000001, 61, 3600])
def test_a_replay_is_refused_for_ever_also_when_the_clock_is_set_back(passed_s: float) -> None:
    bench = Bench()
    payload = _twice(bench)
    bench.done(bench.receive(payload))
    bench.clock.us += int(passed_s * S)
    refused(bench.receive(payload), 401, "expired")
    bench.done(bench.send("b", in_s=60))  # forgets what has expired
    bench.clock.us = NOW_US
    refused(bench.receive(payload), 401, "may have been carried out already")
    assert isinstance(bench.send("c", in_s=120), Admitted)


def test_a_clock_that_is_wrong_by_more_than_an_hour_takes_nothing_and_says_so() -> None:
    bench = Bench()
    payload = _twice(bench)
    bench.clock.us = 1_000_000_000_000  # 1970: no battery, no time server yet
    refused(bench.receive(payload), 401, "1970-01-12T13:46:40Z here")
    bench.clock.us = NOW_US + 7200 * S
    refused(bench.receive(payload), 401, "here")
    bench.clock.us = NOW_US
    assert isinstance(bench.receive(payload), Admitted)


def test_a_key_that_signs_too_much_stops_itself_alone() -> None:
    bench = Bench()
    for number in range(MAX_MARKS):
        admitted = bench.send(f"a{number}", in_s=3600)
        assert isinstance(admitted, Admitted)
        bench.done(admitted)
    refused(bench.send("b"), 429, "ops", "b")
    assert isinstance(bench.send("b", key=OTHER, name="viewer"), Admitted)
    bench.clock.us += 3601 * S
    assert isinstance(bench.send("b"), Admitted)


# --- marks ----------------------------------------------------------------------------------------------


def test_a_command_that_was_taken_is_marked_or_below_the_floor_whatever_the_clock_says() -> None:
    numbers = random.Random(5)  # noqa: S311 - the same course each time
    marks = Marks(KeptMarks())
    taken: list[Mark] = []
    now = NOW_US
    for step in range(2000):
        now += numbers.choice([S, 10 * S, -30 * S, 600 * S, -500 * S])
        marks.forget_expired(now)
        mark = Mark(id=f"ops/{step}", digest=b"", expires_us=now + numbers.randrange(3600 * S))
        if mark.expires_us > marks.floor_us:
            marks.add(mark)
            taken.append(mark)
        assert all(marks.get(old.id) == old or old.expires_us <= marks.floor_us for old in taken)
    assert len(taken) > 500
    assert sum(marks.get(old.id) is None for old in taken) > 500


def test_the_example_of_the_documents_is_right() -> None:
    document = Path(__file__).parents[2] / "docs" / "signed-commands.md"
    (block,) = re.findall(r"^```json\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    example = json.loads(block)
    seed = bytes.fromhex(example["private key, 32 bytes"])
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert (public(key), SigningKey.of_seed(seed).public) == (example["public_key"],) * 2
    said = example["payload"]["signed"].encode()
    assert json.loads(sealed(example["topic"], said, key=key, name="operator")) == example["payload"]
    bench = Bench()
    keys = {"operator": {"public_key": example["public_key"]}}
    bench.gate.set_limits(SecurityConfig.model_validate({"keys": keys, "require_signature": True}))
    payload = json.dumps(example["payload"]).encode()
    assert isinstance(bench.receive(payload, example["topic"]), Admitted)
