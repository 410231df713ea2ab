"""What comes out of an inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos import Frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one algorithm on one window."""

    stream: str  # id: the name of the file, without what does not belong into an id
    algorithm: str  # id
    kind: str
    version: str  # of the kind
    time: float  # presentation time of the window's newest frame, seconds, media clock
    frame: int  # number of that frame, counted from the source's start
    frames: Frames  # the window; its arrays are read-only, and may be kept
    result: Any  # what `run()` returned; None if it raised
    run_s: float  # how long it took
    error: str = ""  # what it raised: one line
    trace: str = ""  # and the traceback

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return not self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One played frame, with the newest results up to it."""

    stream: str
    time: float  # presentation time, seconds, media clock
    number: int  # counted from the source's start
    picture: NDArray[np.uint8]  # (H, W, 3) BGR, to be painted on: nobody else has it
    results: Mapping[str, Run]  # the newest run of each algorithm that did not raise, by its id


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an inference has come."""

    stream: str  # id of the source that is played
    source_index: int  # its place among the sources, from 0
    sources: int
    position_s: float  # media time played of this source
    duration_s: float | None  # of this source, as its container says it
    live: bool  # it does not wait (a camera): what cannot be taken is left out
    frames: int  # played so far, over all sources
    decoded: int  # frames that had to be decoded for what was asked for
    runs: int  # handed out so far
    damaged: int  # frames that could not be decoded, of those that were asked for
