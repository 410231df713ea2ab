"""C. From the arrival of a packet to its result at the broker; and whether every frame has one."""

import time
from collections import Counter
from typing import Any

import msgpack

from benchmarks.figures import Data, Goal, goals, median, percentile, picture, spread, table
from benchmarks.processes import watch_cpu
from benchmarks.stage import Stage, camera, stage
from benchmarks.video import FPS, clip
from tests.waiting import eventually

TITLE = "C. Latency"
WARM_UP_S = 5.0
GATHER_S = 10.0  # for what was under way when the window closed
BIN_MS = 0.5
INTERVALS_S = {"every frame": 0.0, "once a second": 1.0}
P50_MS = {"every frame": 12.0, "once a second": 15.0}
P99_MS = 30.0  # of every frame


def measure(*, quick: bool) -> Data:
    """Both ways of asking, each in each repetition."""
    found: Data = {name: {"rounds": [], "histogram_ms": {}} for name in INTERVALS_S}
    with camera(clip(key_frame_every_s=2)) as url:
        for repetition in range(1 if quick else 3):
            for name, interval_s in INTERVALS_S.items():
                one, heard_ms = _round(url, interval_s, 10.0 if quick else 25.0)
                found[name]["rounds"].append(one)
                bins = Counter(int(value / BIN_MS) for value in heard_ms)
                for number, count in sorted(bins.items()):
                    key = f"{number * BIN_MS:g}"
                    found[name]["histogram_ms"][key] = found[name]["histogram_ms"].get(key, 0) + count
                print(f"C {repetition + 1}: {name}", one)
    return found


def _round(url: str, interval_s: float, window_s: float) -> tuple[Data, list[float]]:
    with stage() as here:
        here.agent.configure(
            streams=[{"id": "camera", "source": url}],
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["camera"], "interval": interval_s}],
        )
        here.agent.start()
        here.wait_for_first_result()
        time.sleep(WARM_UP_S)
        begin_us = time.time_ns() // 1000
        before = _counts(here)
        cpu = watch_cpu(here.agent.process.pid, window_s)
        end_us = time.time_ns() // 1000
        after = _counts(here)
        eventually(lambda: _results(here)[-1][1]["time"] > end_us, GATHER_S, "results go on")
        results = [pair for pair in _results(here) if begin_us <= pair[1]["time"] < end_us]
    # From the wall clock of the stamp to the subscriber's monotonic one; nothing sets the clock meanwhile.
    ahead_s = time.time() - time.monotonic()
    heard_ms = [(received_s + ahead_s) * 1e3 - result["time"] / 1e3 for received_s, result in results]
    sent_ms = [result["latency_ms"] for _, result in results]
    # The camera begins with a key frame, and has one every 2 s.
    key_ms = [
        ms for ms, (_, result) in zip(heard_ms, results, strict=True) if result["frame"] % (2 * FPS) == 0
    ]
    between_ms = [
        ms for ms, (_, result) in zip(heard_ms, results, strict=True) if result["frame"] % (2 * FPS)
    ]
    left_out = {key: after[key] - before[key] for key in before if key not in {"received", "wanted"}}
    one = {
        "frames": results[-1][1]["frame"] - results[0][1]["frame"] + 1,
        "results": len(results),
        "skipped": sum(result["skipped"] for _, result in results),
        "left_out": {key: count for key, count in left_out.items() if count},
        "envelope_ms": _points(sent_ms),
        "heard_ms": _points(heard_ms),
        "key_p50_ms": round(median(key_ms), 3),
        "between_p50_ms": round(median(between_ms), 3),
        "cores": cpu.total,
        "others_cores": cpu.others_cores,
    }
    return one, heard_ms


def _points(values: list[float]) -> dict[str, float]:
    points = {"p50": percentile(values, 50), "p99": percentile(values, 99), "max": max(values)}
    return {name: round(value, 3) for name, value in points.items()}


def _counts(here: Stage) -> dict[str, int]:
    frames = here.watcher.call("state.get")["data"]["streams"]["camera"]["frames"]
    return {str(key): int(value) for key, value in frames.items()}


def _results(here: Stage) -> list[tuple[float, dict[str, Any]]]:
    messages = here.watcher.matching("d/+/s/camera/a/probe/result")
    return [(message.received_s, msgpack.unpackb(message.payload)) for message in messages]


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    rows = [
        [f"{name}, round {number}", *_row(one)]
        for name in INTERVALS_S
        for number, one in enumerate(data[name]["rounds"], 1)
    ]
    head = ["", "frames", "results", "runs left out", "frames left out, by cause"]
    head += [
        "p50, ms",
        "p99",
        "max",
        "p50 of key frames",
        "p50 of others",
        "to the envelope p50, ms",
        "p99",
        "Vedette, cores",
    ]
    head += ["rest of the machine, cores"]
    return f"""One RTSP camera of {FPS} frames a second, key frame every 2 s, `probe`, whole picture in
BGR, `keyframes = "auto"`; each row is a window after {WARM_UP_S:g} s of warm-up. From the time at which
the packet had arrived in the capture process to the time at which a subscriber on the same machine, a
Python program, had the result. The agent does not note when the PUBACK comes; the broker sends it and the
message to the subscriber in the same breath, so this stands for it, and contains the subscriber's own
time. *To the envelope* ends where the agent hands the result to delivery (`latency_ms` of the result).
*Frames* are those that the camera sent in the window, by their numbers. A key frame has most of
the bits of its group, and takes the longest to decode; once a second every other result is of one.

{table(head, rows)}

{goals(_goals(data))}

{picture("latency", "Two histograms of how long results take")}"""


def _row(one: Data) -> list[str]:
    heard, sent = one["heard_ms"], one["envelope_ms"]
    return [
        str(one["frames"]),
        str(one["results"]),
        str(one["skipped"]),
        ", ".join(f"{key} {count}" for key, count in one["left_out"].items()) or "none",
        *(f"{heard[point]:.1f}" for point in ("p50", "p99", "max")),
        f"{one['key_p50_ms']:.1f}",
        f"{one['between_p50_ms']:.1f}",
        *(f"{sent[point]:.1f}" for point in ("p50", "p99")),
        f"{one['cores']:.3f}",
        f"{one['others_cores']:.2f}",
    ]


def _goals(data: Data) -> list[Goal]:
    def goal(name: str, point: str, most_ms: float) -> Goal:
        values = [one["heard_ms"][point] for one in data[name]["rounds"]]
        return Goal(
            text=f"{name}: {point} at most {most_ms:g} ms",
            measured=f"{spread(values, 1)} ms",
            met=median(values) <= most_ms,
        )

    every = data["every frame"]["rounds"]
    missing = sum(one["frames"] - one["results"] for one in every)
    return [
        goal("every frame", "p50", P50_MS["every frame"]),
        goal("every frame", "p99", P99_MS),
        goal("once a second", "p50", P50_MS["once a second"]),
        Goal(text="every frame has its result", measured=f"{missing} have none", met=missing == 0),
    ]
