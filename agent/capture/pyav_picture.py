"""A decoded frame of PyAV, and how it gets into a slot.

Colours: swscale is told the frame's own matrix and range, and takes BT.601, limited range, where the
stream says nothing: the pixels are those of ffmpeg, and for untagged video those of OpenCV. Rotation that
a container asks for is left to whoever shows the picture.

PyAV cannot scale into memory of ours, so that what swscale gives is copied once (0.2 ms for 1080p BGR,
beside 1 ms for the conversion); a luma plane of the right size is copied straight from the decoder.
"""

from dataclasses import dataclass
from typing import cast

import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from agent.capture.jpeg import encode_jpeg, fit_width
from agent.capture.source import Pixels, Unit
from agent.config.algorithms import PixelFormat
from agent.errors import Cause, SourceError

_MAX_SCALERS = 16
_PACKED = frozenset({"bgr24", "rgb24"})
# The first plane is luma, one byte a pixel.
_LUMA_FORMATS = frozenset(
    {f"yuv{j}{s}p" for j in ("", "j") for s in (410, 411, 420, 422, 440, 444)}
    | {"nv12", "nv21", "nv16", "nv24", "gray", "gray8", "yuva420p", "yuva422p", "yuva444p"}
)


class Scaler:
    """One swscale context for each size and format asked for: setting one up costs more than a small frame.

    At most 16; then all are dropped and made again as needed.
    """

    def __init__(self) -> None:
        self._reformatters: dict[tuple[int, int, str], VideoReformatter] = {}

    def scale(self, frame: VideoFrame, width: int, height: int, pixel_format: str) -> VideoFrame:
        """`frame` in another size and format, in one pass; the frame itself where there is nothing to do.

        Averages areas when it shrinks (0.7 ms from 1080p to 640x360; bilinear 1.0, bicubic 2.3, and the
        result is as near to OpenCV's INTER_AREA), interpolates bilinearly when it grows.
        """
        key = (width, height, pixel_format)
        if key not in self._reformatters:
            if len(self._reformatters) == _MAX_SCALERS:
                self._reformatters.clear()
            self._reformatters[key] = VideoReformatter()
        # What FFmpeg's older formats say by their name must not be lost on the way to one that cannot.
        full_range = ColorRange.JPEG if frame.format.name.startswith("yuvj") else None
        shrinks = width <= frame.width and height <= frame.height
        return self._reformatters[key].reformat(
            frame,
            width,
            height,
            pixel_format,
            src_color_range=full_range,
            dst_color_range=full_range,
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
            threads=1,
        )


@dataclass(frozen=True, slots=True)
class PyavPicture:
    """A `Picture` in the memory of FFmpeg's decoder."""

    frame: VideoFrame
    pts_s: float
    scaler: Scaler
    unit: Unit | None = None

    @property
    def width(self) -> int:
        """Pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.frame.height

    @property
    def is_key(self) -> bool:
        """Whether it can be decoded alone."""
        return self.frame.key_frame

    def write(self, out: Pixels, pixel_format: PixelFormat) -> None:
        """See `Picture.write`."""
        try:
            match pixel_format:
                case "bgr24" | "rgb24":
                    height, width, _ = out.shape
                    scaled = self.scaler.scale(self.frame, width, height, pixel_format)
                    _copy(scaled.planes[0], out.reshape(height, width * 3))
                case "gray8":
                    _copy(self._luma(out.shape[1], out.shape[0]), out)
                case "nv12":
                    height, width = out.shape[0] * 2 // 3, out.shape[1]
                    scaled = self.scaler.scale(self.frame, width, height, "nv12")
                    _copy(scaled.planes[0], out[:height])
                    _copy(scaled.planes[1], out[height:])
        except av.error.FFmpegError as err:
            raise self._unfit(pixel_format) from err

    def converted(self, shape: tuple[int, ...], pixel_format: PixelFormat) -> Pixels:
        """See `Picture.converted`: what swscale gives is not copied where its lines have no padding."""
        if pixel_format in _PACKED:
            height, width, _ = shape
            try:
                plane = self.scaler.scale(self.frame, width, height, pixel_format).planes[0]
            except av.error.FFmpegError as err:
                raise self._unfit(pixel_format) from err
            if plane.line_size == width * 3:
                out = _lines(plane)[:height].reshape(shape)
                out.flags.writeable = False
                return out
        out = np.empty(shape, np.uint8)
        self.write(out, pixel_format)
        out.flags.writeable = False
        return out

    def _unfit(self, pixel_format: PixelFormat) -> SourceError:
        return SourceError(Cause.CODEC, f"{self.frame.format.name} cannot be converted to {pixel_format}")

    def jpeg(self, quality: int, max_width: int | None) -> bytes:
        """See `Picture.jpeg`."""
        width, height = fit_width(self.width, self.height, max_width)
        pixels = np.empty((height, width, 3), np.uint8)
        self.write(pixels, "bgr24")
        return encode_jpeg(pixels, quality)

    def _luma(self, width: int, height: int) -> VideoPlane:
        frame, name = self.frame, self.frame.format.name
        if name not in _LUMA_FORMATS:
            # RGB has no luma plane, and others pack it or have more than 8 bits.
            target = "gray" if frame.format.is_rgb else "yuv420p"
            return self.scaler.scale(frame, width, height, target).planes[0]
        if (frame.width, frame.height) == (width, height):
            return frame.planes[0]
        # As a gray frame of its own, or swscale would stretch the range and work on the colours too.
        lines = _lines(frame.planes[0])[: frame.height, : frame.width]
        return self.scaler.scale(VideoFrame.from_numpy_buffer(lines, "gray"), width, height, "gray").planes[0]


def _lines(plane: VideoPlane) -> Pixels:
    """A plane as (lines, bytes a line with padding) uint8, without a copy."""
    # PyAV's stubs do not say that a plane is a buffer.
    data = np.frombuffer(cast("memoryview[int]", plane), np.uint8)
    return data.reshape(-1, plane.line_size)


def _copy(plane: VideoPlane, out: Pixels) -> None:
    """Copy a plane into `out` of shape (lines, bytes a line)."""
    rows, row_bytes = out.shape
    np.copyto(out, _lines(plane)[:rows, :row_bytes])
