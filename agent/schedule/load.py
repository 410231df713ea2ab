"""What streams and algorithms cost, in cores: from what was measured, before they run.

How many frames a run makes the capture process decode follows from decoding on demand. With key frames
every K seconds at f frames a second, and a run every T seconds:

- on a key frame: one frame;
- elsewhere in its group: half a group on average, K f / 2, if a group has one run at most;
- several runs in a group: all of it up to the last one, a share of 1 - T / 2K on average.

A run that may wait T / 2 for a key frame finds one with probability T / 2K (one, if that is more). The
older frames of a window lie in the groups before, which are decoded for them.
Algorithms on one stream share what is decoded: the one that asks for most counts, not the sum.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.sampling import Sampling

ASSUMED_KEY_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCost:
    """What one stream costs."""

    fps: float  # of the source
    played_fps: float  # the same, or less where the stream is thinned
    key_interval_s: float  # infinity: every frame has to be decoded
    decode_s: float  # CPU seconds for a decoded frame
    base_cores: float  # to read it, and to hand frames over


# 1080p25 H.264 of 4 Mb/s on one core of a small x86 machine (benchmarks/RESULTS.md): until something runs.
ASSUMED = StreamCost(
    fps=25.0, played_fps=25.0, key_interval_s=ASSUMED_KEY_INTERVAL_S, decode_s=0.005, base_cores=0.012
)

RECORDED_FRAME_S = 0.03  # CPU seconds to draw on a 1080p picture and encode it (benchmarks/authors.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One algorithm on one stream."""

    stream: str
    algorithm: str
    sampling: Sampling
    run_s: float | None  # CPU seconds a run; None: it has never run


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What it all needs; `unknown`: algorithms that have never run, and count for nothing."""

    cores: float
    unknown: tuple[str, ...] = ()


def runs_hz(cost: StreamCost, sampling: Sampling) -> float:
    """Runs a second of an algorithm that keeps up."""
    played_hz = 1.0 / cost.key_interval_s if sampling.keyframes == "only" else cost.played_fps
    return played_hz if sampling.interval_s == 0 else min(played_hz, 1.0 / sampling.interval_s)


def decoded_hz(cost: StreamCost, sampling: Sampling) -> float:
    """Frames a second that a sampling makes the capture process decode, on average."""
    every_s, key_s = sampling.interval_s, cost.key_interval_s
    runs = runs_hz(cost, sampling)
    if sampling.keyframes == "only":
        return min(1.0 / key_s, runs * sampling.frame_count)
    group = max(1.0, key_s * cost.fps)
    before = (sampling.span - 1) * cost.fps / cost.played_fps  # frames from the oldest of a window on
    lucky = min(1.0, sampling.may_be_late_s / key_s)
    if every_s < key_s:
        exact_hz = max(runs, cost.fps * (1.0 - every_s / key_s / 2))
    else:
        exact_hz = runs * (max(1.0, group / 2) + group * math.ceil(max(0.0, before - group / 2) / group))
    lucky_hz = runs * (1.0 + group * math.ceil(before / group))
    return min(cost.fps, lucky * lucky_hz + (1.0 - lucky) * exact_hz)


def estimate(streams: Mapping[str, StreamCost], tasks: Iterable[Task]) -> Load:
    """The cores that these streams and algorithms need; tasks on other streams count for nothing."""
    decoded = dict.fromkeys(streams, 0.0)
    busy = 0.0
    unknown: dict[str, None] = {}
    for task in tasks:
        cost = streams.get(task.stream)
        if cost is None:
            continue
        decoded[task.stream] = max(decoded[task.stream], decoded_hz(cost, task.sampling))
        if task.run_s is None:
            unknown[task.algorithm] = None
            continue
        busy += runs_hz(cost, task.sampling) * task.run_s
    capture = sum(cost.base_cores + decoded[name] * cost.decode_s for name, cost in streams.items())
    return Load(cores=capture + busy, unknown=tuple(unknown))


def overloaded(load: Load, before: Load, free_cores: float, cores: float) -> str | None:
    """What to say when the growth from `before` to `load` does not fit into what is free; None: it fits."""
    needed = load.cores - before.cores
    if needed <= max(0.0, free_cores):  # less, or as much as before, is always welcome
        return None
    new = ", ".join(name for name in load.unknown if name not in before.unknown)
    more = f", and what {new} takes, which has never run" if new else ""
    return (
        f"needs about {needed:.2g} cores{more}; {max(0.0, free_cores):.2g} of {cores:.2g} are free: expect "
        'skipped runs, or raise interval, lower size, or set keyframes = "only"'
    )
