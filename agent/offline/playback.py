"""The reading side: sources one after the other, and what is made of them, in order, on the belt."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agent.capture import memory
from agent.capture.accounting import Accounting, Fate
from agent.capture.open import open_source
from agent.capture.playing import Playing
from agent.capture.source import OpenRequest, Source
from agent.config.addresses import scheme_of
from agent.config.secret import redact_url
from agent.errors import Cause, SourceError
from agent.offline.belt import Belt
from agent.offline.runner import Returned, Runner
from agent.offline.screening import EVERY_FRAME, Extract, Screening, Window
from agent.offline.use import Use
from algos import Frames

_MAX_ID = 64
_FILES = ("file", "usb")  # whose path is on this machine, and no secret


@dataclass(frozen=True, slots=True)
class Began:
    """A source was opened: what follows is of it."""

    stream: str
    index: int  # among the sources
    duration_s: float | None
    live: bool


@dataclass(frozen=True, slots=True)
class Filled:
    """A window of the algorithm with this place was given to its runner."""

    place: int
    frames: Callable[[], Frames]  # waits until they are converted; raises SourceError
    returned: Future[Returned]


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame was played, and somebody wants to see it."""

    number: int
    time_s: float
    frames: Callable[[], Frames]  # the one picture, (H, W, 3) BGR; as above


Step = Began | Filled | Seen


class Playback:
    """What one thread does from the first source to the last."""

    def __init__(
        self,
        sources: Sequence[str],
        uses: Sequence[Use],
        runners: Sequence[Runner],
        belt: Belt[Step],
        *,
        extract: Extract,
        every_frame: bool,
    ) -> None:
        self._sources = sources
        self._runners = runners
        self._belt = belt
        self._extract = extract
        specs = [use.spec for use in uses]
        self._specs = (*specs, EVERY_FRAME) if every_frame else tuple(specs)
        self._converter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="infer-converter")
        self._failure: SourceError | None = None
        self._ids = stream_ids(sources)
        self._frames_before = self._decoded_before = 0  # of the sources before
        self._accountings: list[Accounting] = []  # one a source
        self._screening: Screening | None = None
        self._playing: Playing | None = None

    @property
    def position_s(self) -> float:
        """Media time of the source that is being read, from its first frame."""
        return 0.0 if self._screening is None else self._screening.position_s

    @property
    def frames(self) -> int:
        """Frames played so far."""
        return self._frames_before + (0 if self._screening is None else self._screening.played)

    @property
    def decoded(self) -> int:
        """Frames decoded so far."""
        return self._decoded_before + (0 if self._playing is None else self._playing.decoded)

    @property
    def damaged(self) -> int:
        """Frames so far that could not be decoded."""
        return sum(accounting.of(Fate.CORRUPT) for accounting in self._accountings)

    def run(self) -> None:
        """Play everything; raises what opening, reading or an `init()` raises."""
        memory.keep()
        try:
            for index, url in enumerate(self._sources):
                if self._belt.stopped:
                    return
                request = OpenRequest(url=url, redact=redact_url, hurry=True)
                self._frames_before, self._screening = self.frames, None
                with open_source(request, lambda: self._belt.stopped) as source:
                    self._play(source, index, self._ids[index])
        finally:
            self._converter.shutdown(wait=True, cancel_futures=self._belt.stopped)
            self._belt.end()
            memory.give_back()

    def _play(self, source: Source, index: int, stream: str) -> None:
        for runner in self._runners:
            runner.begin()
        self._belt.put(Began(stream, index, source.info.duration_s, source.info.live), 0)
        accounting = Accounting()
        self._accountings.append(accounting)
        live = source.info.live
        screening = Screening(
            self._specs,
            accounting,
            stream=stream,
            extract=self._extract,
            info=source.info,
            converter=self._converter,
            # A camera does not wait: what cannot be taken is left out, as in a live agent.
            has_room=lambda: not live or self._belt.has_room,
            on_window=self._on_window,
        )
        playing = Playing(
            source,
            screening,
            accounting,
            screening.keys,
            next_number=0,
            give_up=self._give_up,
            alive=lambda: None,
        )
        screening.stage = self._playing = playing
        self._screening = screening
        try:
            self._read(source, playing, screening)
        finally:
            self._decoded_before, self._playing = self.decoded, None
            playing.close()

    def _read(self, source: Source, playing: Playing, screening: Screening) -> None:
        while not (screening.over or self._belt.stopped):
            try:
                unit = source.read()
            except SourceError as err:
                if err.cause is not Cause.ENDED:
                    raise
                playing.end()
                break
            playing.arrive(unit)
            if self._failure is not None:
                raise self._failure

    def _give_up(self, error: SourceError) -> None:
        self._failure = error

    def _on_window(self, window: Window) -> None:
        if window.place == len(self._runners):
            self._belt.put(Seen(window.number, window.time_s, window.frames), window.new_bytes)
        else:
            returned = self._runners[window.place].submit(window.frames)
            self._belt.put(Filled(window.place, window.frames, returned), window.new_bytes)


def stream_ids(sources: Sequence[str]) -> list[str]:
    """The id under which each source's results go: the name of a file, the host of a URL.

    No more of a URL, since what follows the host may be a secret. Where several would have the same, the
    second is called `name-2`, in the order in which they are given.
    """
    ids: list[str] = []
    for source in sources:
        name = stream_id = _name(source)
        number = 1
        while stream_id in ids:
            number += 1
            stream_id = f"{name[: _MAX_ID - len(str(number)) - 1]}-{number}"
        ids.append(stream_id)
    return ids


def _name(source: str) -> str:
    scheme = scheme_of(source)
    if scheme is None or scheme in _FILES:
        name = Path(source.removeprefix(f"{scheme}:").rstrip("/")).stem
    else:
        name = urlsplit(source).hostname or scheme
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:_MAX_ID] or "stream"
