"""A capture loop on a real source, with the test in the agent's place: it lends, wants, copies, gives back.

The loop runs in a thread and speaks over a real channel; windows are copied from real shared memory. What
the pictures have to be is found by decoding the whole file with PyAV alone (`Whole`).
"""

import contextlib
import fcntl
import itertools
import os
import selectors
import socket
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av
import numpy as np

from agent.backoff import Backoff
from agent.capture.loop import CaptureLoop
from agent.capture.open import open_source
from agent.capture.pyav_picture import PyavPicture, Scaler
from agent.capture.reader import Inbox, Reader
from agent.capture.source import Interrupted, OpenRequest, Pixels, Source
from agent.config.algorithms import Keyframes, PixelFormat
from agent.errors import ChannelClosedError
from agent.frames import FrameFormat, Segment, Slots, allocate
from agent.ipc.channel import Channel
from agent.ipc.message import Message
from agent.ipc.messages import (
    Counts,
    Ended,
    Filled,
    FrameRef,
    Lend,
    Opened,
    Release,
    Retire,
    Sample,
    SampleSpec,
    Stop,
    Trouble,
    Want,
)
from tests.parts.sources import request
from tests.waiting import eventually

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

WINDOWS = 3  # slots lent to an algorithm, in windows


def spec(
    interval_s: float,
    keyframes: Keyframes = "never",
    *,
    count: int = 1,
    step: int = 0,
    size: tuple[int, int] = (0, 0),
    pixel_format: PixelFormat = "bgr24",
    name: str = "a",
) -> SampleSpec:
    """What algorithm `name` wants; size 0: the stream's."""
    return SampleSpec(name, count, step, interval_s, keyframes, *size, pixel_format)


READER_LIMIT_S = 10.0  # a read that hangs ends by its own time limit


@dataclass(frozen=True, slots=True)
class Window:
    """A window as it came, its pictures copied."""

    frames: tuple[FrameRef, ...]
    pictures: tuple[Pixels, ...]
    skipped: int
    generation: int
    next_due_ns: int
    asked_ns: int  # CLOCK_MONOTONIC, when it was wanted

    @property
    def newest(self) -> FrameRef:
        """The sampled frame."""
        return self.frames[-1]


@dataclass(slots=True)
class _Lent:
    number: int
    slots: Slots
    segment: Segment


class Captured:
    """A source being captured inside its `with`.

    Algorithms in `wanting` (all, unless told otherwise) get the next want as soon as a window is back.
    Messages are handled in `until` and `watch`, in the caller's thread. The source is opened when the loop
    has been told what is wanted; slots of a size given beforehand are lent by then, others once it is open.
    """

    def __init__(
        self,
        url: str | Path,
        *specs: SampleSpec,
        wanting: Iterable[str] | None = None,
        fps: float | None = None,
        loop: bool = False,
    ) -> None:
        self.name = f"{Path(str(url)).name} {[(*s[1:5], s.pixel_format) for s in specs]}"
        self.specs = {one.algorithm: one for one in specs}
        self.wanting = set(self.specs if wanting is None else wanting)
        self.windows: dict[str, list[Window]] = {name: [] for name in self.specs}
        self.counts: list[Counts] = []
        self.opened: list[Opened] = []
        self.troubles: list[Trouble] = []
        self.ended = False
        self._request = request(url, loop=loop)
        self._fps = fps
        self._tickets = itertools.count(1)
        self._pools = itertools.count(1)
        self._asked: dict[int, tuple[str, int]] = {}  # ticket: algorithm, when
        self._lent: dict[str, _Lent] = {}  # by algorithm
        self._crash: BaseException | None = None

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        self._channel, self._theirs = Channel(ours), Channel(theirs)
        self._inbox = Inbox()
        self._thread = threading.Thread(target=self._run, name=f"capture {self.name}", daemon=True)
        self._channel.post(Sample(tuple(self.specs.values())))
        for one in self.specs.values():
            if one.width:
                self._lend(one, FrameFormat(one.width, one.height, one.pixel_format))
        for name in sorted(self.wanting):
            self._want(name)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wanting.clear()
        with contextlib.suppress(ChannelClosedError):
            self._channel.post(Stop())
            while True:  # the loop may be about to say something; its end closes the channel
                for message, fds in self._channel.receive(block=True):
                    self._on_message(message, fds)
        self._thread.join()
        self._channel.close()
        self._inbox.close()
        for lent in self._lent.values():
            lent.segment.close()
        if self._crash is not None:
            raise self._crash

    def fileno(self) -> int:
        """For a selector."""
        return self._channel.fileno()

    @property
    def count(self) -> Counts:
        """The newest counts."""
        return self.counts[-1]

    def pixels_of(self, name: str = "a") -> list[Pixels]:
        """The newest picture of each window."""
        return [window.pictures[-1] for window in self.windows[name]]

    def want(self, *names: str) -> None:
        """Let these algorithms want windows from now on."""
        for name in names:
            self.wanting.add(name)
            if not any(waiting == name for waiting, _ in self._asked.values()):
                self._want(name)

    def until(self, check: Callable[[], object], timeout_s: float = 20.0, what: str = "") -> None:
        """Handle messages until `check` gives something true."""
        watch([self], lambda _: bool(check()), timeout_s, what)

    def until_ended(self, timeout_s: float = 30.0) -> None:
        """Handle messages until the file was played to its end."""
        self.until(lambda: self.ended, timeout_s, "the end")

    def receive(self) -> None:
        """Handle what has come."""
        for message, fds in self._channel.receive(block=False):
            self._on_message(message, fds)

    # --- the other side ---

    def _run(self) -> None:
        try:
            with Reader(self._request, self._inbox, self._open, Backoff()) as reader:
                CaptureLoop(
                    self._theirs,
                    self._inbox,
                    reader,
                    fps=self._fps,
                    stuck_after_s=self._request.open_timeout_s + self._request.read_timeout_s,
                    generation=0,
                    next_frame=0,
                ).run()
            # A process would end here, with a reader that still waits for its camera; a thread must not leave
            # one behind that writes to a descriptor which is somebody else's by then.
            reader._thread.join(READER_LIMIT_S)
        except BaseException as err:  # noqa: BLE001 - raised again where the test sees it
            self._crash = err
        finally:
            self._theirs.close()

    def _open(self, request: OpenRequest, interrupted: Interrupted) -> Source:
        eventually(self._heard, what="the loop has read what it was told first")
        return open_source(request, interrupted)

    def _heard(self) -> bool:
        waiting = fcntl.ioctl(self._theirs.fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(waiting, sys.byteorder) == 0

    # --- the agent's side ---

    def _want(self, name: str) -> None:
        ticket = next(self._tickets)
        self._asked[ticket] = (name, time.monotonic_ns())
        self._channel.post(Want(name, ticket))

    def _lend(self, one: SampleSpec, frame_format: FrameFormat) -> None:
        before = self._lent.get(one.algorithm)
        if before is not None:
            if before.slots.format == frame_format:
                return
            self._channel.post(Retire(before.number))
            before.segment.close()
        count = one.frame_count * WINDOWS
        segment = allocate(frame_format.slot_bytes * count, purpose="a test")
        number = next(self._pools)
        lend = Lend(number, frame_format.width, frame_format.height, frame_format.pixel_format, count)
        self._channel.post(lend, (segment.fd,))
        # `Slots` closes the descriptor that it is given.
        slots = Slots(frame_format, count, os.dup(segment.fd), writable=False)
        self._lent[one.algorithm] = _Lent(number, slots, segment)

    def _on_message(self, message: Message, fds: tuple[int, ...]) -> None:
        assert not fds
        match message:
            case Opened():
                self.opened.append(message)
                for one in self.specs.values():
                    if not one.width:
                        self._lend(one, FrameFormat(message.width, message.height, one.pixel_format))
            case Filled():
                self._on_filled(message)
            case Counts():
                parts = (message.wanted, message.not_wanted, message.skipped_busy, message.skipped_stale)
                assert message.received == sum(parts) + message.corrupt, message
                self.counts.append(message)
            case Trouble():
                self.troubles.append(message)
            case Ended():
                self.ended = True

    def _on_filled(self, filled: Filled) -> None:
        name, asked_ns = self._asked.pop(filled.ticket)
        assert name == filled.algorithm
        by_number = {lent.number: lent.slots for lent in self._lent.values()}
        # A window that crosses the retirement of its slots on its way is nobody's, as in the agent.
        if all(frame.pool in by_number for frame in filled.frames):
            pictures = tuple(by_number[frame.pool].view(frame.slot).copy() for frame in filled.frames)
            self.windows[name].append(
                Window(
                    filled.frames, pictures, filled.skipped, filled.generation, filled.next_due_ns, asked_ns
                )
            )
        with contextlib.suppress(ChannelClosedError):  # at the end
            self._channel.post(Release(filled.ticket, used=True))
            if name in self.wanting:
                self._want(name)


def watch(
    captured: Sequence[Captured], done: Callable[[Captured], bool], timeout_s: float, what: str = ""
) -> None:
    """Handle the messages of several at once until `done` is true of each."""
    deadline_s = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        left = [one for one in captured if not done(one)]
        for one in left:
            selector.register(one, selectors.EVENT_READ, one)
        while left:
            remaining_s = deadline_s - time.monotonic()
            names = [(one.name, one.troubles, one.counts[-1:]) for one in left]
            assert remaining_s > 0, f"not within {timeout_s:g} s: {what}; {names}"
            for key, _ in selector.select(remaining_s):
                ready: Captured = key.data
                ready.receive()
                if done(ready):
                    selector.unregister(ready)
                    left.remove(ready)


def play_all(captured: Sequence[Captured], timeout_s: float = 40.0) -> None:
    """Play all of them to their ends, side by side."""
    with contextlib.ExitStack() as stack:
        for one in captured:
            stack.enter_context(one)
        watch(captured, lambda one: one.ended, timeout_s, "the end")


class Whole:
    """A file decoded whole by PyAV alone: what a window's pictures have to be, to the bit."""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._frames: list[VideoFrame] = []
        with av.open(str(path)) as container:
            container.streams.video[0].thread_count = 1
            with contextlib.suppress(av.error.EOFError):
                for packet in container.demux(video=0):
                    try:
                        self._frames += packet.decode()
                    except av.error.InvalidDataError:
                        continue  # as the capture process does
                    if limit is not None and len(self._frames) >= limit:
                        break
        self.times_s = [float(frame.time or 0.0) for frame in self._frames]
        self.keys = [frame.key_frame for frame in self._frames]
        self._scaler = Scaler()

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def key_times_s(self) -> list[float]:
        """When key frames are shown."""
        return [time_s for time_s, key in zip(self.times_s, self.keys, strict=True) if key]

    def place(self, pts_s: float) -> int:
        """The place of the frame that is shown at `pts_s`, counted from 0."""
        near = int(np.argmin([abs(time_s - pts_s) for time_s in self.times_s]))
        assert abs(self.times_s[near] - pts_s) < 1e-6, f"no frame at {pts_s}"
        return near

    def pixels(self, place: int, pixel_format: PixelFormat, size: tuple[int, int] = (0, 0)) -> Pixels:
        """The frame at this place as a slot has it."""
        frame = self._frames[place]
        width, height = size if size[0] else (frame.width, frame.height)
        out = np.empty(FrameFormat(width, height, pixel_format).shape, np.uint8)
        PyavPicture(frame, self.times_s[place], self._scaler).write(out, pixel_format)
        return out
