"""A picture that came as an array: from OpenCV, an image file or the test scene."""

from dataclasses import dataclass

import cv2
import numpy as np

from agent.capture.jpeg import encode_jpeg, fit_width
from agent.capture.source import Pixels, Unit
from agent.config.algorithms import PixelFormat

_GRAY_NDIM = 2


@dataclass(frozen=True, slots=True)
class ArrayPicture:
    """A `Picture` of (H, W, 3) BGR or (H, W) gray uint8; gray8 and nv12 made of it: full, limited range."""

    pixels: Pixels
    pts_s: float
    unit: Unit | None = None
    is_key: bool = True

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])

    def write(self, out: Pixels, pixel_format: PixelFormat) -> None:
        """See `Picture.write`."""
        gray = self.pixels.ndim == _GRAY_NDIM
        match pixel_format:
            case "bgr24":
                if gray:
                    cv2.cvtColor(self._scaled(out.shape[1], out.shape[0]), cv2.COLOR_GRAY2BGR, dst=out)
                else:
                    self._scale_into(out)
            case "rgb24":
                code = cv2.COLOR_GRAY2RGB if gray else cv2.COLOR_BGR2RGB
                cv2.cvtColor(self._scaled(out.shape[1], out.shape[0]), code, dst=out)
            case "gray8":
                if gray:
                    self._scale_into(out)
                else:
                    cv2.cvtColor(self._scaled(out.shape[1], out.shape[0]), cv2.COLOR_BGR2GRAY, dst=out)
            case "nv12":
                self._write_nv12(out)

    def converted(self, shape: tuple[int, ...], pixel_format: PixelFormat) -> Pixels:
        """See `Picture.converted`."""
        out = np.empty(shape, np.uint8)
        self.write(out, pixel_format)
        out.flags.writeable = False
        return out

    def jpeg(self, quality: int, max_width: int | None) -> bytes:
        """See `Picture.jpeg`."""
        return encode_jpeg(self._scaled(*fit_width(self.width, self.height, max_width)), quality)

    def _write_nv12(self, out: Pixels) -> None:
        height, width = out.shape[0] * 2 // 3, out.shape[1]
        pixels = self._scaled(width, height)
        if pixels.ndim == _GRAY_NDIM:
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        planar = cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420)  # OpenCV makes I420, not NV12
        out[:height] = planar[:height]
        chroma = planar[height:].reshape(2, height // 2, width // 2)
        out[height:, 0::2] = chroma[0]
        out[height:, 1::2] = chroma[1]

    def _interpolation(self, width: int, height: int) -> int:
        shrinks = width <= self.width and height <= self.height
        return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR

    def _scaled(self, width: int, height: int) -> Pixels:
        if (self.width, self.height) == (width, height):
            return self.pixels
        scaled = cv2.resize(self.pixels, (width, height), interpolation=self._interpolation(width, height))
        return np.asarray(scaled, np.uint8)

    def _scale_into(self, out: Pixels) -> None:
        height, width = out.shape[:2]
        if (self.width, self.height) == (width, height):
            np.copyto(out, self.pixels)
        else:
            cv2.resize(
                self.pixels, (width, height), dst=out, interpolation=self._interpolation(width, height)
            )
