"""The video that is measured with: what a 1080p surveillance camera sends, encoded once and kept."""

import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

if TYPE_CHECKING:
    from av.video.stream import VideoStream

WIDTH, HEIGHT, FPS = 1920, 1080, 25
BITS_PER_S = 4_000_000
ROUND_S = 20  # then it begins again

Plane = np.ndarray[Any, np.dtype[np.uint8]]


def clip(*, key_frame_every_s: float) -> Path:
    """A file with H.264 1080p25 of 4 Mb/s without B-frames: a moving scene with sensor noise."""
    folder = Path(tempfile.gettempdir()) / f"vedette-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    gop = round(key_frame_every_s * FPS)
    path = folder / f"1080p25-4M-{ROUND_S}s-gop{gop}-1.mp4"
    if not path.exists():
        part = path.with_suffix(".part")
        _encode(part, gop)
        part.replace(path)
    return path


def _encode(path: Path, gop: int) -> None:
    random = np.random.default_rng(1)
    # Two tiles of noise, wider than the picture: each frame cuts others out, so none repeats its neighbour.
    tiles = [random.normal(0, 4, (HEIGHT + 64, WIDTH + 64)).astype(np.int16) for _ in range(2)]
    background = _background(random)
    with av.open(str(path), "w", format="mp4") as container:
        stream: VideoStream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        stream.codec_context.bit_rate = BITS_PER_S
        stream.codec_context.options = {
            "preset": "veryfast",
            "bf": "0",
            "maxrate": str(BITS_PER_S),
            "bufsize": str(BITS_PER_S),
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0",
        }
        for number in range(ROUND_S * FPS):
            top, left = random.integers(0, 64, 2)
            noise = tiles[number % 2][top : top + HEIGHT, left : left + WIDTH]
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            planes[:HEIGHT] = np.clip(_scene(background, number) + noise, 16, 235)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _background(random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int16]]:
    """A still scene with structure: a slope of light, and blocks as of walls and windows."""
    light = np.linspace(60, 150, WIDTH)[None, :] + np.linspace(-20, 20, HEIGHT)[:, None]
    blocks = np.kron(random.integers(-25, 25, (HEIGHT // 40, WIDTH // 40)), np.ones((40, 40)))
    return (light + blocks).astype(np.int16)


def _scene(
    background: np.ndarray[Any, np.dtype[np.int16]], number: int
) -> np.ndarray[Any, np.dtype[np.int16]]:
    """The background with five things that move through it, each at a speed of its own."""
    luma = background.copy()
    for thing in range(5):
        height, width = 120 + 60 * thing, 80 + 50 * thing
        left = (number * (3 + 2 * thing) + 311 * thing) % (WIDTH - width)
        top = 90 * thing + 60
        luma[top : top + height, left : left + width] = 70 + 30 * thing
    return luma
