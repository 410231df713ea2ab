"""From sources to runs, in order: one thread reads, one an algorithm runs, and the caller collects."""

import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from agent.errors import ConfigError, VedetteError
from agent.ipc.foreign import Raised, raised
from agent.offline.belt import Belt
from agent.offline.gallery import Gallery, OnFrame, check_path
from agent.offline.playback import Began, Filled, Playback, Seen, Step
from agent.offline.processes import ProcessRunner
from agent.offline.run import Progress, Run
from agent.offline.runner import ForeignError, Returned, Runner, ThreadRunner
from agent.offline.screening import Extract
from agent.offline.use import Use
from algos import Frames

OnError = Literal["raise", "keep"]
OnProgress = Callable[[Progress], None]

_MAX_FPS = 1000
_TICK_S = 0.2  # how often progress is told while nothing comes


def infer(  # noqa: PLR0913  what a call can say; only two have no default
    source: str | Path | Iterable[str | Path],
    uses: Use | Sequence[Use],
    *,
    fps: float | None = None,
    position: float = 0.0,
    until: float | None = None,
    on_frame: OnFrame | None = None,
    record: str | Path | None = None,
    record_fps: float | None = None,
    on_error: OnError = "raise",
    on_progress: OnProgress | None = None,
) -> "Inference":
    """Run algorithms on a source from start to end, as fast as the machine can; iterate over the runs.

    ```python
    for run in infer("video.mp4", [Use(Heads(), interval=1.0)]):
        print(run.time, run.algorithm, run.result)
    ```

    - `source`: a file, a folder of images, any URL that agent.toml takes, or several of them, one after the
      other; `init()` of each algorithm is called for each.
    - `fps`: frames are thinned evenly to so many a second; default: all are played.
    - `position`, `until`: seconds from the first frame; what lies outside is not played.
    - `on_frame` is called with every played frame (`Shown`) and the newest results; the picture that it
      returns, or the one that it painted on, goes into the recording. It is called while a run on a later
      frame may be going on.
    - `record`: path of an mp4 with what `draw()` of each algorithm, or the default drawing, makes of the
      results; `{stream}` in it stands for the id of the source. `record_fps`: at this rate, not the source's.
    - `on_error`: what a `run()` raises is raised here, or kept in `Run.error` and the next run goes on.
    - `on_progress` is called from time to time, in the thread that iterates.

    Runs come in order of source, time, and place in `uses`. The same source and settings give the same
    windows each time. Raises ConfigError for settings that cannot be, SourceError when a source cannot be
    opened or read (runs before that have come out), and what `init()` raises.
    """
    sources = [os.fspath(one) for one in ([source] if isinstance(source, str | Path) else source)]
    chosen = [uses] if isinstance(uses, Use) else list(uses)
    if not sources:
        raise ConfigError("there is no source to infer from")
    _check_names(chosen)
    _check_times(fps=fps, position=position, until=until, record_fps=record_fps)
    tolerant = on_error == "keep"
    gallery = Gallery(
        chosen,
        on_frame=on_frame,
        record=check_path(record, sources),
        record_fps=record_fps,
        tolerant=tolerant,
    )
    belt: Belt[Step] = Belt()
    runners = [_runner(use) for use in chosen]
    playback = Playback(
        sources,
        chosen,
        runners,
        belt,
        extract=Extract(fps, position, math.inf if until is None else until),
        every_frame=gallery.wants_frames,
    )
    state = _State(playback, len(sources))
    runs = _collect(state, belt, runners, gallery, chosen, tolerant=tolerant, on_progress=on_progress)
    return Inference(state, runs)


class Inference(Iterator[Run]):
    """The runs, in order; it starts with the first that is asked for.

    It ends by itself with the last run, with an error, when it is closed or forgotten: a loop may be left.
    """

    def __init__(self, state: "_State", runs: Generator[Run, None, None]) -> None:
        # Nothing that runs knows this object, so that a loop that is left ends everything at once.
        self._state = state
        self._runs = runs

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Run:
        return next(self._runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End here; waits for the runs that are going on."""
        self._runs.close()

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self._state.progress()


@dataclass(slots=True)
class _State:
    """How far it has come."""

    playback: Playback
    sources: int
    began: Began = field(default_factory=lambda: Began("", 0, None, live=False))
    runs: int = 0

    def progress(self) -> Progress:
        return Progress(
            stream=self.began.stream,
            source_index=self.began.index,
            sources=self.sources,
            position_s=self.playback.position_s,
            duration_s=self.began.duration_s,
            live=self.began.live,
            frames=self.playback.frames,
            decoded=self.playback.decoded,
            runs=self.runs,
            damaged=self.playback.damaged,
        )


def _collect(
    state: _State,
    belt: Belt[Step],
    runners: Sequence[Runner],
    gallery: Gallery,
    uses: Sequence[Use],
    *,
    tolerant: bool,
    on_progress: OnProgress | None,
) -> Generator[Run, None, None]:
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="infer-reader")
    incomplete = "interrupted"
    try:
        played = reader.submit(state.playback.run)
        for step in _steps(belt, state, on_progress):
            match step:
                case Began():
                    gallery.begin_source()
                    state.began = step
                case Filled(place, frames, returned):
                    run = _run(uses[place], frames(), returned, tolerant=tolerant)
                    gallery.add(run)
                    state.runs += 1
                    yield run
                case Seen(number, time_s, frames):
                    gallery.show(state.began.stream, number, time_s, frames()[0])
        incomplete = "the source failed"
        played.result()
        incomplete = ""
        if on_progress is not None:
            on_progress(state.progress())
    finally:
        belt.stop()
        for runner in runners:
            runner.close()
        reader.shutdown(wait=True)
        gallery.close(incomplete)


def _runner(use: Use) -> Runner:
    if use.workers == 1:
        return ThreadRunner(use.algorithm, use.name)
    return ProcessRunner(use.algorithm, use.name, use.workers)


def _steps(belt: Belt[Step], state: _State, on_progress: OnProgress | None) -> Iterator[Step]:
    told_s = time.monotonic()
    while True:
        try:
            step = belt.take(None if on_progress is None else _TICK_S)
        except TimeoutError:
            step = None
        else:
            if step is None:
                return
        if on_progress is not None and time.monotonic() - told_s >= _TICK_S:
            told_s = time.monotonic()
            on_progress(state.progress())
        if step is not None:
            yield step


def _run(use: Use, frames: Frames, returned: Future[Returned], *, tolerant: bool) -> Run:
    error = returned.exception()
    if error is not None and not tolerant:
        raise error
    told = None if error is None else _told(error)
    outcome = Returned(None, 0.0) if error is not None else returned.result()
    return Run(
        stream=frames.stream,
        algorithm=use.name,
        kind=use.kind,
        version=use.version,
        time=frames.times[-1],
        frame=frames.numbers[-1],
        frames=frames,
        result=outcome.result,
        run_s=outcome.run_s,
        error="" if told is None else told.error,
        trace="" if told is None else told.trace,
    )


def _told(error: BaseException) -> Raised:
    match error:
        case ForeignError():
            return error.raised
        case VedetteError():  # our own words need no traceback
            return Raised(str(error), "")
        case _:
            return raised(error)


def _check_names(uses: Sequence[Use]) -> None:
    names = [use.name for use in uses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two algorithms are called {twice[0]}: give each a name, as its first argument")


def _check_times(
    *, fps: float | None, position: float, until: float | None, record_fps: float | None
) -> None:
    for name, rate in (("fps", fps), ("record_fps", record_fps)):
        if rate is not None and not 0 < rate <= _MAX_FPS:
            raise ConfigError(f"{name} must be more than 0 and at most {_MAX_FPS}")
    if not 0 <= position < math.inf:
        raise ConfigError("position must be a number of seconds, 0 or more")
    if until is not None and not until > position:
        raise ConfigError("until must be more than position")
