"""PyAV's decoder: packets in, pictures in presentation order out, each with its time and stamp.

One thread decodes, in slices at most, unless all is in a hurry: decoding frames in parallel delays each by
a frame a thread.
"""

import contextlib
import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import av.error
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.capture import hwaccel
from agent.capture.hevc_layers import one_layer
from agent.capture.hwaccel import Choice
from agent.capture.pyav_errors import translate
from agent.capture.pyav_picture import PyavPicture, Scaler
from agent.capture.source import Picture, Stamp
from agent.errors import Cause, SourceError

# Only PyAV's stubs know a packet as generic.
if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]
else:
    VideoPacket = Packet

_V4L2M2M = "v4l2m2m"
# Devices that FFmpeg reaches by decoders named after them; others plug into its usual decoders.
_OWN_DECODERS = frozenset({_V4L2M2M, "qsv", "amf"})
# Their decoders, in software, obey `skip_frame` and know the frames to leave out for certain.
_LEAVE_OUT = frozenset({"h264", "hevc", "mpeg2video", "mpeg4"})
_REMEMBERED = 32  # packets, more than any decoder holds
# So many damaged key frames in a row and never a picture: this is not what its header says.
_HOPELESS_KEY_FRAMES = 8


@dataclass(slots=True, eq=False)
class PacketUnit:
    """A `Unit`: one compressed packet."""

    packet: VideoPacket
    pts_s: float | None
    dts_s: float | None
    is_key: bool
    size: int
    stamp: Stamp
    shift_s: float = 0.0  # added to the times in the packet
    lap: int = 0


class Decoder:
    """The decoder of one source, used in one thread; it outlives its container."""

    def __init__(self, context: VideoCodecContext, time_base: Fraction, step_s: float) -> None:
        self._context = context
        self._time_base = time_base
        self._step_s = step_s  # between two frames, where the stream does not say
        self._scaler = Scaler()
        self._last_s: float | None = None
        self._lap = 0
        self._numbers = itertools.count()
        self._given: dict[int, PacketUnit] = {}  # what has not come out, by its number
        self._seen_key = False
        self._seen_picture = False
        self._bad_key_frames = 0
        self._may_leave_out = leaves_out(context)
        self._leaving_out = False

    def decode(self, unit: PacketUnit, *, wanted: bool = True) -> list[Picture]:
        """See `Source.decode`."""
        pictures: list[Picture] = []
        if unit.lap != self._lap:  # a file began again: first what the decoder still holds of the last lap
            pictures = self.flush()
            self._lap = unit.lap
        self._seen_key |= unit.is_key
        self._leave_out(not wanted)
        # A tuple of its own each time: PyAV knows an opaque object by its address. And only a number in it: a
        # packet knows its container, and that the decoder, which holds what is in here: a circle for ever.
        number = next(self._numbers)
        unit.packet.opaque = (number,)
        self._given[number] = unit
        if len(self._given) > _REMEMBERED:
            del self._given[next(iter(self._given))]
        try:
            frames = self._context.decode(unit.packet)
        except av.error.FFmpegError as err:
            if isinstance(err, av.error.InvalidDataError) and not self._seen_key:
                return pictures  # not damaged: what it refers to came before we did
            raise self._failure(err, unit) from err
        pictures += [self._picture(frame) for frame in frames]
        if frames:
            self._seen_picture = True
        return pictures

    def flush(self) -> list[Picture]:
        """See `Source.flush`; idempotent."""
        try:
            pictures = [self._picture(frame) for frame in self._context.decode(None)]
        except av.error.FFmpegError:
            pictures = []  # flushed before, nothing whole was left, or hardware failed: it begins anew
        self.restart()
        return pictures

    def restart(self) -> None:
        """See `Source.restart`."""
        self._context.flush_buffers()
        self._given.clear()
        self._seen_key = False

    def _leave_out(self, leave_out: bool) -> None:  # noqa: FBT001  it is the one thing that is said
        if self._may_leave_out and leave_out != self._leaving_out:
            self._leaving_out = leave_out
            self._context.skip_frame = "NONREF" if leave_out else "DEFAULT"

    def _failure(self, err: av.error.FFmpegError, unit: PacketUnit) -> SourceError:
        error = translate(err, "decoding", place=None, timed_out=False)
        self._bad_key_frames += unit.is_key
        hopeless = not self._seen_picture and self._bad_key_frames >= _HOPELESS_KEY_FRAMES
        if error.cause is Cause.CODEC or hopeless:
            return SourceError(Cause.CODEC, f"{self._context.name} video cannot be decoded: {error}")
        return SourceError(Cause.CORRUPT, f"a damaged packet of {self._context.name} video")

    def _picture(self, frame: VideoFrame) -> Picture:
        unit = self._unit_of(frame)
        pts = frame.pts if frame.pts is not None else frame.dts
        if unit is not None and unit.pts_s is not None:
            pts_s = unit.pts_s
        elif pts is not None:
            pts_s = float(pts * self._time_base) + (unit.shift_s if unit is not None else 0.0)
        else:
            pts_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        self._last_s = pts_s
        return PyavPicture(frame, pts_s, self._scaler, unit)

    def _unit_of(self, frame: VideoFrame) -> PacketUnit | None:
        if frame.opaque is not None:
            return self._given.pop(cast("tuple[int]", frame.opaque)[0], None)
        # Decoders of small boards may not carry the opaque object through.
        units = list(reversed(self._given.values()))
        same = (unit for unit in units if unit.packet.pts == frame.pts)
        return next(same, units[0] if units else None)


def open_context(
    stream: VideoStream, wanted: str, *, hurry: bool = False
) -> tuple[VideoCodecContext, Choice[VideoCodecContext]]:
    """The decoder for `stream`: hardware if `wanted` and possible, else software; in a hurry, on all cores.

    Raises SourceError when there is none at all.
    """
    software = _software_context(stream)
    if software is None:
        raise SourceError(Cause.CODEC, "its codec is not supported")
    compiled = [*hwdevices_available(), _V4L2M2M]
    choice = hwaccel.choose(
        wanted,
        codec=software.name,
        compiled=compiled,
        attempt=lambda device: _hardware_context(software, device),
    )
    context = choice.decoder or software
    if not context.is_open:
        context.thread_type = ThreadType.AUTO if hurry else ThreadType.SLICE
        context.thread_count = 0 if hurry else 1
    context.copy_opaque = True
    return context, choice


def leaves_out(context: VideoCodecContext) -> bool:
    """Whether frames that no other refers to can be told from their headers alone, and left out.

    Not with HEVC in several temporal layers: there such a frame may serve a higher layer.
    """
    if context.is_hwaccel or context.name not in _LEAVE_OUT:
        return False
    return context.codec.canonical_name != "hevc" or one_layer(context.extradata or b"")


def codec_name(stream: VideoStream) -> str:
    """FFmpeg's name of the decoder for `stream`, "" when there is none."""
    context = _software_context(stream)
    return "" if context is None else context.name


def hardware(codec: str = "h264") -> tuple[str, ...]:
    """The devices that decode `codec` on this machine; loads their drivers."""
    software = cast("VideoCodecContext", av.CodecContext.create(codec, "r"))
    devices = (*hwdevices_available(), _V4L2M2M)
    return tuple(device for device in devices if not isinstance(_hardware_context(software, device), str))


def _software_context(stream: VideoStream) -> VideoCodecContext | None:
    # PyAV gives a stream that no decoder of this build knows no context, whatever its stubs say.
    return cast("VideoCodecContext | None", stream.codec_context)


def _hardware_context(software: VideoCodecContext, device: str) -> VideoCodecContext | str:
    """A decoder on `device` with the parameters of `software`, or why there is none."""
    try:
        codec = software.codec.canonical_name
        if device in _OWN_DECODERS:
            codec = f"{codec}_{device}"
        if device == _V4L2M2M:  # the decoder is all there is, no device is opened beforehand
            context = av.CodecContext.create(codec, "r")
        else:
            accelerator = HWAccel(device_type=device, allow_software_fallback=True)
            context = av.CodecContext.create(codec, "r", hwaccel=accelerator)
            if not context.is_hwaccel:
                return f"not available for {software.name}"
        context = cast("VideoCodecContext", context)
        context.extradata = software.extradata
        with contextlib.suppress(ValueError):  # a tag that is no text: only for odd old codecs it matters
            context.codec_tag = software.codec_tag
        context.width, context.height = software.width, software.height
        if device == _V4L2M2M:
            context.open()  # this one shows now whether the machine has it
    except (av.error.FFmpegError, ValueError) as err:
        return (getattr(err, "strerror", None) or "no such decoder").strip().lower()
    return context
