"""The test scene: moving shapes without a camera, the same for the same seed and number.

`test://scene?size=640x360&fps=25&seed=1&shapes=3`, and `frames=100` to end after so many.
"""

import functools
import math
import random
import time
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from agent.capture.array_picture import ArrayPicture
from agent.capture.array_source import PictureUnit, WholePictures
from agent.capture.query import parse_count, parse_number, parse_query, parse_size, wrong
from agent.capture.source import Interrupted, Picture, Pixels, SourceInfo, Stamp, Unit
from agent.errors import Cause, SourceError

_MAX_LAG_S = 1.0  # a reader that is later than this loses frames, as it would with a camera
_LOOK_UP_S = 0.25  # how often a long wait asks whether anybody still wants the frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneParams:
    """What `test://scene` can be asked for."""

    width: int = 640
    height: int = 360
    fps: float = 25.0
    seed: int = 1
    shapes: int = 3
    frames: int | None = None


def parse_scene(query: str) -> SceneParams:
    """The parameters in a URL's query; raises SourceError."""
    values = parse_query(query, ("size", "fps", "seed", "shapes", "frames"), "the test scene")
    width, height = parse_size(values.get("size", "640x360"))
    if width < 16 or height < 16:  # noqa: PLR2004  smaller, nothing can be seen to move
        raise wrong(f"size={values['size']!r}: each side must be at least 16 pixels")
    frames = values.get("frames")
    return SceneParams(
        width=width,
        height=height,
        fps=parse_number(values.get("fps", "25"), "fps", 0.01, 1000),
        seed=parse_count(values.get("seed", "1"), "seed", 0, 2**31),
        shapes=parse_count(values.get("shapes", "3"), "shapes", 0, 100),
        frames=None if frames is None else parse_count(frames, "frames", 1, 2**31),
    )


def scene(number: int, params: SceneParams) -> Pixels:
    """Frame `number` (0, 1, …) of the scene: (height, width, 3) BGR; the shapes bounce off the borders."""
    picture = _background(params.width, params.height).copy()
    for shape in _shapes(params):
        shape.draw(picture, number)
    cv2.putText(picture, str(number), (6, 22), cv2.FONT_HERSHEY_PLAIN, 1.4, (235, 235, 235), 1, cv2.LINE_8)
    return picture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    form: Literal["disc", "box", "wedge"]
    radius: int  # pixels
    colour: tuple[int, int, int]
    start: tuple[float, float]  # pixels from the left and top of where its centre may be
    speed: tuple[float, float]  # pixels a frame

    def draw(self, picture: Pixels, number: int) -> None:
        height, width = picture.shape[:2]
        r = self.radius
        x = r + round(_bounce(self.start[0] + self.speed[0] * number, width - 1 - 2 * r))
        y = r + round(_bounce(self.start[1] + self.speed[1] * number, height - 1 - 2 * r))
        match self.form:
            case "disc":
                cv2.circle(picture, (x, y), r, self.colour, cv2.FILLED)
            case "box":
                cv2.rectangle(picture, (x - r, y - r), (x + r, y + r), self.colour, cv2.FILLED)
            case "wedge":
                corners = np.array([(x, y - r), (x - r, y + r), (x + r, y + r)], np.int32)
                cv2.fillConvexPoly(picture, corners, self.colour)


def _bounce(way: float, room: float) -> float:
    """Where something is that went `way` pixels to and fro in a room of `room` pixels."""
    if room <= 0:
        return 0.0
    phase = math.fmod(way, 2 * room)
    return phase if phase <= room else 2 * room - phase


@functools.lru_cache(maxsize=4)
def _background(width: int, height: int) -> Pixels:
    across = np.linspace(40, 110, width, dtype=np.float32)[None, :]
    down = np.linspace(0, 50, height, dtype=np.float32)[:, None]
    gray = across + down
    checks = (np.arange(width)[None, :] // 40 + np.arange(height)[:, None] // 40) % 2
    gray += 6 * checks
    return np.stack([gray * 0.9, gray, gray * 0.8], axis=2).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _shapes(params: SceneParams) -> tuple[_Shape, ...]:
    chance = random.Random(params.seed)  # noqa: S311  a picture, not a secret
    side = min(params.width, params.height)
    forms: tuple[Literal["disc", "box", "wedge"], ...] = ("disc", "box", "wedge")
    return tuple(
        _Shape(
            form=forms[index % len(forms)],
            radius=max(2, round(side * chance.uniform(0.06, 0.12))),
            colour=(chance.randint(150, 255), chance.randint(60, 255), chance.randint(60, 255)),
            start=(chance.uniform(0, params.width), chance.uniform(0, params.height)),
            speed=(side * chance.uniform(0.005, 0.015), side * chance.uniform(0.003, 0.012)),
        )
        for index in range(params.shapes)
    )


class SceneSource(WholePictures):
    """The scene as a camera: frames come at their times, whether or not somebody reads them.

    In a hurry it is a file of drawings: each frame comes when it is read.
    """

    def __init__(self, params: SceneParams, interrupted: Interrupted, *, hurry: bool = False) -> None:
        self._params = params
        self._interrupted = interrupted
        self._hurry = hurry
        self._began_s = time.monotonic()
        self._next = 0
        self.info = SourceInfo(
            width=params.width,
            height=params.height,
            codec="scene",
            fps=params.fps,
            pixel_format="bgr24",
            backend="scene",
            live=not hurry,
            duration_s=params.frames / params.fps if hurry and params.frames is not None else None,
        )

    def read(self) -> Unit:
        """The next frame, when it is due."""
        fps = self._params.fps
        lag_s = time.monotonic() - self._began_s - self._next / fps
        if lag_s > _MAX_LAG_S and not self._hurry:
            self._next += int(lag_s * fps)
        if self._params.frames is not None and self._next >= self._params.frames:
            raise SourceError(Cause.ENDED, f"the test scene is over after {self._params.frames} frames")
        if not self._hurry:
            self._wait_until(self._began_s + self._next / fps)
        unit = PictureUnit(content=self._next, pts_s=self._next / fps, size=0, stamp=Stamp.now())
        self._next += 1
        return unit

    def _wait_until(self, due_s: float) -> None:
        while (wait_s := due_s - time.monotonic()) > 0:
            if self._interrupted():
                raise SourceError(Cause.ENDED, "the test scene is not wanted any more")
            time.sleep(min(wait_s, _LOOK_UP_S))

    def decode(self, unit: Unit, *, wanted: bool = True) -> list[Picture]:  # noqa: ARG002  a picture costs the same
        """Draw the frame."""
        assert isinstance(unit, PictureUnit)  # noqa: S101  units come from `read` of the same source
        assert isinstance(unit.content, int)  # noqa: S101
        return [ArrayPicture(scene(unit.content, self._params), unit.pts_s, unit)]
