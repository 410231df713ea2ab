"""All algorithms of one stream: frames are played to them, and their windows filled."""

import math
import time
from collections.abc import Callable
from typing import Protocol

from agent.capture.accounting import Accounting, Fate
from agent.capture.frame import Frame
from agent.capture.lending import Lending, Placed
from agent.capture.line import Line
from agent.errors import SourceError
from agent.frames.format import FrameFormat
from agent.ipc.messages import Filled, SampleSpec
from agent.sampling import KeyTimes, Thinner

FRESH_NS = 1_000_000_000  # a want that comes late is served with a frame no older than this


class Stage(Protocol):
    """What is being played."""

    def produce(self, frames: list[Frame]) -> bool:
        """Decode these frames; False if one of them cannot be had."""

    def give_up(self, error: SourceError) -> None:
        """Close the source: it is of no use as it is."""


class Lines:
    """The lines of one stream."""

    def __init__(
        self,
        accounting: Accounting,
        lending: Lending,
        *,
        send: Callable[[Filled], None],
        on_size: Callable[[int, int], None],
    ) -> None:
        self._accounting = accounting
        self._lending = lending
        self._send = send
        self._on_size = on_size
        self._lines: dict[str, Line] = {}
        self._fps: tuple[float | None, float | None] = (None, None)
        self._thinner = Thinner(None)
        self.keys = KeyTimes()
        self._played_keys = KeyTimes()  # those that thinning leaves
        self._size = (0, 0)
        self._generation = 0
        self.stage: Stage | None = None  # nothing is played without

    # --- what is asked ---

    def sample(self, specs: tuple[SampleSpec, ...]) -> None:
        """These algorithms and no others, from now on; a line whose sampling stays goes on."""
        before, self._lines = self._lines, {}
        for spec in specs:
            line = before.get(spec.algorithm)
            if line is not None and line.same_sampling(spec):
                line.spec = spec
            else:
                line = self._new_line(spec)
            self._lines[spec.algorithm] = line

    def _new_line(self, spec: SampleSpec) -> Line:
        if spec.keyframes == "only":
            line = Line(spec, self.keys)
            line.thin(Thinner(*self._fps))
            return line
        line = Line(spec, self._played_keys)
        line.played_at(self._fps[0])
        if spec.keyframes == "auto" and self._played_keys.last_s is not None:
            line.sampler.anchor(self._played_keys.last_s)
        return line

    def want(self, algorithm: str, ticket: int) -> None:
        """Somebody will be free for the next window of an algorithm."""
        if (line := self._lines.get(algorithm)) is not None:
            line.sampler.want(ticket)
            self._serve_late(line)

    def drop_wants(self) -> None:
        """The source is closed: the agent forgets what it has asked for, and asks anew."""
        for line in self._lines.values():
            line.sampler.drop_want()

    def serve_all(self) -> None:
        """There may be slots now that were missing."""
        for line in tuple(self._lines.values()):
            self._serve_late(line)

    # --- what is played ---

    def open(self, fps: float | None, source_fps: float | None) -> None:
        """A source was opened, to be played at `fps` at most."""
        self._fps = (fps, source_fps)
        self._thinner = Thinner(fps, source_fps)
        for line in self._lines.values():
            line.played_at(fps)

    def begin_generation(self, generation: int, size: tuple[int, int]) -> None:
        """No window spans what comes now and what was before."""
        self._generation, self._size = generation, size
        self._lending.forget_contents()
        self.keys.begin_generation()
        self._played_keys.begin_generation()
        for line in self._lines.values():
            line.begin_generation()
            if line.keys_only:
                line.thin(Thinner(*self._fps))

    def play(self, frame: Frame) -> None:
        """See `Audience.play`."""
        generation = self._generation
        played = self._thinner.played(frame.pts_s)
        if played and frame.is_key:
            self._played_keys.arrived(frame.pts_s)
        for line in tuple(self._lines.values()):
            if line.keys_only or played:
                due = line.play(frame)
                if not self._serve(line) and due and frame.good and self._generation == generation:
                    frame.settle(Fate.BUSY, self._accounting)
            if self._generation != generation:
                return  # the frame has shown that another one begins with it

    def needs(self, begin_s: float, end_s: float, step_s: float) -> bool:
        """See `Audience.needs`."""
        return any(
            line.needs(begin_s, end_s, step_s) and self._lending.offers(line.format(self._size))
            for line in self._lines.values()
        )

    def awaits_s(self, step_s: float) -> float:
        """See `Audience.awaits_s`."""
        return min((line.awaits_s(step_s) for line in self._lines.values()), default=math.inf)

    def may_use(self, frame: Frame, step_s: float) -> bool:
        """See `Audience.may_use`."""
        return any(line.may_use(frame, step_s) for line in self._lines.values())

    def keeps(self, frame: Frame, step_s: float) -> bool:
        """See `Audience.keeps`."""
        return any(line.keeps(frame, step_s) for line in self._lines.values())

    def oldest_index(self) -> int | None:
        """See `Audience.oldest_index`."""
        found = [index for line in self._lines.values() if (index := line.oldest_index) is not None]
        return min(found, default=None)

    # --- windows ---

    def _serve_late(self, line: Line) -> None:
        newest = line.newest
        if newest is not None and time.monotonic_ns() - newest.stamp.mono_ns < FRESH_NS:
            self._serve(line)

    def _serve(self, line: Line) -> bool:
        """Hand over the window that is due and wanted, if there is one; whether there was."""
        window = self._due_window(line)
        placed = None if window is None else self._placed(window, line.format(self._size))
        if window is None or placed is None:
            return False
        take = line.sampler.take()
        assert take is not None  # noqa: S101  a window is due only if it is wanted and ready
        newest = window[-1]
        next_s = line.sampler.next_s()
        wait_s = 0.0 if next_s is None else next_s - newest.pts_s
        self._send(
            Filled(
                take.ticket,
                line.spec.algorithm,
                self._generation,
                self._lending.lease(take.ticket, placed),
                take.skipped,
                newest.stamp.mono_ns + int(wait_s * 1e9),
            )
        )
        return True

    def _due_window(self, line: Line) -> list[Frame] | None:
        """The window that is due and wanted, if there are slots for it."""
        frame_format = line.format(self._size)
        if not (line.sampler.wanted and line.sampler.ready and self._lending.offers(frame_format)):
            return None
        window = line.window()
        if window is None or not self._lending.has_room(window, frame_format):
            return None
        return window

    def _placed(self, window: list[Frame], frame_format: FrameFormat) -> list[Placed] | None:
        """The frames of a window in slots; None if one of them cannot be had."""
        if self.stage is None:
            return None
        missing = self._lending.missing(window, frame_format)
        if not self.stage.produce(missing):
            for line in self._lines.values():
                line.forget_bad()
            return None
        for frame in missing:
            assert frame.picture is not None  # noqa: S101  it was produced
            if (size := (frame.picture.width, frame.picture.height)) != self._size:
                self._on_size(*size)
                return None
        try:
            return self._lending.place(window, frame_format)
        except SourceError as err:  # a pixel format that cannot be converted
            self.stage.give_up(err)
            return None
