"""Frames are played to all algorithms, and their windows made of pixels: nothing is left out.

The rules are those of a live stream (`agent.capture.lines`), for workers that are always free.
"""

import collections
import math
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Protocol

from agent.capture.accounting import Accounting, Fate
from agent.capture.frame import Frame
from agent.capture.line import Line
from agent.capture.source import Pixels, SourceInfo
from agent.frames.format import FrameFormat
from agent.ipc.messages import SampleSpec
from agent.sampling import TOLERANCE_S, KeyTimes, Thinner
from algos import Frames

_KEPT_BYTES = 128 << 20  # converted frames that several windows may share

EVERY_FRAME = SampleSpec("", 1, 1, 0.0, "never", 0, 0, "bgr24")
"""What somebody asks for who wants to see everything."""


class Stage(Protocol):
    """What is being played."""

    def produce(self, frames: list[Frame]) -> bool:
        """Decode these frames; False if one of them cannot be had."""


@dataclass(frozen=True, slots=True)
class Extract:
    """What of a source is played; times are seconds from its first frame."""

    fps: float | None = None  # thinned evenly to so many frames a second
    position_s: float = 0.0
    until_s: float = math.inf

    def is_before(self, time_s: float) -> bool:
        """Whether the frame at `time_s` comes before what is played."""
        return time_s < self.position_s - TOLERANCE_S

    def is_behind(self, time_s: float) -> bool:
        """Whether the frame at `time_s` comes after what is played."""
        return time_s >= self.until_s - TOLERANCE_S


@dataclass(frozen=True, slots=True)
class Window:
    """One window, of the algorithm with this place in the list."""

    place: int
    frames: Callable[[], Frames]  # waits until they are converted; raises SourceError
    number: int  # of the newest frame
    time_s: float  # its presentation time
    new_bytes: int  # of pixels that no window before had


class _Kept:
    """Converted frames, in case that another window has them; bounded in bytes, the oldest go first."""

    def __init__(self) -> None:
        self._pixels: collections.OrderedDict[tuple[int, FrameFormat], Future[Pixels]] = (
            collections.OrderedDict()
        )
        self._bytes = 0

    def get(self, number: int, frame_format: FrameFormat) -> "Future[Pixels] | None":
        return self._pixels.get((number, frame_format))

    def put(self, number: int, frame_format: FrameFormat, pixels: "Future[Pixels]") -> None:
        self._pixels[number, frame_format] = pixels
        self._bytes += frame_format.frame_bytes
        while self._bytes > _KEPT_BYTES and len(self._pixels) > 1:
            (_, oldest), _ = self._pixels.popitem(last=False)
            self._bytes -= oldest.frame_bytes

    def forget_before(self, number: int) -> None:
        for key in [key for key in self._pixels if key[0] < number]:
            del self._pixels[key]
            self._bytes -= key[1].frame_bytes


class Screening:
    """The audience of one source (`agent.capture.playing.Audience`)."""

    def __init__(
        self,
        specs: tuple[SampleSpec, ...],
        accounting: Accounting,
        *,
        stream: str,
        extract: Extract,
        info: SourceInfo,
        converter: Executor,
        has_room: Callable[[], bool],
        on_window: Callable[[Window], None],
    ) -> None:
        """`converter`: one thread, as pictures share their scaler; beside it the next ones are decoded.

        `has_room`: whether windows can be taken now; where they cannot, the run waits, and is one run.
        """
        self._converter = converter
        self._accounting = accounting
        self._stream = stream
        self._extract = extract
        self._has_room = has_room
        self._on_window = on_window
        self._fps = (extract.fps, info.fps)
        self._thinner = Thinner(*self._fps)
        self._size = (info.width, info.height)
        self.keys = KeyTimes()
        self._played_keys = KeyTimes()
        self._lines = [self._new_line(spec) for spec in specs]
        self._kept = _Kept()
        self._first_s: float | None = None
        self._generation = 0
        self.stage: Stage | None = None
        self.played = 0
        self.position_s = 0.0  # of the newest frame, from the first one on
        self.over = False  # what comes lies behind the end that was asked for

    def _new_line(self, spec: SampleSpec) -> Line:
        line = Line(spec, self.keys if spec.keyframes == "only" else self._played_keys)
        line.played_at(self._fps[0])
        if line.keys_only:
            line.thin(Thinner(*self._fps))
        line.sampler.want(0)
        return line

    # --- what is played ---

    def play(self, frame: Frame) -> None:
        """See `Audience.play`."""
        if self._first_s is None:
            self._first_s = frame.pts_s
        self.position_s = frame.pts_s - self._first_s
        self.over |= self._extract.is_behind(self.position_s)
        if self.over or self._extract.is_before(self.position_s):
            return
        generation = self._generation
        played = self._thinner.played(frame.pts_s)
        self.played += played
        if played and frame.is_key:
            self._played_keys.arrived(frame.pts_s)
        for place, line in enumerate(self._lines):
            if line.keys_only or played:
                due = line.play(frame)
                if not self._serve(place, line) and due and frame.good and self._generation == generation:
                    frame.settle(Fate.BUSY, self._accounting)
            if self._generation != generation:
                return
        self._kept.forget_before(self._oldest_number(frame.number))

    def needs(self, begin_s: float, end_s: float, step_s: float) -> bool:
        """See `Audience.needs`."""
        if self._is_outside(begin_s, end_s):
            return False
        return any(line.needs(begin_s, end_s, step_s) for line in self._lines)

    def awaits_s(self, step_s: float) -> float:
        """See `Audience.awaits_s`."""
        return min((line.awaits_s(step_s) for line in self._lines), default=math.inf)

    def may_use(self, frame: Frame, step_s: float) -> bool:
        """See `Audience.may_use`."""
        if self._is_outside(frame.pts_s, frame.pts_s + step_s):
            return False
        return any(line.may_use(frame, step_s) for line in self._lines)

    def keeps(self, frame: Frame, step_s: float) -> bool:
        """See `Audience.keeps`."""
        return any(line.keeps(frame, step_s) for line in self._lines)

    def oldest_index(self) -> int | None:
        """See `Audience.oldest_index`."""
        found = [index for line in self._lines if (index := line.oldest_index) is not None]
        return min(found, default=None)

    def _is_outside(self, begin_s: float, end_s: float) -> bool:
        """Whether what is shown from `begin_s` up to `end_s` lies before or behind what was asked for."""
        if self._first_s is None:
            return False
        before = self._extract.is_before(end_s - self._first_s - 2 * TOLERANCE_S)
        return before or self._extract.is_behind(begin_s - self._first_s)

    def _oldest_number(self, newest: int) -> int:
        """The number of the oldest frame that a window to come may have."""
        return min((line.oldest_number for line in self._lines if line.spec.frame_count > 1), default=newest)

    # --- windows ---

    def _serve(self, place: int, line: Line) -> bool:
        """Hand over the window that is due, if there is one; whether there was."""
        if not line.sampler.ready or not self._has_room():
            return False
        window = line.window()
        made = None if window is None else self._made(window, line.format(self._size))
        if window is None or made is None:
            return False
        line.sampler.take()
        line.sampler.want(0)
        for frame in window:
            frame.settle(Fate.WANTED, self._accounting)
        pixels, new_bytes = made
        times, numbers = tuple(frame.pts_s for frame in window), tuple(frame.number for frame in window)

        def frames() -> Frames:
            return Frames(
                [one.result() for one in pixels],
                times=times,
                numbers=numbers,
                stream=self._stream,
                pixel_format=line.spec.pixel_format,
            )

        self._on_window(Window(place, frames, numbers[-1], times[-1], new_bytes))
        return True

    def _made(
        self, window: list[Frame], frame_format: FrameFormat
    ) -> "tuple[list[Future[Pixels]], int] | None":
        """The pixels of a window, and how many bytes of them are new; None if a frame cannot be had."""
        if self.stage is None:
            return None
        found = {frame.number: self._kept.get(frame.number, frame_format) for frame in window}
        missing = [frame for frame in window if found[frame.number] is None]
        if not self.stage.produce(missing):
            for line in self._lines:
                line.forget_bad()
            return None
        for frame in missing:
            picture = frame.picture
            assert picture is not None  # noqa: S101  it was produced
            if (picture.width, picture.height) != self._size:
                self._begin_generation(picture.width, picture.height)
                return None
            pixels = self._converter.submit(picture.converted, frame_format.shape, frame_format.pixel_format)
            self._kept.put(frame.number, frame_format, pixels)
            found[frame.number] = pixels
        converted = [pixels for pixels in found.values() if pixels is not None]
        return converted, len(missing) * frame_format.frame_bytes

    def _begin_generation(self, width: int, height: int) -> None:
        """The picture has another size: no window spans that."""
        self._size = (width, height)
        self._generation += 1
        self.keys.begin_generation()
        self._played_keys.begin_generation()
        for line in self._lines:
            line.begin_generation()
            if line.keys_only:
                line.thin(Thinner(*self._fps))
