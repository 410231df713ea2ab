"""The camera's clock: which picture goes out when, to whom, and what is made wrong with it on demand."""

import asyncio
import random
from dataclasses import replace
from typing import Protocol

from tests.camera.media import CLOCK_HZ, Media, Unit


class Viewer(Protocol):
    """Somebody who watches."""

    def show(self, unit: Unit, timestamp: int) -> None:
        """Send one picture, without waiting; `timestamp` is in 1/90000 s and runs through all rounds."""

    def finish(self) -> None:
        """The recording is over: say so and close, in good order."""


class Broadcast:
    """Plays a recording in real time, as a live camera does whether somebody watches or not.

    With `loop` false it starts with the first viewer, ends with the recording, and then starts anew with
    the next viewer. With `group_first` a new viewer gets at once what came since the last key frame;
    without it, as with plain cameras, it gets what comes next, decodable or not.
    """

    def __init__(self, media: Media, *, loop: bool, group_first: bool) -> None:
        self.media = media
        self.sent = 0  # pictures, over all viewers
        self.played = 0  # pictures, whether anybody watched
        self.stalled = False
        self.to_corrupt = 0  # coming pictures
        self._loop = loop
        self._group_first = group_first
        self._group: list[tuple[Unit, int]] = []
        self._viewers: dict[Viewer, bool] = {}  # and whether it has to wait for a key frame
        self._watched = asyncio.Event()
        self._random = random.Random(1)  # noqa: S311 - damage, not secrets

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def add(self, viewer: Viewer) -> None:
        """Let somebody watch."""
        self._viewers[viewer] = False
        self._watched.set()
        if self.stalled:
            self._viewers[viewer] = True
        elif self._group_first:
            for unit, timestamp in self._group:
                self._show(viewer, unit, timestamp)

    def remove(self, viewer: Viewer) -> None:
        """Forget about a viewer; none of them, no harm."""
        self._viewers.pop(viewer, None)
        if not self._viewers:
            self._watched.clear()

    async def play(self) -> None:
        """Play for ever."""
        while True:
            if not self._loop:
                self._group = []
                await self._watched.wait()
            await self._rounds()
            for viewer in list(self._viewers):
                self.remove(viewer)
                viewer.finish()

    async def _rounds(self) -> None:
        clock = asyncio.get_running_loop()
        begun_s, passed = clock.time(), 0
        while True:
            for unit in self.media.units:
                due_s = begun_s + (passed + unit.sent) / CLOCK_HZ
                await asyncio.sleep(max(due_s - clock.time(), 0))
                self._emit(unit, passed + unit.shown)
            passed += self.media.length
            if not self._loop:
                # The last picture is shown for its time before the end.
                await asyncio.sleep(max(begun_s + passed / CLOCK_HZ - clock.time(), 0))
                return

    def _emit(self, unit: Unit, timestamp: int) -> None:
        self.played += 1
        if unit.key:
            self._group = []
        self._group.append((unit, timestamp))
        if self.stalled:
            self._viewers = dict.fromkeys(self._viewers, True)
            return
        if self.to_corrupt and self._viewers:
            self.to_corrupt -= 1
            unit = self._damaged(unit)
        for viewer, waits in list(self._viewers.items()):
            if unit.key or not waits:
                self._viewers[viewer] = False
                self._show(viewer, unit, timestamp)

    def _show(self, viewer: Viewer, unit: Unit, timestamp: int) -> None:
        self.sent += 1
        viewer.show(unit, timestamp)

    def _damaged(self, unit: Unit) -> Unit:
        """With noise for content; the first bytes stay, so that it is still sent as what it claims to be.

        Of a JPEG the tables stay too: they are the camera's own means of sending it.
        """
        kept = 640 if self.media.codec == "mjpeg" else 2
        return replace(
            unit, parts=tuple(part[:kept] + self._random.randbytes(len(part[kept:])) for part in unit.parts)
        )
