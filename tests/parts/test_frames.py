"""Slots in real shared memory: allocation, leases, sharing, and what is left behind (nothing)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agent.capture.accounting import Accounting, Fate
from agent.capture.array_picture import ArrayPicture
from agent.capture.array_source import PictureUnit
from agent.capture.frame import Frame
from agent.capture.groups import Group
from agent.capture.lending import Lending
from agent.capture.source import Pixels, Stamp
from agent.config.algorithms import PixelFormat
from agent.errors import Cause, NoRoomError, SourceError
from agent.frames import FrameFormat, Slots, allocate, free_bytes
from agent.frames.segment import SHARED_MEMORY

GRAY = FrameFormat(8, 4, "gray8")


def _frame(number: int, accounting: Accounting) -> Frame:
    accounting.arrived()
    pixels = np.full((4, 8), number, np.uint8)
    unit = PictureUnit(content=None, pts_s=number / 25, size=32, stamp=Stamp.now())
    group = Group(unit.pts_s, number, alone=True)
    picture = ArrayPicture(pixels, unit.pts_s)
    return Frame(unit, number, group, unit.pts_s, number=number, picture=picture)


def _slots(count: int, frame_format: FrameFormat = GRAY) -> tuple[Slots, Slots]:
    with allocate(frame_format.slot_bytes * count, purpose="a test") as segment:
        return (
            Slots(frame_format, count, os.dup(segment.fd), writable=True),
            Slots(frame_format, count, os.dup(segment.fd), writable=False),
        )


@pytest.mark.parametrize(
    ("pixel_format", "shape", "frame_bytes"),
    [
        ("bgr24", (360, 640, 3), 691_200),
        ("rgb24", (360, 640, 3), 691_200),
        ("gray8", (360, 640), 230_400),
        ("nv12", (540, 640), 345_600),
    ],
)
def test_formats_have_their_shapes(pixel_format: str, shape: tuple[int, ...], frame_bytes: int) -> None:
    frame_format = FrameFormat(640, 360, pixel_format)  # type: ignore[arg-type]
    assert (frame_format.shape, frame_format.frame_bytes) == (shape, frame_bytes)
    assert frame_format.slot_bytes % 4096 == 0


def test_reader_sees_what_the_writer_wrote_and_cannot_write() -> None:
    writer, reader = _slots(2)
    writer.view(1)[:] = 77
    view = reader.view(1)
    assert int(view.min()) == int(view.max()) == 77
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    with pytest.raises(IndexError):
        reader.view(2)


def test_segment_has_no_name() -> None:
    before = set(SHARED_MEMORY.iterdir())
    with allocate(4096, purpose="a test"):
        assert set(SHARED_MEMORY.iterdir()) == before


def test_full_memory_is_an_error_with_numbers() -> None:
    free = free_bytes()
    with pytest.raises(
        NoRoomError, match=r"stream 'door' needs [\d.]+ MB of shared memory, [\d.]+ MB are free"
    ):
        allocate(free + (1 << 30), purpose="stream 'door'")
    assert free_bytes() > free - (64 << 20)


def test_memory_is_free_again_after_a_kill() -> None:
    code = (
        "from agent.frames import allocate; import sys\n"
        "s = allocate(200 << 20, purpose='x'); print('ok', flush=True); sys.stdin.read()"
    )
    before = free_bytes()
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ok\n"
        assert free_bytes() <= before - (100 << 20)
        child.kill()
    assert free_bytes() >= before - (64 << 20)


def test_two_windows_share_a_slot_and_it_is_written_again_only_when_both_are_back() -> None:
    accounting = Accounting()
    lending = Lending(accounting)
    writer, reader = _slots(2)
    lending.lend(1, writer)
    first, second, third = (_frame(number, accounting) for number in (10, 11, 12))
    (a,) = lending.lease(1, lending.place([first], GRAY))
    (b,) = lending.lease(2, lending.place([first], GRAY))
    assert a.slot == b.slot
    (c,) = lending.lease(3, lending.place([second], GRAY))
    assert c.slot != a.slot
    assert not lending.has_room([third], GRAY)
    lending.release(1, used=True)
    assert not lending.has_room([third], GRAY)
    lending.release(2, used=True)
    assert lending.has_room([third], GRAY)
    (d,) = lending.lease(4, lending.place([third], GRAY))
    assert d.slot == a.slot
    assert int(reader.view(d.slot)[0, 0]) == 12
    assert int(reader.view(c.slot)[0, 0]) == 11


def test_overlapping_windows_write_each_frame_once() -> None:
    accounting = Accounting()
    lending = Lending(accounting)
    writer, reader = _slots(6)
    lending.lend(1, writer)
    frames = [_frame(number, accounting) for number in range(6)]
    for ticket, begin in enumerate(range(4), start=1):
        window = frames[begin : begin + 3]
        assert lending.has_room(window, GRAY)
        refs = lending.lease(ticket, lending.place(window, GRAY))
        assert [int(reader.view(ref.slot)[0, 0]) for ref in refs] == [begin, begin + 1, begin + 2]
        lending.release(ticket, used=True)


def test_fates_add_up_and_unused_windows_turn_stale() -> None:
    accounting = Accounting()
    lending = Lending(accounting)
    lending.lend(1, _slots(4)[0])
    frames = [_frame(number, accounting) for number in range(4)]
    lending.lease(1, lending.place(frames[:2], GRAY))
    lending.lease(2, lending.place(frames[1:3], GRAY))
    frames[3].settle(Fate.BUSY, accounting)
    lending.release(1, used=False)
    lending.release(2, used=True)
    counts = {fate: accounting.of(fate) for fate in Fate}
    assert counts[Fate.STALE] == 1  # frame 0; frame 1 was used by the other window
    assert counts[Fate.WANTED] == 2
    assert counts[Fate.BUSY] == 1
    assert sum(counts.values()) == accounting.received == 4


def test_retired_slots_are_not_used_again() -> None:
    accounting = Accounting()
    lending = Lending(accounting)
    lending.lend(1, _slots(1)[0])
    lending.lease(1, lending.place([_frame(1, accounting)], GRAY))
    lending.retire(1)
    lending.release(1, used=True)
    assert not lending.offers(GRAY)
    lending.lend(2, _slots(1)[0])
    (ref,) = lending.lease(2, lending.place([_frame(1, accounting)], GRAY))
    assert ref.pool == 2


class _Odd(ArrayPicture):
    """A picture in a pixel format that cannot be converted."""

    def write(self, pixels: Pixels, pixel_format: PixelFormat) -> None:
        raise SourceError(Cause.CODEC, f"odd cannot be converted to {pixel_format}, {pixels.shape}")


def test_a_picture_that_cannot_be_converted_takes_no_slot() -> None:
    accounting = Accounting()
    lending = Lending(accounting)
    lending.lend(1, _slots(2)[0])
    good, odd = _frame(1, accounting), _frame(2, accounting)
    odd.picture = _Odd(np.zeros((4, 8), np.uint8), 0.0)
    for _ in range(5):
        assert lending.has_room([good, odd], GRAY)
        with pytest.raises(SourceError, match="odd cannot be converted"):
            lending.place([good, odd], GRAY)
    assert accounting.of(Fate.WANTED) == 0
    others = [_frame(3, accounting), _frame(4, accounting)]
    assert lending.has_room(others, GRAY)
    refs = lending.lease(1, lending.place(others, GRAY))
    assert {ref.slot for ref in refs} == {0, 1}
