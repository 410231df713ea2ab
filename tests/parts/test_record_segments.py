"""Endless recordings: where one file ends and the next begins, and what goes when there is no room."""

import os
import time
from pathlib import Path

import av
import numpy as np
import pytest

from agent.errors import RecordError
from agent.record import Room, SegmentPlan, Segments
from tests.video import picture, read_number

BEGIN_US = 1_764_000_000_000_000  # 2025-11-24 16:00:00 UTC
MUCH = 1 << 40


def bgr(number: int, width: int = 320, height: int = 240) -> np.ndarray:
    return picture(number, width, height)[:, :, ::-1].copy()


def plan(folder: Path, *, segment_s: float = 2.0, name: str = "{stream}-{time}.mp4") -> SegmentPlan:
    room = Room(folder, max_bytes=MUCH, keep_free_bytes=0)
    return SegmentPlan(room=room, algorithm="heads", stream="door", name=name, segment_s=segment_s)


def write(segments: Segments, numbers: range, *, fps: float = 10.0, begin_s: float = 5.0) -> None:
    for number in numbers:
        since_s = number / fps
        segments.write(bgr(number), begin_s + since_s, BEGIN_US + round(since_s * 1e6))


def numbers_in(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_number(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def files(folder: Path) -> dict[str, list[int]]:
    return {str(path.relative_to(folder)): numbers_in(path) for path in sorted(folder.rglob("*.mp4"))}


def test_each_file_has_its_share_and_its_time(tmp_path: Path) -> None:
    segments = Segments(plan(tmp_path / "recordings"))
    segments.begin()
    write(segments, range(45))
    assert segments.file == "heads/door/door-20251124T160004Z.mp4"
    segments.finish()
    assert segments.file == ""
    assert files(tmp_path / "recordings") == {
        "heads/door/door-20251124T160000Z.mp4": list(range(20)),
        "heads/door/door-20251124T160002Z.mp4": list(range(20, 40)),
        "heads/door/door-20251124T160004Z.mp4": list(range(40, 45)),
    }


@pytest.mark.parametrize(
    ("shape", "at_s"),
    [((160, 120), 6.0), ((320, 240), 1.0), ((320, 240), 100.0)],
    ids=["another size", "time goes back", "a long gap"],
)
def test_what_does_not_go_on_is_another_file(tmp_path: Path, shape: tuple[int, int], at_s: float) -> None:
    segments = Segments(plan(tmp_path / "recordings", segment_s=1000.0))
    segments.begin()
    write(segments, range(5))
    segments.write(bgr(7, *shape), at_s, BEGIN_US)
    segments.finish()
    assert sorted(files(tmp_path / "recordings").values()) == [[0, 1, 2, 3, 4], [7]]


def test_two_files_of_one_second_have_two_names(tmp_path: Path) -> None:
    segments = Segments(plan(tmp_path / "recordings", name="{time}.mp4"))
    segments.begin()
    for number in range(3):
        segments.write(bgr(number), 1.0, BEGIN_US)
        segments.finish()
    names = sorted(Path(name).name for name in files(tmp_path / "recordings"))
    assert names == ["20251124T160000Z-2.mp4", "20251124T160000Z-3.mp4", "20251124T160000Z.mp4"]


def test_what_a_killed_process_left_is_kept_if_it_can_be_played(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    killed = Segments(plan(folder, segment_s=1000.0))
    killed.begin()
    write(killed, range(45))  # it is killed now: the file is never ended
    (part,) = folder.rglob("*.part.mp4")
    left = part.read_bytes()
    killed.finish()
    (whole,) = folder.rglob("*.mp4")
    whole.unlink()
    part.write_bytes(left)
    part.with_name("empty.part.mp4").write_bytes(left[:700])
    Segments(plan(folder)).begin()
    ((name, seen),) = files(folder).items()
    assert name == "heads/door/door-20251124T160000Z.mp4"
    assert seen == list(range(40)), "the last whole two seconds are there"


def make(folder: Path, name: str, size: int, age_s: float) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    then_s = time.time() - age_s
    os.utime(path, (then_s, then_s))
    return path


def test_the_oldest_goes_first_and_nothing_that_is_being_written(tmp_path: Path) -> None:
    room = Room(tmp_path / "recordings", max_bytes=2500, keep_free_bytes=0)
    room.claim()
    oldest = make(room.folder, "heads/door/a.mp4", 1000, 300)
    newer = make(room.folder, "faces/gate/b.mp4", 1000, 200)
    written = make(room.folder, "heads/door/c.part.mp4", 1000, 400)
    orphan = make(room.folder, "gone/door/d.part.mp4", 1000, 4000)
    other = make(room.folder, "heads/door/note.txt", 1000, 9000)
    room.make()
    assert [path.exists() for path in (oldest, newer, written, orphan, other)] == [
        False,
        True,
        True,
        False,
        True,
    ]
    room.make()
    assert newer.exists()


def test_without_anything_to_delete_it_says_what_to_do(tmp_path: Path) -> None:
    crowded = Room(tmp_path / "recordings", max_bytes=500, keep_free_bytes=0)
    crowded.claim()
    written = make(crowded.folder, "heads/door/c.part.mp4", 1000, 1)
    with pytest.raises(RecordError, match="max_bytes is 0 MB: record less, or shorter segments"):
        crowded.make()
    assert written.exists()
    full = Room(crowded.folder, max_bytes=MUCH, keep_free_bytes=MUCH * 1000)
    with pytest.raises(RecordError, match="there is no older recording to delete"):
        full.make()


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path) -> None:
    holiday = make(tmp_path, "2019/beach/holiday.mp4", 1000, 10_000_000)
    room = Room(tmp_path, max_bytes=1, keep_free_bytes=0)
    with pytest.raises(RecordError, match=r"files that are not the agent's.*name an empty folder"):
        room.claim()
    assert holiday.exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    for _ in range(2):  # the second time it is its own
        Room(empty, max_bytes=1, keep_free_bytes=0).claim()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordError, match=r"file/recordings cannot be used: Not a directory"):
        Room(tmp_path / "file" / "recordings", max_bytes=1, keep_free_bytes=0).claim()
