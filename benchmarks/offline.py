"""H. A file from start to end, whole processes: beside Stream Infer offline, and ffmpeg that only decodes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from benchmarks.figures import Data, Goal, goals, median, spread, table
from benchmarks.peers import ffmpeg_pipe
from benchmarks.video import ROUND_S, clip

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

TITLE = "H. A file from start to end"
KEY_S = 2.0
LAPS = 3  # of the clip of 20 s: a start-up of half a second is to count, but not for much
INTERVALS_S = (0.0, 1.0, 10.0)
# Pictures that cost next to nothing, or decoding would want the cores that the processes are to have.
BUSY_SOURCE = "test://scene?size=320x180&frames=800"
EVERY_GOAL, SPARSE_GOAL, DECODING_GOAL = 1.6, 5.0, 0.9


def measure(*, quick: bool) -> Data:
    """All programs on the same file, one after the other in each repetition."""
    path = _long_clip(2 if quick else LAPS)
    repetitions = 1 if quick else 3
    found: Data = {"seconds": (2 if quick else LAPS) * ROUND_S, "runs": {}, "wall_s": {}, "cpu_s": {}}
    found["cores"] = len(os.sched_getaffinity(0))
    for _ in range(repetitions):
        for name, command in _programs(path).items():
            wall_s, cpu_s, said = _timed(command)
            found["wall_s"].setdefault(name, []).append(wall_s)
            found["cpu_s"].setdefault(name, []).append(cpu_s)
            found["runs"][name] = int(said) if said.isdigit() else None
    return found


def _programs(path: Path) -> dict[str, Sequence[str]]:
    def peer(module: str, *arguments: object) -> Sequence[str]:
        return (sys.executable, "-m", f"benchmarks.peers.{module}", str(path), *map(str, arguments))

    programs: dict[str, Sequence[str]] = {}
    for interval_s in INTERVALS_S:
        programs[f"vedette {interval_s:g}"] = peer("infer_offline", interval_s)
    programs["vedette 1 exact"] = peer("infer_offline", 1.0, "never")
    for interval_s in (0.0, 1.0):
        # Stream Infer takes no 0: every frame is one each 40 ms.
        programs[f"stream_infer {interval_s:g}"] = peer("stream_infer_offline", interval_s or 0.04)
    for count in (1, 2):
        held = (sys.executable, "-m", "benchmarks.peers.infer_offline", BUSY_SOURCE, "0", "auto", str(count))
        programs[f"held {count}"] = held
    if (ffmpeg := ffmpeg_pipe.find()) is not None:
        decode = (ffmpeg, "-nostdin", "-loglevel", "error", "-i", str(path))
        programs["ffmpeg null"] = (*decode, "-f", "null", "-")
        programs["ffmpeg bgr"] = (*decode, "-pix_fmt", "bgr24", "-f", "null", "-")
    return programs


def _timed(command: Sequence[str]) -> tuple[float, float, str]:
    """Wall seconds and CPU seconds of a program and its children, and the last line that it said."""
    began_s, before = time.monotonic(), os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall_s, after = time.monotonic() - began_s, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    lines = done.stdout.split()
    return wall_s, cpu_s, lines[-1] if lines else ""


def _long_clip(laps: int) -> Path:
    """The clip so many times, one behind the other."""
    short = clip(key_frame_every_s=KEY_S)
    path = short.with_name(f"{short.stem}-x{laps}.mp4")
    if path.exists():
        return path
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mp4") as made:
        track: VideoStream | None = None
        for lap in range(laps):
            with av.open(str(short)) as given:
                source = given.streams.video[0]
                if track is None:
                    track = made.add_stream_from_template(source)
                _copy(given.demux(video=0), made.mux, track, round(lap * ROUND_S / (source.time_base or 1)))
    part.replace(path)
    return path


def _copy(
    packets: "Iterable[Packet[Any]]", mux: "Callable[[Packet[Any]], object]", track: "VideoStream", shift: int
) -> None:
    for packet in packets:
        if packet.size and packet.pts is not None and packet.dts is not None:
            packet.stream = track
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            mux(packet)


def report(data: Data) -> str:
    """Ratios are taken within a repetition."""

    def times(name: str, other: str, what: str = "wall_s") -> list[float]:
        return [a / b for a, b in zip(data[what][other], data[what][name], strict=True)]

    rows = [
        [_NAMES[name], str(data["runs"][name] or ""), spread(wall_s, 2), spread(data["cpu_s"][name], 2)]
        for name, wall_s in data["wall_s"].items()
    ]
    every, sparse = times("vedette 0", "stream_infer 0"), times("vedette 1", "stream_infer 1")
    told = [
        Goal(
            text=f"every frame: at least {EVERY_GOAL} times as fast as Stream Infer",
            measured=spread(every, 2),
            met=median(every) >= EVERY_GOAL,
        ),
        Goal(
            text=f"one frame a second: at least {SPARSE_GOAL:g} times as fast as Stream Infer",
            measured=spread(sparse, 2),
            met=median(sparse) >= SPARSE_GOAL,
        ),
    ]
    for peer, words in (("ffmpeg bgr", "decodes and converts to BGR"), ("ffmpeg null", "only decodes")):
        if peer in data["wall_s"]:
            rate = times("vedette 0", peer)
            told.append(
                Goal(
                    text=f"every frame: at least {DECODING_GOAL} of the rate of ffmpeg that {words}",
                    measured=spread(rate, 2),
                    met=median(rate) >= DECODING_GOAL,
                )
            )
    seconds, split = data["seconds"], ""
    if "held 1" in data["wall_s"]:
        split = f"""For an algorithm that holds the interpreter for 5 ms a window, on pictures that cost next
to nothing, two processes are {spread(times("held 2", "held 1"), 2)} times as fast as one thread,
on {data["cores"]} cores.

"""
    return f"""Whole processes, start-up included; {seconds} s of 1080p25, a key frame each {KEY_S:g} s.
The algorithm does nothing, but is given BGR; all cores may be used.

{table(["program", "runs", "wall s", "CPU s"], rows)}

{split}{goals(told)}"""


_NAMES = {
    "vedette 0": "Vedette, every frame",
    "vedette 1": "Vedette, 1 s",
    "vedette 10": "Vedette, 10 s",
    "vedette 1 exact": 'Vedette, 1 s, `keyframes = "never"`',
    "stream_infer 0": "Stream Infer 0.6.7, every frame",
    "stream_infer 1": "Stream Infer 0.6.7, 1 s",
    "busy 1": "Vedette, 10 ms of plain Python each 0.2 s, one thread",  # as measured until November 2026
    "busy 2": "the same, two processes",
    "held 1": "Vedette, 5 ms of plain Python for each small picture, one thread",
    "held 2": "the same, two processes",
    "ffmpeg null": "ffmpeg, decoding only",
    "ffmpeg bgr": "ffmpeg, decoding, converting to BGR",
}
