"""A source read by OpenCV, for what FFmpeg through PyAV cannot open.

OpenCV demuxes, decodes and converts in one call, so every frame costs its full price, wanted or not, and
it says only "no" when something fails: causes are told as far as they can be.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from agent.capture.array_picture import ArrayPicture
from agent.capture.array_source import PictureUnit, WholePictures
from agent.capture.pyav_options import Place, options
from agent.capture.source import Interrupted, OpenRequest, Picture, SourceInfo, Stamp, Unit
from agent.errors import Cause, SourceError

_DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
_CODEC_NAMES = {"avc1": "h264", "hev1": "hevc", "hvc1": "hevc", "mjpg": "mjpeg", "vp09": "vp9", "vp90": "vp9"}
_SANE_FPS = 1000.0
_DEFAULT_FPS = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a USB camera is asked for; None leaves it to the driver."""

    size: tuple[int, int] | None = None
    fps: float | None = None
    format: str | None = None


class OpencvSource(WholePictures):
    """An open source; see `Source`. Its units are pictures already."""

    def __init__(
        self,
        place: Place,
        request: OpenRequest,
        where: str,
        interrupted: Interrupted,
        asked: Asked | None = None,
    ) -> None:
        if interrupted():
            raise SourceError(Cause.ENDED, f"{where}: not opened, as nobody wants it any more")
        self._place = place
        self._request = request
        self._where = where
        self._asked = asked or Asked()
        self._capture = self._open()
        get = self._capture.get
        frames = get(cv2.CAP_PROP_FRAME_COUNT)
        live = place.scheme == "v4l2" or (place.network and (place.scheme.startswith("rt") or frames <= 0))
        fps = get(cv2.CAP_PROP_FPS)
        rate = fps if 0 < fps <= _SANE_FPS else None
        self._step_s = 1.0 / (rate or _DEFAULT_FPS)
        self._shift_s = 0.0
        self._last_s: float | None = None
        self._read_any = False
        self.info = SourceInfo(
            width=int(get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(get(cv2.CAP_PROP_FRAME_HEIGHT)),
            codec=_codec(int(get(cv2.CAP_PROP_FOURCC))),
            fps=rate,
            pixel_format="bgr24",
            backend="opencv",
            live=live,
            duration_s=frames / rate if not live and rate and frames > 0 else None,
        )

    def close(self) -> None:
        """See `Source.close`."""
        self._capture.release()

    def read(self) -> Unit:
        """See `Source.read`."""
        while True:
            began_s = time.monotonic()
            ok, pixels = self._capture.read()
            if ok:
                break
            self._after_last(time.monotonic() - began_s)
        stamp = Stamp.now()
        self._read_any = True
        return PictureUnit(content=pixels, pts_s=self._time_of(stamp), size=int(pixels.nbytes), stamp=stamp)

    def decode(self, unit: Unit, *, wanted: bool = True) -> list[Picture]:  # noqa: ARG002  a picture costs the same
        """The picture that came."""
        assert isinstance(unit, PictureUnit)  # noqa: S101  units come from `read` of the same source
        return [ArrayPicture(np.asarray(unit.content, np.uint8), unit.pts_s, unit)]

    def _open(self) -> cv2.VideoCapture:
        # OpenCV's and its FFmpeg's warnings hold the whole URL, password included.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
        if self._place.network and not self._place.guarded:
            self._knock()
        elif not self._place.network and not Path(self._path).exists():
            raise SourceError(Cause.NOT_FOUND, f"{self._where}: there is no such file or device")
        began_s = time.monotonic()
        if self._place.scheme == "v4l2":
            capture = cv2.VideoCapture(self._path, cv2.CAP_V4L2)
            self._ask(capture)
        else:
            # The only way to give FFmpeg options; it is read when a capture opens.
            pairs = options(self._place, self._request).items()
            given = "|".join(f"{key};{value}" for key, value in pairs)
            limits = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                int(self._request.open_timeout_s * 1000),
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                int(self._request.read_timeout_s * 1000),
            ]
            with _environment("OPENCV_FFMPEG_CAPTURE_OPTIONS", given):
                capture = cv2.VideoCapture(self._place.target, cv2.CAP_FFMPEG, limits)
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # as with PyAV
        if not capture.isOpened():
            capture.release()
            raise self._not_opened(time.monotonic() - began_s)
        return capture

    @property
    def _path(self) -> str:
        return self._place.target.removeprefix("file:")

    def _ask(self, capture: cv2.VideoCapture) -> None:
        if self._asked.format is not None:
            fourcc = {"mjpeg": "MJPG", "yuyv422": "YUYV", "h264": "H264"}.get(self._asked.format)
            if fourcc:
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
        if self._asked.size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._asked.size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._asked.size[1])
        if self._asked.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self._asked.fps)

    def _knock(self) -> None:
        """Connect once, to tell a host that is down from a stream that OpenCV cannot open."""
        url = urlsplit(self._place.target)
        try:
            port = url.port or _DEFAULT_PORTS[self._place.scheme]
            with socket.create_connection((url.hostname or "", port), self._request.open_timeout_s):
                return
        except TimeoutError as err:
            raise SourceError(Cause.TIMEOUT, f"{self._where}: no answer came in the time limit") from err
        except (OSError, ValueError) as err:
            raise SourceError(Cause.REFUSED, f"{self._where}: nobody listens there") from err

    def _not_opened(self, took_s: float) -> SourceError:
        if self._place.network:
            if took_s >= 0.9 * self._request.open_timeout_s:
                return SourceError(Cause.TIMEOUT, f"{self._where}: no answer came in the time limit")
            reason = "the server answers, but OpenCV cannot open the stream (wrong path, password or codec)"
            return SourceError(Cause.NOT_FOUND, f"{self._where}: {reason}")
        if self._place.scheme == "v4l2":
            return SourceError(Cause.REFUSED, f"{self._where}: the device is in use, or no camera")
        return SourceError(Cause.CORRUPT, f"{self._where}: OpenCV finds no video in it")

    def _after_last(self, took_s: float) -> None:
        """No frame came: begin the file again, or raise SourceError."""
        if self.info.live:
            if took_s >= 0.9 * self._request.read_timeout_s:
                raise SourceError(Cause.TIMEOUT, f"{self._where}: no data came within the time limit")
            raise SourceError(Cause.ENDED, f"{self._where}: the stream ended")
        if not self._request.loop or not self._read_any:
            raise SourceError(Cause.ENDED, f"{self._where}: it is over")
        self._capture.release()
        self._capture = self._open()
        self._read_any = False
        self._shift_s = 0.0 if self._last_s is None else self._last_s + self._step_s

    def _time_of(self, stamp: Stamp) -> float:
        """Presentation time of the frame just read; OpenCV gives 0 or the last one again for "unknown"."""
        if self._place.scheme == "v4l2":
            return stamp.mono_ns / 1e9
        if self.info.live:  # the position is a frame off there, or runs backwards at first (measured)
            pts_s = self._capture.get(cv2.CAP_PROP_PTS) * self._step_s
        else:
            pts_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 + self._shift_s
        if self._last_s is not None and pts_s <= self._last_s:
            pts_s = self._last_s + self._step_s
        self._last_s = pts_s
        return pts_s


def _codec(fourcc: int) -> str:
    """FFmpeg's name of a codec, or its four letters."""
    letters = (fourcc & 0xFFFFFFFF).to_bytes(4, "little").decode("ascii", "replace").strip("\0 ").lower()
    return _CODEC_NAMES.get(letters, letters)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """A variable for as long as the block lasts: whatever is opened next has options of its own."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
