"""An endless recording: one file after the other, in a folder of its own."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import RecordError
from agent.record.encoder import Picture, Recording
from agent.record.room import PART, Room

_LOOK_EVERY_S = 5.0  # for room, while a file grows
_GAP_S = 60.0  # a longer pause is no picture's length: the next file begins after it
_EARLY_S = 0.001  # times are rounded
_HEAD_BYTES = 1 << 16
_FRAGMENT = b"moof"  # the box that each piece of a fragmented mp4 begins with (ISO/IEC 14496-12)


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """Where segments go; picklable."""

    room: Room
    algorithm: str
    stream: str
    name: str  # with `{time}`, and perhaps `{stream}` and `{algorithm}`
    segment_s: float

    @property
    def folder(self) -> Path:
        """Of these segments alone."""
        return self.room.folder / self.algorithm / self.stream

    def path(self, wall_us: int) -> Path:
        """Of the segment that begins at this time; a new name each time."""
        moment = datetime.fromtimestamp(wall_us / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
        name = self.name.replace("{stream}", self.stream).replace("{algorithm}", self.algorithm)
        first = path = self.folder / name.replace("{time}", moment)
        number = 1
        while path.exists() or path.with_name(f"{path.stem}{PART}").exists():
            number += 1
            path = first.with_stem(f"{first.stem}-{number}")
        return path


class Segments:
    """The recordings of one stream and algorithm; one process at a time, for it takes over what it finds.

    A segment is `NAME.part.mp4` as long as it is written to. One that a killed process left is kept under
    its name: it plays up to the last whole two seconds.
    """

    def __init__(self, plan: SegmentPlan) -> None:
        """Nothing is touched yet."""
        self._plan = plan
        self._open = ExitStack()
        self._recording: Recording | None = None
        self._file = ""
        self._size = (0, 0)
        self._began_s = self._last_s = self._looked_s = 0.0

    @property
    def file(self) -> str:
        """What is being written, below the folder of all recordings; "": nothing."""
        return self._file

    def begin(self) -> None:
        """Claim the folder, and keep what a predecessor left behind. Raises RecordError."""
        self._plan.room.claim()
        try:
            for part in sorted(self._plan.folder.glob(f"*{PART}")):
                whole = part.with_name(part.name.removesuffix(PART) + ".mp4")
                if _has_pictures(part) and not whole.exists():
                    part.replace(whole)
                else:
                    part.unlink(missing_ok=True)
        except OSError as err:
            raise RecordError(f"{self._plan.folder} cannot be used: {err.strerror}") from err

    def write(self, picture: Picture, pts_s: float, wall_us: int) -> None:
        """Show `picture`, (H, W, 3) BGR uint8, from `pts_s` on, in a new file when it is time for one.

        Raises RecordError; what was written until then stays.
        """
        try:
            if self._recording is not None and self._is_over(picture, pts_s):
                self.finish()
            if self._recording is None:
                self._begin_file(picture, pts_s, wall_us)
            elif pts_s - self._looked_s >= _LOOK_EVERY_S:
                self._looked_s = pts_s
                self._plan.room.make()
            assert self._recording is not None  # noqa: S101  for the type checker
            self._recording.write(picture, pts_s)
        except RecordError:
            self.finish_broken()
            raise
        self._last_s = pts_s

    def finish(self) -> None:
        """End the file that is being written, if there is one. Raises RecordError."""
        self._recording, self._file = None, ""
        self._open.close()

    def finish_broken(self) -> None:
        """The same after a failure: what can be kept is kept."""
        try:
            self.finish()
            self.begin()
        except RecordError:
            return  # the first failure is the one to tell

    def _is_over(self, picture: Picture, pts_s: float) -> bool:
        passed_s = pts_s - self._last_s
        return (
            picture.shape[:2] != self._size
            or not 0.0 <= passed_s <= _GAP_S
            or pts_s - self._began_s >= self._plan.segment_s - _EARLY_S
        )

    def _begin_file(self, picture: Picture, pts_s: float, wall_us: int) -> None:
        self._plan.room.make()
        try:
            self._plan.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as err:
            raise RecordError(f"{self._plan.folder} cannot be made: {err.strerror}") from err
        path = self._plan.path(wall_us)
        height, width = self._size = picture.shape[:2]
        self._recording = self._open.enter_context(Recording(path, width=width, height=height, live=True))
        self._file = str(path.relative_to(self._plan.room.folder))
        self._began_s = self._looked_s = pts_s


def _has_pictures(part: Path) -> bool:
    with part.open("rb") as file:
        return _FRAGMENT in file.read(_HEAD_BYTES)
