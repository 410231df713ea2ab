"""D. From a decoded picture to the numpy view in another process, beside one copy of the same size."""

import contextlib
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import ThreadType
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from agent.capture.pyav_picture import PyavPicture, Scaler
from agent.frames import FrameFormat, Slots, allocate
from agent.ipc.channel import Channel
from agent.ipc.messages import Done, FrameRef, Lend, Run, Stop
from benchmarks.figures import Data, Goal, goals, median, spread, table
from benchmarks.video import clip

TITLE = "D. Hand-over"
TIMES_COPY = 1.2  # the goal: at most so many copies, and the time of swscale
SLOTS = 4
FORMATS = {
    "1920x1080 bgr24": FrameFormat(1920, 1080, "bgr24"),
    "1920x1080 gray8": FrameFormat(1920, 1080, "gray8"),
    "1920x1080 nv12": FrameFormat(1920, 1080, "nv12"),
    "640x360 bgr24": FrameFormat(640, 360, "bgr24"),
}
STEPS = ("swscale", "copy", "write", "message", "all")


def measure(*, quick: bool) -> Data:
    """Each format in each repetition, the steps of a frame one after the other."""
    found: Data = {name: [] for name in FORMATS}
    for repetition in range(1 if quick else 3):
        for name, frame_format in FORMATS.items():
            found[name].append(_frames(clip(key_frame_every_s=2), frame_format, 50 if quick else 400))
            print(f"D {repetition + 1}: {name}", {step: round(us) for step, us in found[name][-1].items()})
    return {"formats": found}


def _frames(file: Path, frame_format: FrameFormat, count: int) -> dict[str, float]:
    """Median microseconds of each step."""
    scaler, alone = Scaler(), VideoReformatter()
    source = np.random.default_rng(1).integers(0, 255, frame_format.frame_bytes, np.uint8)
    times: dict[str, list[int]] = {step: [] for step in STEPS}
    with _worker(frame_format) as (channel, slots):
        for number, frame in enumerate(_decoded(file, count)):
            view, other = slots.view(number % SLOTS), slots.view((number + 1) % SLOTS)
            times["swscale"].append(_swscale_ns(alone, frame, frame_format))
            began_ns = time.monotonic_ns()
            np.copyto(other.reshape(-1), source)
            times["copy"].append(time.monotonic_ns() - began_ns)
            began_ns = time.monotonic_ns()
            PyavPicture(frame=frame, pts_s=0.0, scaler=scaler).write(view, frame_format.pixel_format)
            written_ns = time.monotonic_ns()
            channel.send(Run(number, "camera", (FrameRef(1, number % SLOTS, number, 0.0, 0, began_ns),)))
            seen_ns = _answer(channel)
            times["write"].append(written_ns - began_ns)
            times["message"].append(seen_ns - written_ns)
            times["all"].append(seen_ns - began_ns)
    return {step: median(values) / 1e3 for step, values in times.items()}


def _decoded(file: Path, count: int) -> Iterator[VideoFrame]:
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type, stream.codec_context.thread_count = ThreadType.SLICE, 1
        for _, frame in zip(range(count), container.decode(stream), strict=False):
            yield frame


def _swscale_ns(alone: VideoReformatter, frame: VideoFrame, frame_format: FrameFormat) -> int:
    """What swscale needs by itself; nothing where the plane is taken as it is."""
    same = (frame.width, frame.height) == (frame_format.width, frame_format.height)
    if frame_format.pixel_format == "gray8" and same:
        return 0
    began_ns = time.monotonic_ns()
    alone.reformat(
        frame,
        frame_format.width,
        frame_format.height,
        frame_format.pixel_format,
        interpolation=Interpolation.AREA,
        threads=1,
    )
    return time.monotonic_ns() - began_ns


@contextlib.contextmanager
def _worker(frame_format: FrameFormat) -> Iterator[tuple[Channel, Slots]]:
    """A process at the other end that makes views, and writable slots at this one."""
    near, far = socket.socketpair()
    process = multiprocessing.get_context("spawn").Process(target=_look, args=(far,))
    process.start()
    far.close()
    channel = Channel(near)
    with allocate(frame_format.slot_bytes * SLOTS, purpose="the benchmark") as segment:
        slots = Slots(frame_format, SLOTS, os.dup(segment.fd), writable=True)
        width, height, pixel_format = frame_format.width, frame_format.height, frame_format.pixel_format
        channel.post(Lend(1, width, height, pixel_format, SLOTS), (segment.fd,))
        yield channel, slots
    channel.send(Stop())
    process.join()
    channel.close()


def _answer(channel: Channel) -> int:
    while True:
        for message, _ in channel.receive(block=True):
            assert isinstance(message, Done)
            return int(message.data)


def _look(sock: socket.socket) -> None:
    """The body of the other process: a view of each frame, and when it was there."""
    channel = Channel(sock)
    pools: dict[int, Slots] = {}
    while True:
        for message, fds in channel.receive(block=True):
            match message:
                case Lend():
                    frame_format = FrameFormat(message.width, message.height, message.pixel_format)
                    pools[message.pool] = Slots(frame_format, message.count, fds[0], writable=False)
                case Run():
                    view: np.ndarray[Any, Any] = pools[message.frames[0].pool].view(message.frames[0].slot)
                    channel.send(Done(message.ticket, str(time.monotonic_ns()).encode(), b"", view.ndim, 0))
                case _:
                    return


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    formats = data["formats"]
    rows = [[name, *(spread([one[step] for one in formats[name]], 0) for step in STEPS)] for name in formats]
    head = ["microseconds a frame", "swscale alone", "one copy of that size", "write into the slot"]
    head += ["message to the worker", "hand-over: write and message"]
    found = [_goal(name, rounds, "all", "hand-over") for name, rounds in formats.items()]
    found += [_goal(name, rounds, "write", "without the message") for name, rounds in formats.items()]
    return f"""A decoded 1080p picture in the capture process to a numpy view in the worker's process,
with the agent's own code for slots and messages (without the agent between the two, which passes the
message on). The copy is numpy's, from warm memory into a slot; swscale alone writes into memory of its
own. The message does not grow with the picture: most of its time is the kernel's, to wake a process that
sleeps. Median over the frames of a repetition.

{table(head, rows)}

{goals(found)}"""


def _goal(name: str, rounds: list[dict[str, float]], step: str, what: str) -> Goal:
    """Whether `step` needs no more than swscale and so many copies."""
    copies = [(one[step] - one["swscale"]) / one["copy"] for one in rounds]
    over_us = median([one[step] - one["swscale"] - TIMES_COPY * one["copy"] for one in rounds])
    return Goal(
        text=f"{name}, {what}: at most swscale and {TIMES_COPY} copies",
        measured=f"swscale and {spread(copies, 2)} copies ({over_us:+.0f} µs)",
        met=over_us <= 0,
    )
