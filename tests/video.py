"""Real video for tests, encoded on the fly, with the number of each frame burned into the picture.

The number is a strip of black and white blocks along the top edge and its complement along the bottom
edge. Both edges have to agree and a checksum has to fit, so that a torn, blended, blank or badly
decoded picture is told from a good one. Positions are relative to the picture: it may be scaled.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.frame import PictureType

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

NUMBER_BITS = 20
CHECK_BITS = 6
COLUMNS = NUMBER_BITS + CHECK_BITS
STRIP = 10  # a strip is one STRIP-th of the picture's height
CLOCK_HZ = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of frames of one size in `encode_segments`."""

    width: int
    height: int
    frames: int


def read_number(image: Any) -> int:  # noqa: ANN401, C901 - any array; one piece, to be pasted into other files
    """The frame number burned into `image`.

    `image` is uint8: (H, W, 3) BGR or RGB, (H, W) or (H, W, 1) gray, or (H * 3 / 2, W) NV12, of any scaled
    size from about 80x60 up. Raises ValueError when the strips are unreadable, torn or disagree. Needs
    numpy only and no name outside itself: see READ_NUMBER_SOURCE.
    """
    import numpy as np  # noqa: PLC0415 - see the docstring

    number_bits, check_bits, strip = 20, 6, 10
    columns = number_bits + check_bits

    def blocks(plane: Any, middle: float) -> Any:  # noqa: ANN401
        height, width = plane.shape
        half = max(height / strip / 5, 0.5)
        rows = plane[max(int(middle * height - half), 0) : int(np.ceil(middle * height + half))]
        values = []
        for column in range(columns):
            left = int((column + 0.35) * width / columns)
            right = max(int(np.ceil((column + 0.65) * width / columns)), left + 1)
            values.append(rows[:, left:right].mean())
        return np.array(values)

    def decode(plane: Any) -> int:  # noqa: ANN401
        if plane.shape[0] < 2 * strip or plane.shape[1] < 2 * columns:
            raise ValueError(f"picture of {plane.shape} is too small for a frame number")
        top, bottom = blocks(plane, 0.5 / strip), blocks(plane, 1 - 0.5 / strip)
        for name, values in (("top", top), ("bottom", bottom)):
            if ((values > 85) & (values < 170)).any():
                raise ValueError(f"the {name} strip is unreadable: {values.round().astype(int).tolist()}")
        bits = top > 127
        if (bits == (bottom > 127)).any():
            raise ValueError("the strips disagree: the picture is torn")
        whole = int("".join("1" if bit else "0" for bit in bits), 2)
        number, check = whole >> check_bits, whole & ((1 << check_bits) - 1)
        if (number * 37 + 11) % 61 != check:
            raise ValueError(f"the checksum does not fit number {number}")
        return number

    array = np.asarray(image)
    if array.ndim == 3:
        return decode(array.mean(axis=2))
    try:
        return decode(array)
    except ValueError:
        # Two dimensions are gray or NV12: there the picture is the upper two thirds.
        if array.shape[0] % 3:
            raise
        return decode(array[: array.shape[0] * 2 // 3])


READ_NUMBER_SOURCE = inspect.getsource(read_number).replace(": Any", "").replace(" -> Any", "")
"""Source of `read_number`, to be pasted into an algorithm file that a test writes."""


def picture(number: int, width: int = 320, height: int = 240) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Frame `number` as (height, width, 3) uint8 RGB: the strips and a square that moves 4 px a frame."""
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError(f"frame number {number} does not fit {NUMBER_BITS} bits")
    image = np.full((height, width, 3), 96, np.uint8)
    image[height // 2 :] = 120
    strip_px = -(-height // STRIP)
    side = max(height // 6, 2)
    left = number * 4 % max(width - side, 1)
    upper = strip_px + number * 2 % max(height - 2 * strip_px - side, 1)
    image[upper : upper + side, left : left + side] = (230, 60, 40)
    whole = number << CHECK_BITS | (number * 37 + 11) % 61
    bits = np.array([whole >> shift & 1 for shift in range(COLUMNS - 1, -1, -1)], np.uint8) * np.uint8(255)
    row = bits[np.arange(width) * COLUMNS // width][None, :, None]
    image[:strip_px] = row
    image[height - strip_px :] = 255 - row
    return image


def _options(codec: str, *, gop: int, b_frames: int, open_gop: bool) -> dict[str, str]:
    if codec == "libx264":
        return {
            "preset": "veryfast",
            "crf": "20",
            "bf": str(b_frames),
            "x264-params": f"keyint={gop}:min-keyint={gop if not open_gop else 1}:scenecut=0:b-adapt=0:"
            f"open-gop={int(open_gop)}:threads=1",
        }
    if codec == "libx265":
        return {
            "preset": "ultrafast",
            "crf": "20",
            "x265-params": f"keyint={gop}:min-keyint={gop if not open_gop else 1}:scenecut=0:b-adapt=0:"
            f"bframes={b_frames}:open-gop={int(open_gop)}:log-level=none:pools=none:frame-threads=1",
        }
    if codec == "libvpx-vp9":
        return {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "20", "b": "0"}
    # RTP carries JPEG without its Huffman tables, so they have to be the standard ones.
    return {"huffman": "default", "qmin": "2", "qmax": "4"}


def _frames(
    numbers: Sequence[int],
    times_s: Sequence[Fraction],
    last_s: Fraction,
    base: Fraction,
    size: tuple[int, int],
) -> Iterator[av.VideoFrame]:
    for index, (number, time_s) in enumerate(zip(numbers, times_s, strict=True)):
        following = times_s[index + 1] if index + 1 < len(times_s) else time_s + last_s
        frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
        frame.time_base = base
        frame.pts = round(time_s / base)
        frame.duration = max(round((following - time_s) / base), 1)
        yield frame


def encode(  # noqa: PLR0913 - each is one independent property of the file
    path: Path,
    *,
    codec: str = "libx264",
    width: int = 320,
    height: int = 240,
    fps: float = 25,
    frames: int = 100,
    gop: int = 25,
    b_frames: int = 0,
    open_gop: bool = False,
    pts: Sequence[float] | None = None,
    start: int = 0,
    keys: Sequence[int] | None = None,
) -> Path:
    """Write `frames` numbered pictures to `path` and return it; the suffix chooses the container.

    `codec` is libx264, libx265, mjpeg or libvpx-vp9; the container .mp4, .mkv, .ts, .webm, .avi,
    .m3u8 (HLS, the segments beside it), or .h264 and .h265 for a bare elementary stream. `start` is the
    number burned into the first frame. `pts` are presentation times in seconds, rising, one a frame, for
    variable rate and gaps (not in .avi, which knows none); without it frame n is shown at n / fps. Key
    frames come each `gop` frames exactly, or with `keys` (libx264 only) at these places alone.
    """
    rate = Fraction(fps).limit_denominator(1001)
    if pts is not None:
        frames = len(pts)
    times_s = [Fraction(time) for time in pts] if pts is not None else [n / rate for n in range(frames)]
    base = 1 / rate if path.suffix == ".avi" else Fraction(1, CLOCK_HZ)
    whole_playlist = {"hls_list_size": "0", "hls_time": "1"} if path.suffix == ".m3u8" else {}
    with av.open(str(path), "w", options=whole_playlist) as container:
        stream: VideoStream = container.add_stream(codec, rate=rate)  # type: ignore[assignment]
        stream.time_base = base
        _set_up(
            stream.codec_context,
            size=(width, height),
            base=base,
            options=_options(codec, gop=gop if keys is None else frames, b_frames=b_frames, open_gop=open_gop)
            | ({} if keys is None else {"forced-idr": "1"}),
            gop=gop,
        )
        pictures = _frames(range(start, start + frames), times_s, 1 / rate, base, (width, height))
        for place, frame in enumerate(pictures):
            if keys is not None and place in keys:
                frame.pict_type = PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _set_up(
    context: "VideoCodecContext", *, size: tuple[int, int], base: Fraction, options: dict[str, str], gop: int
) -> None:
    context.width, context.height = size
    context.pix_fmt = "yuvj420p" if context.name == "mjpeg" else "yuv420p"
    context.time_base = base
    context.gop_size = gop
    context.thread_count = 1
    context.options = options


def encode_segments(
    path: Path,
    segments: Sequence[Segment],
    *,
    codec: str = "libx264",
    fps: int = 25,
    gop: int = 25,
    b_frames: int = 0,
) -> Path:
    """Write one stream whose picture size changes in the middle, as a camera does when it is set up anew.

    `path` is .ts, .h264 or .h265 (each key frame carries its parameter sets; .mp4 could not). Frame
    numbers and times run through.
    """
    base = Fraction(1, CLOCK_HZ)
    with av.open(str(path), "w") as container:
        first = segments[0]
        stream: VideoStream = container.add_stream(codec, rate=fps)  # type: ignore[assignment]
        stream.time_base = base
        options = _options(codec, gop=gop, b_frames=b_frames, open_gop=False)
        _set_up(stream.codec_context, size=(first.width, first.height), base=base, options=options, gop=gop)
        begun = 0
        for segment in segments:
            size = (segment.width, segment.height)
            if segment is first:
                context = stream.codec_context
            else:
                context = av.CodecContext.create(codec, "w")  # type: ignore[assignment]
                context.framerate = Fraction(fps)
                _set_up(context, size=size, base=base, options=dict(options), gop=gop)
            numbers = range(begun, begun + segment.frames)
            times_s = [Fraction(number, fps) for number in numbers]
            for frame in [*_frames(numbers, times_s, Fraction(1, fps), base, size), None]:
                for packet in context.encode(frame):
                    packet.stream = stream
                    container.mux(packet)
            begun += segment.frames
    return path
