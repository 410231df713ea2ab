"""What an author's own code costs: passes over a picture, results, threads, recordings."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agent.capture.scene import SceneParams, scene
from agent.contract.codec import json_data, pack_data
from agent.record import Room, SegmentPlan, Segments
from algos.base import Picture
from algos.drawing import draw
from benchmarks.figures import Data, median, spread, table

TITLE = "For authors of algorithms"
SIZE = (1080, 1920, 3)
PROCESSES = 3  # algorithms that run at the same time
NOISE = 4.0  # standard deviation of each colour, 0..255: a camera at dusk
_SEED = 7


def measure(*, quick: bool) -> Data:
    """Everything in each repetition."""
    repetitions, passes = (1, 5) if quick else (3, 30)
    found: Data = {"pixels": {}, "results": {}, "threads": {}, "recorded": {}}
    for _ in range(repetitions):
        for name, us in _pixels(passes).items():
            found["pixels"].setdefault(name, []).append(us)
        for name, one in _results(passes).items():
            kept = found["results"].setdefault(name, {"us": []})
            kept["us"].append(one.pop("us"))
            kept |= one
        for name, ms in _recorded(passes).items():
            found["recorded"].setdefault(name, []).append(ms)
        for name, each in (("as they come", None), ("one each", 1)):
            found["threads"].setdefault(name, []).append(_beside_each_other(each, passes))
    return found


# --- passes over a picture ---


def _pixels(passes: int) -> dict[str, float]:
    """CPU microseconds of each."""
    generator = np.random.default_rng(_SEED)
    picture, before = (generator.integers(0, 255, SIZE, np.uint8) for _ in range(2))
    ways: dict[str, Callable[[], object]] = {
        "`picture.copy()`": picture.copy,
        "`picture.mean()`": picture.mean,
        "`cv2.mean(picture)`": lambda: cv2.mean(picture),
        "`abs(picture.astype(float) - before)`": lambda: abs(picture.astype(float) - before),
        "`abs(picture.astype(np.float32) - before)`": lambda: abs(picture.astype(np.float32) - before),
        "`cv2.absdiff(picture, before)`": lambda: cv2.absdiff(picture, before),
        "`cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)`": lambda: cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),
        "`picture.mean(axis=2)`": lambda: picture.mean(axis=2),
        "`np.ascontiguousarray(picture[..., ::-1])`": lambda: np.ascontiguousarray(picture[..., ::-1]),
        "`cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA)`": lambda: cv2.resize(
            picture, (640, 360), interpolation=cv2.INTER_AREA
        ),
    }
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    found = {name: _cpu_us(way, passes) for name, way in ways.items()}
    cv2.setNumThreads(threads)
    return found


def _cpu_us(way: Callable[[], object], passes: int) -> float:
    way()
    times = []
    for _ in range(passes):
        began_ns = time.thread_time_ns()
        way()
        times.append((time.thread_time_ns() - began_ns) / 1e3)
    return median(times)


# --- results ---


def _results(passes: int) -> dict[str, dict[str, Any]]:
    """CPU microseconds to pack each as msgpack and as JSON, and the bytes of both."""
    boxes = np.random.default_rng(_SEED).random((100, 6))
    results: dict[str, object] = {
        "100 boxes of six numbers": {"boxes": boxes.tolist()},
        "the same, rounded to four places": {
            "boxes": [[round(value, 4) for value in row] for row in boxes.tolist()]
        },
        "the same, an array of float32": {"boxes": boxes.astype(np.float32)},
        "a mask of 1920x1080, bool": {"mask": boxes[0, 0] < np.ones(SIZE[:2])},
    }
    return {
        name: {
            "us": _cpu_us(lambda result=result: (pack_data(result), json_data(result)), passes),  # type: ignore[misc]
            "msgpack": len(pack_data(result)),
            "json": len(json_data(result)),
        }
        for name, result in results.items()
    }


# --- threads ---


def _beside_each_other(threads: int | None, passes: int) -> dict[str, float]:
    """Some processes blur a picture at the same time: milliseconds of a run, and its CPU milliseconds."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(PROCESSES)]
    started = [context.Process(target=_blur, args=(far, threads, passes)) for _, far in pipes]
    for process in started:
        process.start()
    for near, _ in pipes:
        near.recv()
    for near, _ in pipes:
        near.send("go")
    found = [near.recv() for near, _ in pipes]
    for process in started:
        process.join()
    return {"ms": median([one[0] for one in found]), "cpu_ms": median([one[1] for one in found])}


def _blur(pipe: Connection, threads: int | None, passes: int) -> None:
    if threads is not None:
        cv2.setNumThreads(threads)
    picture = np.random.default_rng(_SEED).integers(0, 255, SIZE, np.uint8)
    cv2.GaussianBlur(picture, (31, 31), 0)
    pipe.send("ready")
    pipe.recv()
    walls, began_cpu_ns = [], time.process_time_ns()
    for _ in range(passes):
        began_ns = time.monotonic_ns()
        cv2.GaussianBlur(picture, (31, 31), 0)
        walls.append((time.monotonic_ns() - began_ns) / 1e6)
    pipe.send((median(walls), (time.process_time_ns() - began_cpu_ns) / 1e6 / passes))


# --- recordings ---


def _recorded(passes: int) -> dict[str, float]:
    """CPU milliseconds, of all threads, to draw ten boxes on a picture and put it into a live recording."""
    height, width, _ = SIZE
    params = SceneParams(width=width, height=height, fps=25.0, seed=_SEED, shapes=5)
    plain = [scene(number, params) for number in range(passes)]
    generator = np.random.default_rng(_SEED)
    noise = generator.normal(0.0, NOISE, (2 * height, width, 3)).astype(np.float32)
    noisy = []
    for picture in plain:
        top = int(generator.integers(height))
        noisy.append(np.clip(picture + noise[top : top + height], 0, 255).astype(np.uint8))
    boxes = generator.random((10, 2)) / 2
    result = {"boxes": [{"box": [x, y, x + 0.3, y + 0.3], "label": "thing"} for x, y in boxes.tolist()]}
    return {"the test scene": _encoded(plain, result), "with noise": _encoded(noisy, result)}


def _encoded(pictures: Sequence[Picture], result: object) -> float:
    with tempfile.TemporaryDirectory() as folder:
        room = Room(Path(folder) / "recordings", max_bytes=1 << 40, keep_free_bytes=0)
        segments = Segments(
            SegmentPlan(room=room, algorithm="a", stream="s", name="{time}.mp4", segment_s=3600.0)
        )
        segments.begin()
        began_ns = time.process_time_ns()
        for number, picture in enumerate(pictures):
            image = picture.copy()
            draw(image, result)
            segments.write(image, number / 25, 0)
        segments.finish()
        return (time.process_time_ns() - began_ns) / 1e6 / len(pictures)


# --- the report ---


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    pixels = [[name, spread([us / 1e3 for us in values], 2)] for name, values in data["pixels"].items()]
    results = [
        [name, spread(one["us"], 0), f"{one['msgpack']:,}", f"{one['json']:,}"]
        for name, one in data["results"].items()
    ]
    threads = [
        [name, *(spread([one[what] for one in rounds], 1) for what in ("ms", "cpu_ms"))]
        for name, rounds in data["threads"].items()
    ]
    recorded = [[name, spread(values, 1)] for name, values in data.get("recorded", {}).items()]
    return f"""One pass over a picture of 1920x1080 BGR, in CPU milliseconds of one thread:

{table(["", "ms"], pixels)}

What a result costs to pack, as msgpack and as JSON together, and how large it is then:

{table(["", "CPU, µs", "msgpack, bytes", "JSON, bytes"], results)}

{PROCESSES} processes that blur such a picture at the same time, again and again, with as many threads as
OpenCV takes by itself, and with one each (`cv2.setNumThreads(1)`):

{table(["threads", "a run, ms", "its CPU, ms"], threads)}

To draw ten boxes on a picture of that size and encode it for a live recording, all threads together; noise as
of a camera at dusk, {NOISE:g} of 255:

{table(["", "CPU, ms"], recorded)}"""
