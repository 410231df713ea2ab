"""A source played with an algorithm, in a thread of its own, for somebody who looks at it now and then."""

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from agent.capture.array_picture import ArrayPicture
from agent.config.secret import redact_url
from agent.errors import VedetteError
from agent.ipc.foreign import Raised, call_foreign
from agent.offline import Inference, Progress, Run, Shown, Use, infer
from agent.offline.gallery import paint
from agent.studio.gate import Closed, Gate
from agent.studio.history import History

_QUALITY = 85  # of a JPEG
_MAX_WIDTH = 1280  # pixels
_PICTURE_EVERY_S = 0.08  # more than twelve pictures a second nobody fetches
_PREDECESSOR_S = 30.0  # for the run that the one before is at: a camera serves one at a time


class Phase(Enum):
    """How far it is."""

    OPENING = "opening"  # until the first picture
    PLAYING = "playing"
    STEPPING = "stepping"  # up to the frame at which it pauses
    PAUSED = "paused"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see now."""

    phase: Phase
    jpeg: bytes  # empty: no picture yet
    position_s: float  # of the picture, from the source's first frame
    duration_s: float | None
    live: bool
    failure: Raised | None  # why it ended; without a trace if it is our own sentence
    bad_drawing: Raised | None  # what `draw()` raised last

    @property
    def moves(self) -> bool:
        """Whether there will be something else to see without anybody doing anything."""
        return self.phase in (Phase.OPENING, Phase.PLAYING, Phase.STEPPING)


@dataclass(frozen=True, slots=True)
class Start:
    """How a player begins."""

    position_s: float = 0.0
    seeks: bool = True  # False: of a camera, which is always where it is, this is where counting goes on
    paused: bool = False  # it shows one frame
    hurry: bool = False
    draws: bool = True
    origin_s: float | None = None  # time of the source's first frame, where a player before found it out


class Player:
    """Plays until its source ends or it is closed.

    A viewer comes and goes as a browser does, so there is no `with` around it: `close` asks it to end, which
    it does when the run that is going on has come to an end.
    """

    def __init__(
        self,
        source: str,
        use: Use,
        history: History,
        start: Start,
        *,
        fps: float | None = None,
        before: "Player | None" = None,
        redact: Callable[[str], str] = redact_url,
    ) -> None:
        """`before`: the player that it takes the place of; it ends, and its picture is shown meanwhile."""
        self._source = source
        self.use = use
        self.history = history
        self._start = start
        self._fps = fps
        self._before = before
        self._redact = redact
        self._gate = Gate(paused=start.paused, hurry=start.hurry)
        self._draws = start.draws
        self._inference: Inference | None = None
        self._progress: Progress | None = None
        self._jpeg = b"" if before is None else before.look().jpeg
        self._shown_s = start.position_s
        self._made_s = -1.0
        self._origin_s = start.origin_s
        self._last: Shown | None = None
        self._pictured: Shown | None = None  # not every frame is: the picture is that of this one
        self._come: list[Run] = []  # runs whose frame is not shown yet
        self._has_shown = False
        self._ended = False
        self._failure: Raised | None = None
        self._bad_drawing: Raised | None = None
        if before is not None:
            before.close()
        self._thread = threading.Thread(target=self._work, name="studio-player", daemon=True)
        self._thread.start()

    # --- for the viewer ---

    @property
    def gate(self) -> Gate:
        """To play, pause and step."""
        return self._gate

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    @property
    def origin_s(self) -> float | None:
        """Time of the source's first frame; None while it is not known."""
        return self._origin_s

    def look(self) -> Look:
        """What there is to see."""
        progress = self._progress
        return Look(
            phase=self._phase(),
            jpeg=self._jpeg,
            position_s=self._shown_s,
            duration_s=None if progress is None else progress.duration_s,
            live=progress is not None and progress.live,
            failure=self._failure,
            bad_drawing=self._bad_drawing,
        )

    def draw(self, draws: bool) -> None:  # noqa: FBT001  it is what is said
        """Whether results are drawn; the picture that is shown follows at once."""
        if draws != self._draws:
            self._draws = draws
            if self._last is not None and not self.look().moves:
                self._make_picture(self._last)

    def close(self) -> None:
        """Ask it to end."""
        self._gate.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _phase(self) -> Phase:
        if self._failure is not None:
            return Phase.FAILED
        if self._ended:
            return Phase.ENDED
        if not self._has_shown:
            return Phase.OPENING
        if self._gate.settled and self._pictured is self._last:
            return Phase.PAUSED
        return Phase.STEPPING if self._gate.paused else Phase.PLAYING

    # --- the thread ---

    def _work(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            before.join(_PREDECESSOR_S)
        outcome = call_foreign(self._play)
        if isinstance(outcome, Raised):
            self._failure = outcome
        self._inference = None
        self._ended = True

    def _play(self) -> Raised | None:
        """To the end; what is our own sentence, is given back. Raises what `init()` raises."""
        try:
            self._inference = infer(
                self._source,
                self.use,
                fps=self._fps,
                position=self._start.position_s if self._start.seeks else 0.0,
                on_frame=self._on_frame,
                on_error="keep",
                on_progress=self._on_progress,
            )
            with self._inference as runs:
                for run in runs:
                    self._come.append(run)
                    self._gate.found()
            self._tell()
            self._catch_up()
        except Closed:
            return None
        except VedetteError as err:
            return Raised(self._redact(str(err)), "")
        return None

    def _on_progress(self, progress: Progress) -> None:
        """Several times a second, whatever else happens: the way out of a source that says nothing."""
        self._progress = progress
        self._gate.check()

    def _look_up(self) -> None:
        if self._inference is not None:
            self._progress = self._inference.progress

    def _tell(self) -> None:
        """The frame of what came is shown: its results may be, too."""
        for run in self._come:
            self._see_origin(run.time)
            self.history.add(run, run.time - (self._origin_s or 0.0))
        self._come.clear()

    def _on_frame(self, shown: Shown) -> NDArray[np.uint8] | None:
        self._look_up()
        self._see_origin(shown.time)
        if self._progress is not None and self._progress.live:
            if not self._gate.pass_live():
                self._come.clear()
                self._catch_up()
                return None
        else:
            while not self._gate.wait(shown.time):
                self._catch_up()
        self._tell()
        self._shown_s = max(0.0, shown.time - (self._origin_s or 0.0))
        self._last = shown
        if self._gate.paused or time.monotonic() - self._made_s >= _PICTURE_EVERY_S:
            self._make_picture(shown)
        return None

    def _see_origin(self, time_s: float) -> None:
        if self._origin_s is None:
            self._origin_s = time_s - self._start.position_s

    def _catch_up(self) -> None:
        """The frame at which it stays is to be seen, however fast it came there."""
        if self._last is not self._pictured and self._last is not None:
            self._make_picture(self._last)

    def _make_picture(self, shown: Shown) -> None:
        picture = shown.picture.copy()  # a drawing that breaks off leaves no half of it
        if self._draws:
            for run in shown.results.values():
                outcome = call_foreign(functools.partial(paint, self.use.algorithm, picture, run))
                if isinstance(outcome, Raised):
                    self._bad_drawing = outcome
                    picture = shown.picture
                else:
                    self._bad_drawing = None
        self._jpeg = ArrayPicture(picture, shown.time).jpeg(_QUALITY, _MAX_WIDTH)
        self._made_s = time.monotonic()
        self._pictured = shown
        self._has_shown = True
