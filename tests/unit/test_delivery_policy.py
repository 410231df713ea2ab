"""Delivery's pure parts as tables: what waits, what is in flight, when to try again."""

import pytest

from agent.delivery.attempts import Attempts
from agent.delivery.backlog import LIMITS, Backlog, Entry, Limits
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Kind, LinkCause, Outgoing
from agent.delivery.pace import Pace
from agent.delivery.states import States
from agent.delivery.window import WINDOW, Window
from agent.errors import ConfigError


def entry(name: str, kind: Kind = "result", payload: bytes = b"x") -> Entry:
    message = Outgoing(topic=name, payload=payload, kind=kind)
    return Entry(message, 0.0, message.size_bytes)


def drained(backlog: Backlog, *, late: bool) -> list[str]:
    found = []
    while (one := backlog.next(late=late)) is not None:
        found.append(one.message.topic)
    return found


def test_urgent_kinds_first_and_each_in_order() -> None:
    backlog = Backlog()
    backlog.link_up()
    for one in (
        entry("r1"),
        entry("e1", "event"),
        entry("r2"),
        entry("a1", "reply"),
        entry("p1", "snapshot"),
    ):
        backlog.accept(one)
    assert drained(backlog, late=False) == ["a1", "e1", "r1", "r2", "p1"]


def test_what_was_in_flight_comes_before_all_and_what_is_late_after() -> None:
    backlog = Backlog()
    backlog.accept(entry("late"))
    backlog.link_up()
    backlog.accept(entry("live"))
    backlog.again([entry("sent1"), entry("sent2")])
    assert drained(backlog, late=False) == ["sent1", "sent2", "live"]
    assert drained(backlog, late=True) == ["late"]


def test_a_lost_link_makes_what_waits_late_but_no_reply() -> None:
    backlog = Backlog()
    backlog.link_up()
    backlog.accept(entry("r"))
    backlog.accept(entry("a", "reply"))
    backlog.link_down()
    backlog.link_up()
    assert drained(backlog, late=False) == ["a"]
    assert drained(backlog, late=True) == ["r"]


def test_the_oldest_of_a_kind_is_dropped_late_ones_first() -> None:
    backlog = Backlog(LIMITS | {"result": Limits(count=3, size_bytes=1_000)})
    backlog.accept(entry("late"))
    backlog.link_up()
    for name in ("1", "2", "3"):
        backlog.accept(entry(name))
    backlog.accept(entry("big", payload=bytes(900)))
    assert [one.message.topic for one in backlog.take_dropped()] == ["late", "1"]
    assert drained(backlog, late=True) == ["2", "3", "big"]
    assert backlog.size_bytes == 0


def test_strict_holds_back_what_is_not_on_disk() -> None:
    backlog = Backlog()
    backlog.link_up()
    backlog.only_saved = True
    first = entry("1")
    backlog.accept(first)
    backlog.accept(entry("reply", "reply"))
    assert drained(backlog, late=True) == ["reply"]
    first.row = 1
    assert drained(backlog, late=True) == ["1"]


def test_states_keep_the_last_of_a_topic_and_come_again() -> None:
    states = States(count=2)
    old, new, other = entry("t", "state"), entry("t", "state"), entry("u", "state")
    assert states.put(old)
    assert states.put(new)
    assert states.superseded == 1
    assert states.next() is new
    assert states.next() is None
    assert states.settled(new)
    assert states.put(other)
    assert not states.put(entry("v", "state"))  # no room for a third topic
    states.all_due()
    assert [states.next(), states.next()] == [new, other]
    assert not states.settled(new)
    assert states.republished == 1


def test_a_cleared_state_is_forgotten_once_the_broker_knows() -> None:
    states = States()
    cleared = entry("t", "state", b"")
    states.put(cleared)
    assert states.next() is cleared
    assert states.settled(cleared)
    states.all_due()
    assert states.next() is None


def test_an_answer_for_a_state_that_was_replaced_settles_nothing() -> None:
    states = States()
    old, new = entry("t", "state"), entry("t", "state")
    states.put(old)
    assert states.next() is old
    states.put(new)
    assert not states.settled(old)
    assert states.next() is new


@pytest.mark.parametrize(("receive_max", "room"), [(65_535, WINDOW), (20, 20), (1, 1), (0, 1)])
def test_the_window_follows_the_broker(receive_max: int, room: int) -> None:
    window = Window()
    window.open(receive_max)
    count = 0
    while window.room:
        window.add(count, entry(str(count)), 0.0)
        count += 1
    assert count == room


def test_half_of_the_window_is_for_live_messages() -> None:
    window = Window()
    window.open(100)
    while window.late_room:
        late = entry("late")
        late.late = True
        window.add(len(window), late, 0.0)
    assert len(window) == 50
    assert window.room
    window.answered(0)
    assert window.late_room


@pytest.mark.parametrize(
    ("by_peer", "after_s", "in_flight", "cautious", "ends"),
    [
        (True, 0.1, 3, True, 0),
        (True, 0.1, 1, True, 1),
        (True, 10.0, 1, False, 0),  # too long ago to be the reason
        (False, 0.1, 1, False, 0),  # we ended it ourselves
        (True, 0.1, 0, False, 0),
    ],
)
def test_who_is_suspected_when_a_connection_ends(
    *, by_peer: bool, after_s: float, in_flight: int, cautious: bool, ends: int
) -> None:
    window = Window()
    window.open(100)
    for number in range(in_flight):
        window.add(number, entry(str(number)), 0.0)
    entries = window.ended(by_peer=by_peer, now_s=after_s)
    assert window.cautious is cautious
    assert max([one.ends for one in entries], default=0) == ends
    if cautious:
        window.add(1, entry("one"), 0.0)
        assert not window.room


@pytest.mark.parametrize(
    ("choice", "cause", "answered", "then", "at_once"),
    [
        ("auto", LinkCause.PROTOCOL, True, "3.1.1", True),
        ("auto", LinkCause.CLOSED, True, "3.1.1", True),
        ("auto", LinkCause.REFUSED, False, "5", False),
        ("auto", LinkCause.CLOSED, False, "5", False),
        ("auto", LinkCause.AUTH, True, "5", False),
        ("5", LinkCause.PROTOCOL, True, "5", False),
        ("3.1.1", LinkCause.PROTOCOL, True, "3.1.1", False),
    ],
)
def test_which_protocol_is_tried_next(
    *, choice: str, cause: LinkCause, answered: bool, then: str, at_once: bool
) -> None:
    attempts = Attempts.begin(choice)  # type: ignore[arg-type]
    after, now = attempts.failed(cause, lasted_s=0.0, answered=answered)
    assert (after.protocol, now) == (then, at_once)


def test_the_old_protocol_is_kept_only_if_it_is_accepted() -> None:
    tried, _ = Attempts.begin("auto").failed(LinkCause.CLOSED, lasted_s=0, answered=True)
    refused, at_once = tried.failed(LinkCause.REFUSED, lasted_s=0, answered=False)
    assert (refused.protocol, at_once) == ("5", False)
    lost, _ = tried.accepted().failed(LinkCause.CLOSED, lasted_s=100, answered=True)
    assert lost.protocol == "3.1.1"
    assert lost.backoff.failures == 1


def test_the_pace_is_kept() -> None:
    pace = Pace(200)
    now, sent = 100.0, 0
    while now < 110.0:
        while pace.ready(now):
            pace.take()
            sent += 1
        assert pace.wait_s() > 0
        now += pace.wait_s()
    assert 1_980 <= sent <= 2_020


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "transport"),
    [
        ("mqtt://a", "a", 1883, False, "tcp"),
        ("mqtts://a.example", "a.example", 8883, True, "tcp"),
        ("ws://a:9001/x", "a", 9001, False, "websockets"),
        ("wss://[::1]", "::1", 443, True, "websockets"),
    ],
)
def test_urls(*, url: str, host: str, port: int, tls: bool, transport: str) -> None:
    endpoint = Endpoint.from_url(url, client_id="c")
    assert (endpoint.host, endpoint.port, endpoint.tls, endpoint.transport) == (host, port, tls, transport)


@pytest.mark.parametrize("url", ["http://a", "mqtt://", "mqtt://u:s3cret@a:99999", "a", ""])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint.from_url(url, client_id="c")
    assert "s3cret" not in str(caught.value)


def test_the_size_is_no_less_than_the_packet() -> None:
    message = Outgoing(
        topic="t" * 10,
        payload=b"p" * 10,
        kind="result",
        content_type="c" * 10,
        correlation_data=b"d" * 10,
        user_properties=(("k" * 10, "v" * 10),),
    )
    packet = 5 + (2 + 10) + 2 + 4 + (3 + 10) + (3 + 10) + (5 + 20) + len("\x26\0\6replay\0\0011") + 10
    assert message.size_bytes >= packet
