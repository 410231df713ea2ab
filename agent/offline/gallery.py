"""What is made of every played frame: a picture with results on it, for the author and for a recording."""

import functools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent import log
from agent.errors import ConfigError
from agent.ipc.foreign import Raised, call_foreign
from agent.offline.playback import stream_ids
from agent.offline.run import Run, Shown
from agent.offline.use import Use
from agent.record import Recording
from algos import BaseAlgo

OnFrame = Callable[[Shown], NDArray[np.uint8] | None]

_log = log.get_logger("offline")


class Gallery:
    """Shows frames to `on_frame`, or draws on them what the algorithms found, and records what results.

    A lifetime is a `with` block; a recording begins with the first frame of a source.
    """

    def __init__(
        self,
        uses: Sequence[Use],
        *,
        on_frame: OnFrame | None,
        record: str | None,
        record_fps: float | None,
        tolerant: bool,
    ) -> None:
        """`record`: the path, in which `{stream}` is the source's id; `tolerant`: a `draw()` may raise."""
        self._algorithms = {use.name: use.algorithm for use in uses}
        self._on_frame = on_frame
        self._record = record
        self._fps = record_fps
        self._tolerant = tolerant
        self._cannot_draw: set[str] = set()
        self._recording: Recording | None = None
        self._open = ExitStack()
        self._newest: dict[str, Run] = {}
        self._last_s = 0.0

    @property
    def wants_frames(self) -> bool:
        """Whether anything is to be done with frames."""
        return self._on_frame is not None or self._record is not None

    def begin_source(self) -> None:
        """Another source begins: a recording ends, and results of the one before are none of its own."""
        self._open.close()
        self._recording = None
        self._newest.clear()

    def add(self, run: Run) -> None:
        """A run came to an end."""
        if run.ok:
            self._newest[run.algorithm] = run

    def show(self, stream: str, number: int, time_s: float, picture: NDArray[np.uint8]) -> None:
        """A frame is played, all runs up to it having been added."""
        if self._record is not None and self._recording is None:
            self._begin_recording(self._record, stream, picture)
        own = picture.copy()
        shown = Shown(stream=stream, time=time_s, number=number, picture=own, results=dict(self._newest))
        given = self._draw(shown) if self._on_frame is None else self._on_frame(shown)
        if self._recording is not None:
            self._recording.write(own if given is None else given, time_s)
            self._last_s = time_s

    def close(self, incomplete: str = "") -> None:
        """End what is recorded; `incomplete`: why there is not more of it."""
        if incomplete and self._recording is not None:
            self._recording.annotate(f"incomplete: {incomplete} at {self._last_s:.3f} s")
        self._open.close()
        self._recording = None

    def _begin_recording(self, record: str, stream: str, picture: NDArray[np.uint8]) -> None:
        height, width = picture.shape[:2]
        path = Path(record.replace("{stream}", stream))
        recording = Recording(path, width=width, height=height, fps=self._fps)
        self._recording = self._open.enter_context(recording)

    def _draw(self, shown: Shown) -> NDArray[np.uint8] | None:
        top = 0
        for name, run in shown.results.items():
            algorithm = self._algorithms[name]
            if name in self._cannot_draw:
                continue
            if not self._tolerant:
                top = paint(algorithm, shown.picture, run, top)
                continue
            outcome = call_foreign(functools.partial(paint, algorithm, shown.picture, run, top))
            if isinstance(outcome, Raised):
                self._cannot_draw.add(name)
                _log.warning("algorithm_cannot_draw", algorithm=name, error=outcome.error)
            else:
                top = outcome
        return None


def paint(algorithm: object, picture: NDArray[np.uint8], run: Run, top: int = 0) -> int:
    """Paint a result as its algorithm does, or by the default drawing, whose facts begin at `top`.

    Returns where those of the next may begin, in pixels; what `draw()` raises comes through.
    """
    from algos.drawing import drawn  # noqa: PLC0415  OpenCV: who records nothing need not wait for it
    from algos.picture import size  # noqa: PLC0415

    painter = algorithm if isinstance(algorithm, BaseAlgo) else BaseAlgo(run.algorithm)
    return drawn(painter, picture, run.result, size(run.frames), top=top)


def check_path(record: str | Path | None, sources: Sequence[str]) -> str | None:
    """The path of a recording; ConfigError when several sources would be recorded into one file."""
    if record is None:
        return None
    if len(sources) > 1 and "{stream}" not in str(record):
        raise ConfigError(
            f"record: {len(sources)} sources cannot go into one file: put {{stream}} into its name"
        )
    paths = {Path(str(record).replace("{stream}", name)).resolve() for name in stream_ids(sources)}
    for source in sources:
        if Path(source).resolve() in paths:
            raise ConfigError(f"record: {source} is a source, and would be replaced")
    return str(record)
