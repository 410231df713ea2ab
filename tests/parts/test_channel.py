"""The pipe between the agent and a child: real sockets, real descriptors."""

import os
import socket

import pytest

from agent.errors import ChannelClosedError
from agent.ipc.channel import MAX_BACKLOG_BYTES, MESSAGES, Channel
from agent.ipc.message import Message
from agent.ipc.messages import Done, Filled, FrameRef, Lend, Opened, Ready, Run, Sample, SampleSpec, Want
from agent.ipc.sinking import Deliver, Delivered, SinkItem, SinkNotOpened

FRAME = FrameRef(7, 2, 1234, 49.36, 1_780_000_000_000_000, 123_456_789)


def _pair() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def _one(channel: Channel) -> Message:
    ((message, _),) = list(channel.receive(block=True))
    return message


@pytest.mark.parametrize(
    "message",
    [
        Want("motion", 17),
        Deliver(3, (SinkItem(1, 2, "door", "heads", replay=True, payload=b"\x80"),)),
        Delivered(ticket=3, settled=1, refused=((0, "no"),), error="", retry_after_s=1.5),
        SinkNotOpened("why", usable=False),
        Sample(
            (
                SampleSpec("a", 3, 5, 0.2, "never", 640, 360, "bgr24"),
                SampleSpec("b", 1, 0, 0.0, "auto", 0, 0, "nv12"),
            )
        ),
        Filled(17, "motion", 2, (FRAME, FRAME), 3, 99),
        Run(17, "door", (FRAME,)),
        Done(17, b"\x01\x02", b"", 5, 4),
        Opened(
            generation=1,
            width=1920,
            height=1080,
            codec="h264",
            fps=25.0,
            backend="pyav",
            hwaccel="none",
            hwaccel_note="",
            live=True,
        ),
    ],
)
def test_messages_arrive_as_they_were(message: Message) -> None:
    ours, theirs = _pair()
    ours.send(message)
    assert _one(theirs) == message
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "fields",
    [
        [1, "2", [], "", None],
        [1, 2, [[0]], "", None],
        [1, 2, [["0", "why"]], "", None],
        [1, 2, [], None, None],
        [1, 2, [], "", "soon"],
        [1, 2, [], ""],
    ],
)
def test_answers_of_sinks_are_of_their_types(fields: list[object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Delivered.from_wire(fields)


def test_every_message_has_a_tag_of_its_own() -> None:
    names = {kind.__name__ for kind in Message.__subclasses__()}
    assert {kind.__name__ for kind in MESSAGES.values()} == names
    assert len(MESSAGES) == len(names)


def test_descriptors_travel_with_their_message() -> None:
    ours, theirs = _pair()
    read, write = os.pipe()
    ours.post(Want("a", 1))
    ours.post(Lend(1, 8, 8, "gray8", 2), (write,))
    ours.post(Want("a", 2))
    os.close(write)
    got: list[tuple[Message, tuple[int, ...]]] = []
    while len(got) < 3:
        got += list(theirs.receive(block=True))
    assert [len(fds) for _, fds in got] == [0, 1, 0]
    os.write(got[1][1][0], b"x")
    assert os.read(read, 1) == b"x"
    os.close(got[1][1][0])
    os.close(read)
    ours.close()
    theirs.close()


def test_large_results_come_whole() -> None:
    ours, theirs = _pair()
    big = Done(1, os.urandom(3_000_000), b"{}", 1, 1)
    ours.post(big)
    got: list[Message] = []
    while not got:
        ours.flush()
        got += [message for message, _ in theirs.receive(block=True)]
    assert got == [big]
    assert not ours.backlogged
    ours.close()
    theirs.close()


def test_peer_that_does_not_read_counts_as_gone() -> None:
    ours, theirs = _pair()
    fills = Done(1, bytes(MAX_BACKLOG_BYTES // 2), b"", 1, 1)
    ours.post(fills)
    with pytest.raises(ChannelClosedError, match="does not read"):
        ours.post(Done(1, bytes(MAX_BACKLOG_BYTES), b"", 1, 1))
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\xff\xff\xff\x00",  # absurd length
        b"\x01\x00\x00\x00\x00\xc1",  # not msgpack
        b"\x02\x00\x00\x00\x00\x91\x7f",  # unknown tag
        b"\x02\x00\x00\x00\x00\x91\x3d",  # Done without its fields
        b"\x01\x00\x00\x00\x05\xc0",  # descriptors that never came
    ],
)
def test_nonsense_closes_the_channel_and_raises_nothing_else(junk: bytes) -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(theirs)
    ours.sendall(junk)
    with pytest.raises(ChannelClosedError):
        list(channel.receive(block=True))
    ours.close()
    channel.close()


def test_end_of_the_other_side_is_an_error_of_its_own() -> None:
    ours, theirs = _pair()
    ours.close()
    with pytest.raises(ChannelClosedError):
        list(theirs.receive(block=True))
    with pytest.raises(ChannelClosedError):
        theirs.send(Ready("1"))
    theirs.close()
