"""B. How many cameras one agent serves on this machine, what each costs, and whether any frame is lost."""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import psutil

from benchmarks.figures import Data, Goal, goals, table
from benchmarks.processes import Program, family, watch_cpu
from benchmarks.stage import Stage, stage
from benchmarks.video import clip
from tests.waiting import eventually

TITLE = "B. Density"
CAMERAS = {10.0: (1, 10, 50, 100), 1.0: (1, 10, 20)}
WINDOWS_S = {10.0: 30.0, 1.0: 15.0}
MANY = 100  # cameras at 10 s: the goal
MB = 1e6
MOST_MB = 35.0  # private, of a camera's capture process
STEEPER = 1.25  # growth counts as linear when no camera later on costs more than so many times an earlier one
ENOUGH = 0.999  # share of the due runs from which on all count as done: a window has two ends
START_S = 240.0
SETTLE_S = 12.0
GATHER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What was heard of all streams within a window."""

    due: int
    came: int
    skipped: int
    fewest: int  # of one stream


def measure(*, quick: bool) -> Data:
    """Each number of cameras once: what is compared is how the figures grow."""
    steps = {10.0: (1, 4), 1.0: (2,)} if quick else CAMERAS
    found: Data = {"rows": [], "processors": os.cpu_count()}
    for interval_s, numbers in steps.items():
        for number in numbers:
            row = _crowd(number, interval_s, 10.0 if quick else WINDOWS_S[interval_s])
            found["rows"].append({"interval_s": interval_s, "cameras": number, **row})
            print("B:", found["rows"][-1])
            if row["came"] < ENOUGH * row["due"]:
                break  # more do not fit either
    return found


def _crowd(number: int, interval_s: float, window_s: float) -> Data:
    file = clip(key_frame_every_s=2)
    with _cameras(file, number) as (cameras, urls), stage() as here:
        streams = [{"id": f"c{index}", "source": url} for index, url in enumerate(urls)]
        here.agent.configure(
            streams=streams,
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["*"], "interval": interval_s}],
        )
        began_s = time.monotonic()
        here.agent.start()
        eventually(lambda: len(_streams(here)) == number, START_S, "results of all cameras")
        started_s = time.monotonic() - began_s
        time.sleep(SETTLE_S)
        camera_s, begin_us = _cpu_s(cameras), time.time_ns() // 1000
        cpu = watch_cpu(here.agent.process.pid, window_s)
        camera_cores, end_us = (_cpu_s(cameras) - camera_s) / cpu.wall_s, time.time_ns() // 1000
        time.sleep(GATHER_S)
        results = _results(here, begin_us, end_us, number * cpu.wall_s / interval_s)
        frames = _frames(here)
        private_mb = _private_mb(here.agent.process.pid)
    captures = sum(cores for role, cores in cpu.cores.items() if role.startswith("vd:c"))
    return {
        "started_s": started_s,
        "cores": cpu.total,
        "capture_cores": captures,
        "main_cores": cpu.cores["main"],
        "camera_cores": camera_cores,
        "idle_cores": (os.cpu_count() or 1) - cpu.total - cpu.others_cores,
        "due": results.due,
        "came": results.came,
        "skipped": results.skipped,
        "fewest": results.fewest,
        "frames": dict(frames),
        "private_mb": private_mb,
    }


@contextlib.contextmanager
def _cameras(file: Path, number: int) -> Iterator[tuple[int, list[str]]]:
    """Their process, and a URL for each."""
    with Program([sys.executable, "-m", "benchmarks.crowd", str(file), str(number)]) as program:
        program.wait_for_lines(number)
        yield program.pid, program.lines[:number]


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _streams(here: Stage) -> set[str]:
    return {message.topic.split("/")[-4] for message in here.watcher.matching("d/+/s/+/a/probe/result")}


def _results(here: Stage, begin_us: int, end_us: int, due: float) -> Results:
    messages = here.watcher.matching("d/+/s/+/a/probe/result")
    results: list[dict[str, Any]] = [msgpack.unpackb(message.payload) for message in messages]
    inside = [result for result in results if begin_us <= result["time"] < end_us]
    each = Counter(result["stream"] for result in inside)
    return Results(
        due=round(due),
        came=len(inside),
        skipped=sum(result["skipped"] for result in inside),
        fewest=min((each[stream] for stream in {result["stream"] for result in results}), default=0),
    )


def _frames(here: Stage) -> Counter[str]:
    """What came of the frames of all streams so far."""
    found: Counter[str] = Counter()
    for stream in here.watcher.call("state.get", timeout_s=30.0)["data"]["streams"].values():
        found.update({key: int(count) for key, count in stream["frames"].items()})
    return found


def _private_mb(pid: int) -> dict[str, float]:
    """Private memory: the mean and the largest of the capture processes, and all the rest together."""
    captures, rest = [], 0
    for member, role in family(pid).items():
        private = psutil.Process(member).memory_full_info().uss
        if role.startswith("vd:c"):
            captures.append(private)
        else:
            rest += private
    return {"mean": sum(captures) / len(captures) / MB, "most": max(captures) / MB, "rest": rest / MB}


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    head = ["interval, cameras", "Vedette, cores", "a camera, cores", "agent process, cores"]
    head += ["cameras' own, cores", "idle, cores", "due runs", "done", "left out", "frames unaccounted"]
    head += ["private a camera, MB (most)", "private, all the rest, MB"]
    return f"""One agent, {data["processors"]} logical cores, cameras of 1080p25 at 4 Mb/s over RTSP, key
frame every 2 s, `probe` on the whole picture. The cameras are one process that makes the packets of ten
phases and sends them to all who watch; it runs on the same cores, and is not counted as Vedette's. *Due*
is the window divided by the interval, for all cameras; *left out* is what results say that they skipped;
*unaccounted* are frames received that are in none of the causes (wanted, not wanted, skipped, corrupt).
Private memory is what only that process has (USS).

{table(head, [_row(row) for row in data["rows"]])}

{goals(_goals(data["rows"]))}"""


def _unaccounted(row: Data) -> int:
    frames: dict[str, int] = row["frames"]
    return frames["received"] - sum(count for key, count in frames.items() if key != "received")


def _row(row: Data) -> list[str]:
    return [
        f"{row['interval_s']:g} s, {row['cameras']}",
        f"{row['cores']:.3f}",
        f"{row['cores'] / row['cameras']:.4f}",
        f"{row['main_cores']:.4f}",
        f"{row['camera_cores']:.2f}",
        f"{row['idle_cores']:.2f}",
        str(row["due"]),
        str(row["came"]),
        str(row["skipped"]),
        str(_unaccounted(row)),
        f"{row['private_mb']['mean']:.1f} ({row['private_mb']['most']:.1f})",
        f"{row['private_mb']['rest']:.0f}",
    ]


def _done(row: Data) -> bool:
    return bool(row["came"] >= ENOUGH * row["due"] and row["skipped"] == 0 and _unaccounted(row) == 0)


def _goals(rows: list[Data]) -> list[Goal]:
    slow = [row for row in rows if row["interval_s"] == max(CAMERAS)]
    fast = [row for row in rows if row["interval_s"] == min(CAMERAS)]
    most = max((row["cameras"] for row in slow if _done(row)), default=0)
    fitting = [row for row in fast if _done(row)]
    found = [
        Goal(
            text=f"every 10 s: {MANY} cameras, every due run done, no frame unaccounted",
            measured=f"{most} cameras",
            met=most >= MANY,
        ),
        Goal(
            text=f"a camera has at most {MOST_MB:g} MB private memory",
            measured=f"{max(row['private_mb']['most'] for row in rows):.1f} MB at most",
            met=all(row["private_mb"]["most"] <= MOST_MB for row in rows),
        ),
    ]
    if len(slow) > 2:  # noqa: PLR2004  two increments to compare
        each = [(b["cores"] - a["cores"]) / (b["cameras"] - a["cameras"]) for a, b in pairwise(slow)]
        ratio = max(later / earlier for index, earlier in enumerate(each) for later in each[index:])
        found.append(
            Goal(
                text=f"growth is linear: a later camera costs at most {STEEPER} times an earlier one",
                measured=f"{', '.join(f'{cores * 1000:.1f}' for cores in each)} thousandths of a core each",
                met=ratio <= STEEPER,
            )
        )
    if fitting:
        last = fitting[-1]
        room = last["cameras"] * (last["cores"] + last["camera_cores"] + last["idle_cores"]) / last["cores"]
        found.append(
            Goal(
                text="every 1 s: as many as fit with every due run done (no number was set)",
                measured=f"{last['cameras']} measured; {room:.0f} extrapolated, were the cameras elsewhere",
                met=True,
            )
        )
    return found
