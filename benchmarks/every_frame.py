"""Every frame of 1080p25 through the agent: what is lost, and how long a frame takes."""

import os
import time
from typing import Any

import msgpack

from benchmarks.processes import CpuWindow, watch_cpu
from benchmarks.stage import Stage, camera, percentile, stage, table
from benchmarks.video import FPS, clip
from tests.waiting import eventually
from tests.watcher import Message

WARM_UP_S = 5.0
GATHER_S = 10.0  # for what was under way when the window closed


def measure(*, window_s: float, repetitions: int) -> str:
    """The section of the report."""
    rows = []
    with camera(clip(key_frame_every_s=2)) as url:
        for repetition in range(repetitions):
            rows.append(_round(url, window_s))
            print(f"frames {repetition + 1}:", rows[-1])
    head = [
        "round",
        "frames",
        "results",
        "skipped",
        "left out, by reason",
        "latency p50, ms",
        "p99",
        "max",
        "at the subscriber p50, ms",
        "p99",
        "Vedette, cores",
        "rest of the machine, cores",
        "load",
    ]
    figures = table(head, [[str(number), *row] for number, row in enumerate(rows, 1)])
    return f"""## Every frame: one RTSP camera of {FPS} frames a second, `probe` with `interval = 0`

{window_s:g} s after {WARM_UP_S:g} s of warm-up. *Frames* are those that the camera sent in the window, by
their numbers; *skipped* is what the results say that they left out. The latency goes from the arrival of a
packet to the result's envelope (`latency_ms`); the one at the subscriber includes the broker and the way
there, and the subscriber is Python, too.

{figures}"""


def _round(url: str, window_s: float) -> list[str]:
    with stage() as here:
        here.agent.configure(
            streams=[{"id": "camera", "source": url}],
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["camera"], "interval": 0.0}],
        )
        here.agent.start()
        here.wait_for_first_result()
        time.sleep(WARM_UP_S)
        begin_us = time.time_ns() // 1000
        counts = _counts(here)
        cpu = watch_cpu(here.agent.process.pid, window_s)
        end_us = time.time_ns() // 1000
        after = _counts(here)
        eventually(lambda: _results(here)[-1][1]["time"] > end_us, GATHER_S, "results go on")
        results = [pair for pair in _results(here) if begin_us <= pair[1]["time"] < end_us]
    return _row(results, cpu, {key: after[key] - counts[key] for key in counts})


def _counts(here: Stage) -> dict[str, int]:
    frames = here.watcher.call("state.get")["data"]["streams"]["camera"]["frames"]
    return {str(key): int(value) for key, value in frames.items()}


def _results(here: Stage) -> list[tuple[Message, dict[str, Any]]]:
    messages = here.watcher.matching("d/+/s/camera/a/probe/result")
    return [(message, msgpack.unpackb(message.payload)) for message in messages]


def _row(results: list[tuple[Message, dict[str, Any]]], cpu: CpuWindow, counts: dict[str, int]) -> list[str]:
    documents = [document for _, document in results]
    latency_ms = [document["latency_ms"] for document in documents]
    # From the wall clock of the stamp to the subscriber's monotonic one; nothing sets the clock meanwhile.
    ahead_s = time.time() - time.monotonic()
    heard_ms = [
        (message.received_s + ahead_s) * 1e3 - document["time"] / 1e3 for message, document in results
    ]
    lost = {key: count for key, count in counts.items() if count and key not in {"received", "wanted"}}
    return [
        str(documents[-1]["frame"] - documents[0]["frame"] + 1),
        str(len(documents)),
        str(sum(document["skipped"] for document in documents)),
        ", ".join(f"{key} {count}" for key, count in lost.items()) or "none",
        f"{percentile(latency_ms, 50):.1f}",
        f"{percentile(latency_ms, 99):.1f}",
        f"{max(latency_ms):.1f}",
        f"{percentile(heard_ms, 50):.1f}",
        f"{percentile(heard_ms, 99):.1f}",
        f"{cpu.total:.3f}",
        f"{cpu.others_cores:.2f}",
        f"{os.getloadavg()[0]:.1f}",
    ]
