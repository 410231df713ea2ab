"""The reader thread: opens the source, reads it, and opens it again for ever.

It alone touches the network or the device, so that a camera that hangs never keeps the process from
answering the agent.
"""

import collections
import contextlib
import math
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agent.backoff import Backoff
from agent.capture.source import OpenRequest, Source, Stamp, Unit
from agent.errors import Cause, SourceError

MAX_WAITING_UNITS = 250  # about ten seconds of video
MAX_WAITING_BYTES = 32 << 20
LONGEST_WAIT_S = 10.0  # for the next unit of a file
RESTING_UNITS = 64  # so many may wait for a loop that has nothing to do with them


@dataclass(frozen=True, slots=True)
class SourceOpened:
    """The source is open; its units follow."""

    source: Source


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The source is closed, and why; opened again in `retry_in_s`, never if that is None."""

    error: SourceError
    retry_in_s: float | None


@dataclass(frozen=True, slots=True)
class UnitsDropped:
    """The decoder was too slow: so many units were left out, up to the next key frame."""

    count: int


Event = SourceOpened | SourceFailed | UnitsDropped | Unit


class Inbox:
    """What the reader has read and the loop has not handled yet.

    Bounded in units and bytes. When it is full, units are dropped until the next key frame, and counted:
    the reader never waits for the decoder, or the camera would give up on us.

    A loop that has nothing to do with what comes can rest: it is woken for key frames, and for what is shown
    at the time that it awaits; the rest waits until it looks by itself.
    """

    def __init__(self) -> None:
        self._events: collections.deque[Event] = collections.deque()
        self._lock = threading.Lock()
        self._bytes = 0
        self._dropped = 0
        self._rest_until_s = -math.inf
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Readable when `pop` has something; for a selector."""
        return self._wake

    def put_unit(self, unit: Unit) -> None:
        """A unit was read."""
        with self._lock:
            full = len(self._events) >= MAX_WAITING_UNITS or self._bytes >= MAX_WAITING_BYTES
            if full or (self._dropped and not unit.is_key):
                self._dropped += 1
                return
            if self._dropped:
                self._events.append(UnitsDropped(self._dropped))
                self._dropped = 0
            self._bytes += unit.size
            self._events.append(unit)
            can_wait = unit.pts_s is not None and unit.pts_s < self._rest_until_s and not unit.is_key
            if can_wait and len(self._events) < RESTING_UNITS:
                return
        os.eventfd_write(self._wake, 1)

    def rest_until(self, pts_s: float) -> None:
        """Do not wake the loop for what is shown before `pts_s`; minus infinity: wake it for everything."""
        with self._lock:
            sooner = pts_s < self._rest_until_s and bool(self._events)
            self._rest_until_s = pts_s
        if sooner:
            os.eventfd_write(self._wake, 1)

    def put(self, event: SourceOpened | SourceFailed) -> None:
        """Something else happened; never dropped."""
        with self._lock:
            if self._dropped:
                self._events.append(UnitsDropped(self._dropped))
                self._dropped = 0
            self._events.append(event)
        os.eventfd_write(self._wake, 1)

    def pop(self) -> Event | None:
        """The next event, or None."""
        with self._lock:
            if not self._events:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
                return None
            event = self._events.popleft()
            if not isinstance(event, SourceOpened | SourceFailed | UnitsDropped):
                self._bytes -= event.size
            return event

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._wake)


class Reader:
    """The thread; a lifetime is a `with` block."""

    def __init__(
        self,
        request: OpenRequest,
        inbox: Inbox,
        open_source: Callable[[OpenRequest, Callable[[], bool]], Source],
        backoff: Backoff,
    ) -> None:
        self._request = request
        self._inbox = inbox
        self._open = open_source
        self._backoff = backoff
        self._stop = threading.Event()
        self._moved_s = time.monotonic()
        self._resting = False
        self._hopeless: SourceError | None = None
        self._thread = threading.Thread(target=self._read_for_ever, name="reader", daemon=True)

    def stuck_s(self) -> float:
        """Seconds for which the source has neither answered nor given up; 0 while waiting to open it."""
        return 0.0 if self._resting else time.monotonic() - self._moved_s

    def give_up(self, error: SourceError) -> None:
        """What is read cannot be decoded: close the source, and open it again after a while."""
        self._hopeless = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        # A source may hang for as long as its time-out; the process ends all the same, the thread with it.
        self._thread.join(timeout=1.0)

    def _read_for_ever(self) -> None:
        while not self._stop.is_set():
            self._moved_s = opened_s = time.monotonic()
            try:
                source = self._open(self._request, self._stop.is_set)
                try:
                    opened_s = time.monotonic()
                    self._inbox.put(SourceOpened(source))
                    self._read(source)
                finally:
                    source.close()
            except SourceError as err:
                over = err.cause is Cause.ENDED and self._finite
                self._backoff = self._backoff.after_failure(lasted_s=time.monotonic() - opened_s)
                delay_s = self._backoff.delay_s(random.random())  # noqa: S311  jitter, not a secret
                self._inbox.put(SourceFailed(err, None if over else delay_s))
                self._resting = True
                if over or self._stop.wait(delay_s):
                    return
                self._resting = False

    _finite = False

    def _read(self, source: Source) -> None:
        self._finite = not source.info.live
        self._hopeless = None
        pace = None if source.info.live else _Pace(self._stop)
        while not self._stop.is_set():
            if self._hopeless is not None:
                raise self._hopeless
            unit = source.read()
            if pace is not None:
                self._resting = True  # a slow file is not one that hangs
                if pace.wait_for(unit):
                    unit.stamp = Stamp.now()
                self._moved_s = time.monotonic()
                self._resting = False
            self._moved_s = time.monotonic()
            self._inbox.put_unit(unit)


class _Pace:
    """Plays a file at its own pace: a unit comes no earlier than its decoding time says.

    A gap is waited for, but not for long: a damaged time may lie hours ahead.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._start: tuple[float, float] | None = None  # monotonic, media
        self._latest_s = 0.0

    def wait_for(self, unit: Unit) -> bool:
        """Wait until it is time; whether there was a time to wait for."""
        if unit.dts_s is None:
            return False
        if self._start is None:
            self._start = (time.monotonic(), unit.dts_s)
        began_s, first_dts_s = self._start
        wait_s = began_s + (unit.dts_s - first_dts_s) - time.monotonic()
        if wait_s > LONGEST_WAIT_S:
            wait_s = LONGEST_WAIT_S
            self._start = (time.monotonic() + wait_s, unit.dts_s)
        if wait_s > 0:
            self._stop.wait(wait_s)
        return True
