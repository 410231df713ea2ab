"""A source played as fast as it can be read, through all of a capture process but its pipe and its clock."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from agent.capture.accounting import Accounting, Fate
from agent.capture.lending import Lending
from agent.capture.lines import Lines
from agent.capture.playing import Playing
from agent.capture.source import Picture, Pixels, Source, Stamp, Unit
from agent.errors import SourceError
from agent.frames import FrameFormat, Slots, allocate
from agent.ipc.messages import Filled, FrameRef, SampleSpec
from tests.parts.sources import opened

ALGORITHM = "a"

Free = Callable[[int], bool]
"""Whether somebody is free for a window after so many packets."""


@dataclass(slots=True)
class Outcome:
    """What came of playing a source."""

    windows: list[list[tuple[FrameRef, Pixels]]] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    given_up: list[SourceError] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    signs_of_life: int = 0
    received: int = 0
    decoded: int = 0
    fates: dict[Fate, int] = field(default_factory=dict)
    note: str = ""

    @property
    def newest(self) -> list[FrameRef]:
        """The sampled frame of each window."""
        return [window[-1][0] for window in self.windows]


class Theatre:
    """Plays `source` to one algorithm; after each packet the windows handed over are given back."""

    def __init__(self, source: Source, spec: SampleSpec, *, fps: float | None = None) -> None:
        self.outcome = Outcome()
        self._source = source
        self._accounting = Accounting()
        lending = Lending(self._accounting)
        self._lending = lending
        count = spec.frame_count * 2
        frame_format = FrameFormat(spec.width, spec.height, spec.pixel_format)
        with allocate(frame_format.slot_bytes * count, purpose="a test") as segment:
            self._slots = Slots(frame_format, count, os.dup(segment.fd), writable=True)
        lending.lend(1, self._slots)
        self._tickets = itertools.count(1)
        self._filled: list[int] = []
        self._wanted = False
        self.lines = Lines(self._accounting, lending, send=self._on_filled, on_size=self._on_size)
        self.playing = Playing(
            source,
            self.lines,
            self._accounting,
            self.lines.keys,
            next_number=0,
            give_up=self.outcome.given_up.append,
            alive=self._on_alive,
        )
        self.lines.open(fps, source.info.fps)
        self.lines.stage = self.playing
        self.lines.begin_generation(1, (source.info.width, source.info.height))
        self.lines.sample((spec,))

    def play(
        self, free: Free = lambda _: True, *, change: Callable[[Unit], Unit] = lambda unit: unit
    ) -> Outcome:
        """Everything, to its end; `change` may damage what is read."""
        outcome = self.outcome
        for count, unit in enumerate(_units(self._source)):
            if not self._wanted and free(count):
                self._wanted = True
                self.lines.want(ALGORITHM, next(self._tickets))
            self.playing.arrive(change(unit))
            self._give_back()
        self.playing.end()
        self._give_back()
        outcome.received = self._accounting.received
        outcome.decoded = self.playing.decoded
        outcome.fates = {fate: self._accounting.of(fate) for fate in Fate}
        outcome.note = self.playing.note
        return outcome

    def _on_filled(self, filled: Filled) -> None:
        window = [(ref, np.array(self._slots.view(ref.slot))) for ref in filled.frames]
        self.outcome.windows.append(window)
        self.outcome.skipped.append(filled.skipped)
        self._filled.append(filled.ticket)

    def _on_alive(self) -> None:
        self.outcome.signs_of_life += 1

    def _on_size(self, width: int, height: int) -> None:
        self.outcome.sizes.append((width, height))
        self.lines.begin_generation(1 + len(self.outcome.sizes), (width, height))

    def _give_back(self) -> None:
        while self._filled:
            self._lending.release(self._filled.pop(), used=True)
            self._wanted = False


def _units(source: Source) -> Iterator[Unit]:
    while True:
        try:
            unit = source.read()
        except SourceError:
            return
        unit.stamp = Stamp.now()
        yield unit


def whole(path: Path, frame_format: FrameFormat) -> dict[int, tuple[int, Pixels]]:
    """Every frame of a file, decoded one after the other: number and pixels by the time in ms."""
    found: dict[int, tuple[int, Pixels]] = {}

    def add(pictures: list[Picture]) -> None:
        for picture in pictures:
            pixels = np.empty(frame_format.shape, np.uint8)
            picture.write(pixels, frame_format.pixel_format)
            found[round(picture.pts_s * 1000)] = (len(found), pixels)

    with opened(path) as source:
        for unit in _units(source):
            add(source.decode(unit))
        add(source.flush())
    return found
