"""For tests of algorithms: run one on pictures, on a file or on a drawn scene, in three lines.

```python
from algos.testing import picture, run_on

def test_bright():
    results = run_on(Bright(), [picture(level=0), picture(level=255)])
    assert [run.result["bright"] for run in results] == [False, True]
```

Windows are those that the agent would take: same rules, same conversion, read-only arrays. This module alone
of `algos` asks the agent's parts, when it is used.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from algos.base import Frames, Picture

if TYPE_CHECKING:
    from agent.offline import Run, Use

Source: TypeAlias = str | Path | Iterable[str | Path]
"""A file, a folder of images, any URL that agent.toml takes, or several of them."""
Pictures: TypeAlias = NDArray[np.uint8] | Iterable[NDArray[np.uint8]]
"""One or several (H, W, 3) BGR or (H, W) gray uint8, or one array of several."""

PICTURES_FPS = 25.0
STREAM = "test"  # the id of the stream that pictures are

_GRAY = 2  # dimensions
_COLOUR = 3  # dimensions, and colours


def run_on(  # noqa: PLR0913  what agent.toml can say of an algorithm
    algorithm: Any,  # noqa: ANN401  any object with run(frames)
    source: Source | Pictures,
    *,
    interval: float | None = None,
    frame_count: int = 1,
    frame_step: int = 1,
    keyframes: Literal["auto", "only", "never"] = "auto",
    size: tuple[int, int] | None = None,
    pixel_format: Literal["bgr24", "rgb24", "gray8", "nv12"] = "bgr24",
    fps: float | None = None,
    position: float = 0.0,
    until: float | None = None,
) -> list["Run"]:
    """All runs of `algorithm`, an instance, on `source`: each with `result`, `time`, `frame` and `frames`.

    - `interval`: default: 1 second, as in the agent; on pictures 0: a run for each.
    - `frame_count`, `frame_step`, `keyframes`, `size`, `pixel_format`: as in agent.toml.
    - `fps`: a source is thinned to so many frames a second; pictures come at this rate (default: 25).
    - `position`, `until`: seconds from the first frame; what lies outside is not played.

    `init()` is called first; what it or `run()` raises comes through. Raises ConfigError for settings that
    cannot be, SourceError for a source that cannot be read, ValueError for what is no picture.
    """
    from agent.offline import Use, infer  # noqa: PLC0415  see above

    pictures, paths = _told_apart(source)
    every_s = interval if interval is not None else 0.0 if pictures else 1.0
    use = Use(
        algorithm,
        frame_count=frame_count,
        frame_step=frame_step,
        interval=every_s,
        keyframes=keyframes,
        size=size,
        pixel_format=pixel_format,
    )
    if not pictures:
        return list(infer(paths, use, fps=fps, position=position, until=until))
    rate = PICTURES_FPS if fps is None else fps
    if rate <= 0:
        raise ValueError(f"fps is {fps}, but must be more than 0")
    played = (
        (number, number / rate, one)
        for number, one in enumerate(pictures)
        if position <= number / rate and (until is None or number / rate < until)
    )
    return list(_runs(use, _windows(use, played)))


def scene(
    seconds: float = 4.0,
    *,
    size: tuple[int, int] = (640, 360),
    fps: float = 25.0,
    shapes: int = 3,
    seed: int = 1,
) -> str:
    """A source for `run_on`: drawn shapes that move, the same for the same arguments on every machine."""
    frames = max(1, round(seconds * fps))
    width, height = size
    return f"test://scene?size={width}x{height}&fps={fps:g}&seed={seed}&shapes={shapes}&frames={frames}"


@dataclass(frozen=True, slots=True)
class Patch:
    """An even rectangle in a picture: x1, y1, x2, y2 in shares of width and height; gray level or BGR."""

    box: tuple[float, float, float, float]
    level: int | tuple[int, int, int] = 255


def picture(
    width: int = 320,
    height: int = 240,
    *,
    level: int | tuple[int, int, int] = 128,
    patches: Iterable[Patch] = (),
) -> Picture:
    """An even picture, (height, width, 3) BGR uint8, of a gray level or colour, with patches on it."""
    made = np.empty((height, width, 3), np.uint8)
    made[:] = level
    for patch in patches:
        x1, y1, x2, y2 = patch.box
        made[round(y1 * height) : round(y2 * height), round(x1 * width) : round(x2 * width)] = patch.level
    return made


def frames_of(*pictures: NDArray[np.uint8], fps: float = PICTURES_FPS, pixel_format: str = "bgr24") -> Frames:
    """One window of these pictures, as they are, read-only: for calling `run()` oneself."""
    arrays = [np.array(one, np.uint8) for one in pictures]
    for array in arrays:
        array.flags.writeable = False
    numbers = range(len(arrays))
    times = [number / fps for number in numbers]
    return Frames(arrays, times=times, numbers=numbers, stream=STREAM, pixel_format=pixel_format)


def assert_packable(result: object) -> None:
    """Fail with the place in `result`, if it could not be sent: as msgpack and as JSON."""
    from agent.contract.codec import UnpackableError, json_data, pack_data  # noqa: PLC0415  see above

    for pack in (pack_data, json_data):
        try:
            pack(result)
        except UnpackableError as err:
            raise AssertionError(str(err)) from None


def _told_apart(source: Source | Pictures) -> tuple[list[NDArray[np.uint8]], list[str | Path]]:
    """Pictures, or else paths."""
    if isinstance(source, str | Path):
        return [], [source]
    if isinstance(source, np.ndarray):
        one = source.ndim == _GRAY or (source.ndim == _COLOUR and source.shape[2] == _COLOUR)
        source = [source] if one else source
    pictures: list[NDArray[np.uint8]] = []
    paths: list[str | Path] = []
    for item in source:
        if isinstance(item, str | Path):
            paths.append(item)
        else:
            pictures.append(_checked(item))
    if pictures and paths:
        raise ValueError("pictures and paths together: give one or the other")
    if not (pictures or paths):
        raise ValueError("there is no picture to run on")
    return pictures, paths


def _checked(item: object) -> NDArray[np.uint8]:
    if not isinstance(item, np.ndarray):
        raise ValueError(f"{type(item).__name__} is no picture: a picture is an array of numpy")  # noqa: TRY004
    gray, colour = item.ndim == _GRAY, item.ndim == _COLOUR and item.shape[-1] == _COLOUR
    if not (gray or colour) or item.dtype != np.uint8 or not item.size:
        raise ValueError(
            f"an array of shape {item.shape} and dtype {item.dtype} is no picture: "
            "it must be (height, width, 3) BGR or (height, width) gray, uint8"
        )
    return item


def _windows(use: "Use", played: Iterable[tuple[int, float, NDArray[np.uint8]]]) -> Iterator[Frames]:
    """The windows that a worker gets that is always free, of pictures each of which is a key frame."""
    from agent.capture.array_picture import ArrayPicture  # noqa: PLC0415  see above
    from agent.frames import FrameFormat  # noqa: PLC0415
    from agent.sampling import Sampler, Sampling  # noqa: PLC0415

    sampling = Sampling(use.frame_count, use.frame_step, use.interval, use.keyframes)
    sampler = Sampler(sampling)
    sampler.want(0)
    recent: deque[tuple[int, float, ArrayPicture]] = deque(maxlen=sampling.span)
    for number, time_s, pixels in played:
        one = ArrayPicture(pixels, time_s)
        if recent and (recent[-1][2].width, recent[-1][2].height) != (one.width, one.height):
            sampler.begin_generation()  # no window spans that
        recent.append((number, time_s, one))
        sampler.frame(time_s)
        if sampler.take() is None:
            continue
        sampler.want(0)
        width, height = use.size or (one.width, one.height)
        if use.pixel_format == "nv12":
            width, height = width - width % 2, height - height % 2
        chosen = [recent[-1 - back] for back in sampling.offsets()]
        arrays = [np.empty(FrameFormat(width, height, use.pixel_format).shape, np.uint8) for _ in chosen]
        for array, (_, _, each) in zip(arrays, chosen, strict=True):
            each.write(array, use.pixel_format)
            array.flags.writeable = False
        yield Frames(
            arrays,
            times=[at_s for _, at_s, _ in chosen],
            numbers=[at for at, _, _ in chosen],
            stream=STREAM,
            pixel_format=use.pixel_format,
        )


def _runs(use: "Use", windows: Iterator[Frames]) -> Iterator["Run"]:
    from agent.offline import Run  # noqa: PLC0415  see above
    from agent.worker.split import calling  # noqa: PLC0415

    init: Callable[[], None] | None = getattr(use.algorithm, "init", None)
    if init is not None:
        init()
    run: Callable[[Frames], Any] = calling(use.algorithm)
    for frames in windows:
        began_s = time.perf_counter()
        result = run(frames)
        yield Run(
            stream=STREAM,
            algorithm=use.name,
            kind=use.kind,
            version=use.version,
            time=frames.times[-1],
            frame=frames.numbers[-1],
            frames=frames,
            result=result,
            run_s=time.perf_counter() - began_s,
        )
