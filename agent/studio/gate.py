"""When the next frame may be shown: at its pace, one by one, or as fast as frames come."""

import threading
import time
from enum import Enum, auto

_LATE_S = 0.25  # whoever is later than this does not hurry after it


class Closed(Exception):  # noqa: N818  no error: somebody left
    """Nobody looks any more."""


class _Credit(Enum):
    """What is shown although it is paused."""

    NONE = auto()
    FRAME = auto()  # the next one
    RESULT = auto()  # all, up to the next one with a new result


class Gate:
    """Between one thread that brings frames and others that say when it may go on."""

    def __init__(self, *, paused: bool, hurry: bool) -> None:
        """`paused`: the first frame is shown, and no more; `hurry`: frames have no pace."""
        self._changed = threading.Condition()
        self._paused = paused
        self._hurry = hurry
        self._pause_told = False
        self._closed = False
        self._let_through = False  # whether a frame was
        self._credit = _Credit.FRAME if paused else _Credit.NONE
        self._began: tuple[float, float] | None = None  # a moment of the clock, and the frame's time then

    @property
    def paused(self) -> bool:
        """Whether it was asked to pause."""
        return self._paused

    @property
    def settled(self) -> bool:
        """Whether nothing more will be shown until somebody says so."""
        return self._paused and self._credit is _Credit.NONE

    @property
    def closed(self) -> bool:
        """Whether nobody looks any more."""
        return self._closed

    def play(self) -> None:
        """Go on from here."""
        self._change(paused=False, credit=_Credit.NONE)

    def pause(self) -> None:
        """Stay at the frame that is shown; before there is one, show the first."""
        self._change(paused=True, credit=_Credit.NONE if self._let_through else _Credit.FRAME)

    def step(self) -> None:
        """Show one more frame, and pause."""
        self._change(paused=True, credit=_Credit.FRAME)

    def step_to_result(self) -> None:
        """Show frames until there is a new result, and pause."""
        self._change(paused=True, credit=_Credit.RESULT)

    def hurry(self, hurry: bool) -> None:  # noqa: FBT001  it is what is said
        """Whether frames come as fast as they can."""
        with self._changed:
            self._hurry, self._began = hurry, None
            self._changed.notify_all()

    def close(self) -> None:
        """Whoever waits at the gate, or comes, gets Closed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raises Closed when nobody looks any more."""
        if self._closed:
            raise Closed

    def found(self) -> None:
        """There is a new result: the frame that comes is the one that it belongs to."""
        with self._changed:
            if self._credit is _Credit.RESULT:
                self._credit = _Credit.FRAME

    def pass_live(self) -> bool:
        """Whether the frame of a camera, which does not wait, is to be shown. Raises Closed."""
        with self._changed:
            self.check()
            passes = not self._paused or self._spent()
            self._let_through |= passes
            return passes

    def wait(self, time_s: float) -> bool:
        """Wait until the frame of this time may be shown. Raises Closed.

        False: it is paused since the frame before, and this one is to be asked for again.
        """
        with self._changed:
            passes = self._passes(time_s)
            self._let_through |= passes
            return passes

    def _passes(self, time_s: float) -> bool:
        """Wait, holding the condition."""
        while True:
            self.check()
            if self._paused:
                self._began = None
                if self._spent():
                    return True
                if not self._pause_told:
                    self._pause_told = True
                    return False
                self._changed.wait()
                continue
            wait_s = 0.0 if self._hurry else self._left_s(time_s)
            if wait_s <= 0:
                return True
            self._changed.wait(wait_s)

    def _left_s(self, time_s: float) -> float:
        now_s = time.monotonic()
        if self._began is None:
            self._began = (now_s, time_s)
        left_s = self._began[0] + (time_s - self._began[1]) - now_s
        if left_s < -_LATE_S or time_s < self._began[1]:
            self._began = (now_s, time_s)
            return 0.0
        return left_s

    def _spent(self) -> bool:
        """Whether a credit lets this frame through."""
        if self._credit is _Credit.FRAME:
            self._credit = _Credit.NONE
            return True
        return self._credit is _Credit.RESULT

    def _change(self, *, paused: bool, credit: _Credit) -> None:
        with self._changed:
            self._paused, self._credit, self._began = paused, credit, None
            self._pause_told = False
            self._changed.notify_all()
