"""A thousand reconnections, to broker and cameras, in one life of the agent: memory stays flat."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil

from tests.chaos.site import Site

LIMIT_S = 1200.0
_EVERY = 20  # reconnections between two samples
_SEEN_PICTURES = 3  # by a viewer, before it is hung up on
_WARM_UP = 0.2  # share of the samples that comes before everything was allocated once
_ENOUGH = 500  # reconnections, for a slope to say anything
_FLOOR_BYTES = 1 << 20  # per thousand reconnections: what is less than that is flat


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process has."""

    reconnections: int
    own_bytes: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Memory over reconnections, fitted by a line; bytes per thousand of them, with its 95 % interval."""

    slope_bytes: float
    slope_error_bytes: float
    scatter_bytes: float
    first: Sample
    last: Sample

    @property
    def flat(self) -> bool:
        """Whether the slope is within its own noise, or too small to matter."""
        return self.slope_bytes <= max(self.slope_error_bytes, _FLOOR_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected:
    """What came of it."""

    to_broker: int
    to_cameras: int
    agent: Trend
    capture: Trend
    broken: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def reconnect(site: Site, count: int) -> Reconnected:
    """Cut the connection to the broker, and those to the cameras, as soon as they are there again."""
    site.rest()
    capture = site.child("door")
    agent = psutil.Process(site.agent.process.pid)
    samples: dict[str, list[Sample]] = {"agent": [], "capture": []}
    to_broker = to_cameras = 0
    deadline_s = time.monotonic() + LIMIT_S
    answered, sent = site.relay.answered, [camera.sent for camera in site.cameras]
    site.relay.cut()
    while min(to_broker, to_cameras) < count and time.monotonic() < deadline_s:
        if site.relay.answered > answered:
            answered = site.relay.answered
            to_broker += 1
            site.relay.cut()
        for index, camera in enumerate(site.cameras):
            if camera.clients and camera.sent >= sent[index] + _SEEN_PICTURES:
                camera.hang_up()
                sent[index] = camera.sent
                to_cameras += 1
        if min(to_broker, to_cameras) // _EVERY >= len(samples["agent"]):
            samples["agent"].append(_sample(agent, to_broker + to_cameras))
            samples["capture"].append(_sample(capture, to_broker + to_cameras))
        site.pass_until(time.monotonic() + 0.01)
    trends = {name: trend(each) for name, each in samples.items()}
    broken = [problem for name, each in trends.items() for problem in _problems(name, each)]
    if min(to_broker, to_cameras) < count:
        broken.append(f"only {to_broker} and {to_cameras} of {count} reconnections within {LIMIT_S:g} s")
    return Reconnected(
        to_broker=to_broker,
        to_cameras=to_cameras,
        agent=trends["agent"],
        capture=trends["capture"],
        broken=tuple(broken),
    )


def trend(samples: Sequence[Sample]) -> Trend:
    """The line through the samples, least squares, but for those of the beginning."""
    kept = samples[int(len(samples) * _WARM_UP) :]
    x = np.array([sample.reconnections for sample in kept], float) / 1000
    y = np.array([sample.own_bytes for sample in kept], float)
    slope, offset = np.polyfit(x, y, 1)
    rest = y - (slope * x + offset)
    error = np.sqrt((rest**2).sum() / max(len(kept) - 2, 1) / ((x - x.mean()) ** 2).sum())
    return Trend(
        slope_bytes=float(slope),
        slope_error_bytes=float(2 * error),
        scatter_bytes=float(rest.std()),
        first=kept[0],
        last=kept[-1],
    )


def _problems(name: str, found: Trend) -> list[str]:
    broken = []
    if found.last.reconnections >= _ENOUGH and not found.flat:
        slope, error = found.slope_bytes / 1e6, found.slope_error_bytes / 1e6
        broken.append(f"the memory of {name} grows by {slope:.2f} ± {error:.2f} MB a thousand reconnections")
    # A connection more or less is open at any moment.
    if found.last.descriptors > found.first.descriptors + 3:
        broken.append(f"{name} has {found.first.descriptors} descriptors, and later {found.last.descriptors}")
    if found.last.threads > found.first.threads + 2:
        broken.append(f"{name} has {found.first.threads} threads, and later {found.last.threads}")
    return broken


def _sample(process: psutil.Process, reconnections: int) -> Sample:
    with process.oneshot():
        memory = process.memory_info()
        # What it shares is bounded by its size: frames, and the last log lines, which fill up bit by bit.
        own_bytes = memory.rss - memory.shared
        return Sample(reconnections, own_bytes, process.num_fds(), process.num_threads())
