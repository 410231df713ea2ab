"""A source read by FFmpeg through PyAV: cameras, network streams, files and USB cameras.

Together with the other pyav_ modules this is the only door to `av`.
"""

import collections
import time
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from agent.capture.packet_clock import PacketClock
from agent.capture.pyav_decoder import Decoder, PacketUnit, VideoPacket, codec_name, open_context
from agent.capture.pyav_errors import Doing, translate
from agent.capture.pyav_options import Place, options
from agent.capture.pyav_picture import PyavPicture
from agent.capture.source import Interrupted, OpenRequest, Picture, SourceInfo, Stamp, Unit
from agent.errors import Cause, SourceError

_DEFAULT_FPS = 25.0
_SANE_FPS = 1000.0  # what FFmpeg guesses beyond it is a time base, not a rate
# Containers without a clock; what FFmpeg says of their times is an invented 25 frames a second.
_CLOCKLESS = frozenset({"mpjpeg", "mjpeg"})
_LIVE_ALWAYS = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "v4l2"})


class PyavSource:
    """An open source; see `Source`. Made by `open_pyav`."""

    def __init__(self, place: Place, request: OpenRequest, where: str) -> None:
        self._place = place
        self._request = request
        self._where = where
        self._container = self._open()
        try:
            stream = self._video()
            self._codec = codec_name(stream)
            self._live = place.scheme in _LIVE_ALWAYS or (place.network and self._container.duration is None)
            self._clockless = self._live and self._container.format.name in _CLOCKLESS
            fps = None if self._clockless else _rate(stream)
            step_s = 1.0 / (fps or _DEFAULT_FPS)
            self._time_base = stream.time_base or Fraction(1, 90_000)
            try:
                context, choice = open_context(stream, request.hwaccel, hurry=request.hurry)
            except SourceError as err:
                raise self._named(err) from err
            self._decoder = Decoder(context, self._time_base, step_s)
            self._packets = self._demux(stream)
            self._again: collections.deque[PacketUnit] = collections.deque()
            self._clock = PacketClock(self._time_base, step_s)
            self._began_ns = time.monotonic_ns()
            duration = self._container.duration
            width, height, pixel_format = context.width, context.height, context.pix_fmt
            if not (width and height):
                width, height, pixel_format = self._look_for_size()
            self.info = SourceInfo(
                width=width,
                height=height,
                codec=context.codec.canonical_name,
                fps=fps,
                pixel_format=pixel_format or "",
                backend="pyav",
                live=self._live,
                hwaccel=choice.device,
                hwaccel_note=choice.note,
                duration_s=None if duration is None or self._live else duration / 1_000_000,
                reorders=context.has_b_frames,
                parallel=request.hurry and not context.is_hwaccel,
            )
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """See `Source.close`; the decoder lives on with its pictures."""
        self._container.close()

    def read(self) -> Unit:
        """See `Source.read`."""
        if self._again:
            return self._again.popleft()
        return self._read()

    def decode(self, unit: Unit, *, wanted: bool = True) -> list[Picture]:
        """See `Source.decode`."""
        assert isinstance(unit, PacketUnit)  # noqa: S101  units come from `read` of the same source
        return self._decoder.decode(unit, wanted=wanted)

    def flush(self) -> list[Picture]:
        """See `Source.flush`."""
        return self._decoder.flush()

    def restart(self) -> None:
        """See `Source.restart`."""
        self._decoder.restart()

    # --- opening ---

    def _open(self) -> InputContainer:
        began_s = time.monotonic()
        try:
            return av.open(
                self._place.target,
                format=self._place.format,
                options=options(self._place, self._request),
                timeout=(self._request.open_timeout_s, self._request.read_timeout_s),
                metadata_errors="replace",
            )
        except av.error.FFmpegError as err:
            raise self._translated(err, "opening", began_s, self._request.open_timeout_s) from err

    def _video(self) -> VideoStream:
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise SourceError(Cause.CODEC, f"{self._where} has no video in it")
        return stream

    def _look_for_size(self) -> tuple[int, int, str]:
        """Width, height and pixel format of the first picture, for cameras that tell only with a key frame.

        What was read for it is read again afterwards.
        """
        deadline_s = time.monotonic() + self._request.open_timeout_s
        seen: collections.deque[PacketUnit] = collections.deque()
        while time.monotonic() < deadline_s:
            unit = self._read()
            seen.append(unit)
            try:
                pictures = self._decoder.decode(unit)
            except SourceError as err:
                if err.cause is Cause.CODEC:
                    raise self._named(err) from err
                continue
            if pictures:
                self._decoder.restart()
                self._again = seen
                return pictures[0].width, pictures[0].height, _pixel_format(pictures[0])
        raise SourceError(Cause.TIMEOUT, f"{self._where}: no key frame came within the time limit")

    # --- reading ---

    def _demux(self, stream: VideoStream) -> Iterator[VideoPacket]:
        return self._container.demux(stream)

    def _read(self) -> PacketUnit:
        while True:
            began_s = time.monotonic()
            try:
                packet = next(self._packets, None)
            except av.error.FFmpegError as err:
                raise self._translated(err, "reading", began_s, self._request.read_timeout_s) from err
            if packet is None or (packet.size == 0 and packet.pts is None and packet.dts is None):
                self._end_lap()
            elif packet.size > 0:  # to the decoder, an empty one would mean the end
                return self._unit(packet)

    def _unit(self, packet: VideoPacket) -> PacketUnit:
        stamp = Stamp.now()
        pts_s, dts_s = self._clock.times(
            packet.pts, packet.dts, packet.duration, stamp.mono_ns / 1e9 if self._live else None
        )
        if self._clockless:
            pts_s = dts_s = (stamp.mono_ns - self._began_ns) / 1e9
        return PacketUnit(
            packet=packet,
            pts_s=pts_s,
            dts_s=dts_s,
            is_key=packet.is_keyframe,
            size=packet.size,
            stamp=stamp,
            shift_s=self._clock.shift_s,
            lap=self._clock.lap,
        )

    def _end_lap(self) -> None:
        """Begin the file again, its times going on where they were; or raise SourceError(ENDED).

        Opens it anew: seeking would flush the decoder under the thread that decodes.
        """
        if self._live or not self._request.loop or self._clock.idle:
            ended = "the server ended the stream" if self._live else "it is over"
            raise SourceError(Cause.ENDED, f"{self._where}: {ended}")
        self._container.close()
        self._container = self._open()
        stream = self._video()
        if codec_name(stream) != self._codec or stream.time_base != self._time_base:
            raise SourceError(Cause.CORRUPT, f"{self._where} was replaced by another")
        self._packets = self._demux(stream)
        self._clock.begin_lap()

    # --- errors ---

    def _translated(
        self, err: av.error.FFmpegError, doing: Doing, began_s: float, limit_s: float
    ) -> SourceError:
        timed_out = time.monotonic() - began_s >= 0.9 * limit_s
        return self._named(translate(err, doing, place=self._place, timed_out=timed_out))

    def _named(self, error: SourceError) -> SourceError:
        return SourceError(error.cause, f"{self._where}: {error}")


def open_pyav(place: Place, request: OpenRequest, where: str, interrupted: Interrupted) -> PyavSource:
    """Open `place`, which people know as `where`. Raises SourceError."""
    if interrupted():
        raise SourceError(Cause.ENDED, f"{where}: not opened, as nobody wants it any more")
    return PyavSource(place, request, where)


def _pixel_format(picture: Picture) -> str:
    return picture.frame.format.name if isinstance(picture, PyavPicture) else ""


def _rate(stream: VideoStream) -> float | None:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _SANE_FPS:
            return float(rate)
    return None
