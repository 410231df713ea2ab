"""Messages on the way in: payloads, requests, topics, and what subscribers read."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from agent.contract.decode import PayloadError, unpack
from agent.contract.topic import is_id
from agent.control.messages import CommandMessage
from tests.fuzz.choice import Choice, as_json, as_msgpack
from tests.fuzz.door import TOPICS, Door, Target, command, requests
from tests.signing import envelope

OK = 200
VERBS = [verb for verb, _ in requests()]


@contextmanager
def payloads() -> Iterator[Target]:
    """Any bytes as the payload of a command; the first says of which."""
    with Door() as door:

        def target(data: bytes) -> None:
            verb = VERBS[data[0] % len(VERBS)] if data else "ping"
            door.send(command(verb, data[1:]))

        yield target


def payload_seeds() -> list[bytes]:
    return [
        bytes([number]) + pack(tree)
        for number, (_, tree) in enumerate(requests())
        for pack in (as_json, as_msgpack)
    ]


@contextmanager
def requests_() -> Iterator[Target]:
    """Requests that are nearly good."""
    with Door() as door:

        def target(data: bytes) -> None:
            choice = Choice(data)
            verb, tree = choice.of(requests())
            tree = tree | {"id": f"f{choice.take(3).hex()}"}
            door.send(command(verb, choice.packed(choice.changed(tree))))

        yield target


@contextmanager
def signed() -> Iterator[Target]:
    """Signed requests of which something was changed, before or after they were signed."""
    numbers = itertools.count()
    with Door() as door:

        def target(data: bytes) -> None:
            choice = Choice(data)
            verb, tree = choice.of(requests())
            tree = tree | {"id": f"s{next(numbers)}", "expires": door.now_us + 60_000_000}
            payload = choice.packed(choice.changed(tree) if choice.byte() % 2 else tree)
            made = envelope(command(verb, b"").topic, payload)
            whole = dict(made)
            if choice.byte() % 2:
                whole = choice.changed(whole)
            reply = door.send(command(verb, as_msgpack(whole)))
            assert reply is not None
            if reply["code"] == OK and {"signed", "sig"} & whole.keys():
                assert whole == made, "what was altered was obeyed"
                assert verb == "ping" or verb.startswith("stream.")

        yield target


def numbered() -> list[bytes]:
    return [bytes([number]) * 64 for number in range(0, 256, 8)]


@contextmanager
def topics() -> Iterator[Target]:
    """Topics, response topics, correlation data and the retain flag."""
    numbers = itertools.count()  # the same id again would get the same reply again
    with Door() as door:

        def target(data: bytes) -> None:
            choice = Choice(data)
            topic, asked = (_topic(choice) for _ in range(2))
            message = command("ping", as_json({"id": f"t{next(numbers)}"}))
            reply = door.send(
                CommandMessage(
                    topic=topic,
                    payload=message.payload,
                    retain=choice.byte() % 8 == 1,
                    response_topic=asked if choice.byte() % 4 else None,
                    correlation_data=choice.take(choice.byte()),
                )
            )
            if reply is not None:
                addressed = TOPICS.addressed(topic)
                assert addressed is not None
                assert is_id(addressed.verb)
                assert reply["code"] in ({200, 422} if addressed.verb in VERBS else {404})

        yield target


_LEVELS = (
    "vedette",
    "v1",
    "d",
    "gate-7",
    "cmd",
    "ping",
    "client",
    "me",
    "resp",
    "other",
    "+",
    "#",
    "",
    "$SYS",
)


def _topic(choice: Choice) -> str:
    wanted = choice.of(
        ("vedette/v1/d/gate-7/cmd/ping", "vedette/v1/client/me/resp", "vedette/v1/d/gate-7/resp", "")
    )
    levels = wanted.split("/")
    for _ in range(choice.byte() % 4):
        at = choice.byte() % (len(levels) + 1)
        levels[at : at + choice.byte() % 2] = [choice.of(_LEVELS) if choice.byte() % 2 else choice.text()]
    return "/".join(levels)


@contextmanager
def decoder() -> Iterator[Target]:
    """What subscribers read: results, within the larger limits."""

    def target(data: bytes) -> None:
        try:
            unpack(data)
        except PayloadError as err:
            assert len(str(err)) < 300  # noqa: PT017 - either it can be read, or this

    yield target


def decoder_seeds() -> list[bytes]:
    return [seed[1:] for seed in payload_seeds()]
