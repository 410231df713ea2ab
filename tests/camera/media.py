"""A video file as the access units that the test camera sends, and how SDP describes them."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

CLOCK_HZ = 90_000
_START_CODE = re.compile(b"\x00\x00\x01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One coded picture: `shown` and `sent` are its presentation and decoding times, in 1/90000 s from 0."""

    parts: tuple[bytes, ...]  # NAL units without start codes; for JPEG the one whole image
    shown: int
    sent: int
    key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A whole file, to be sent over and over: `length` is the time of one round, in 1/90000 s."""

    codec: str  # "h264", "hevc" or "mjpeg"
    units: tuple[Unit, ...]
    length: int
    parameter_sets: tuple[bytes, ...]

    @property
    def payload_type(self) -> int:
        """Of RTP; 26 is JPEG's own (RFC 3551)."""
        return 26 if self.codec == "mjpeg" else 96

    def sdp_lines(self) -> list[str]:
        """The attributes of the media section: `rtpmap`, and `fmtp` with the parameter sets."""
        kind = self.payload_type
        if self.codec == "mjpeg":
            return [f"a=rtpmap:{kind} JPEG/{CLOCK_HZ}"]
        encoded = [(part, base64.b64encode(part).decode()) for part in self.parameter_sets]
        if self.codec == "h264":
            level = next((part[1:4].hex() for part, _ in encoded if part[0] & 31 == 7), "42e01f")
            sets = ",".join(text for _, text in encoded)
            return [
                f"a=rtpmap:{kind} H264/{CLOCK_HZ}",
                f"a=fmtp:{kind} packetization-mode=1;profile-level-id={level};sprop-parameter-sets={sets}",
            ]
        names = {32: "vps", 33: "sps", 34: "pps"}
        sets = ";".join(f"sprop-{names[part[0] >> 1 & 63]}={text}" for part, text in encoded)
        return [f"a=rtpmap:{kind} H265/{CLOCK_HZ}", f"a=fmtp:{kind} {sets}"]


def load(path: Path) -> Media:
    """Read the first video stream of any container; ValueError for a codec that the camera cannot send."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        extra = bytes(stream.codec_context.extradata or b"")
        if codec not in {"h264", "hevc", "mjpeg"}:
            raise ValueError(f"{path} is {codec}; the test camera sends h264, hevc and mjpeg")
        prefixed = codec != "mjpeg" and extra[:1] == b"\x01"  # avcC or hvcC: lengths instead of start codes
        packets = []
        for packet in container.demux(stream):
            if packet.size:
                assert packet.time_base is not None
                packets.append((packet, bytes(packet), packet.time_base))
        frame = round(CLOCK_HZ / (stream.average_rate or Fraction(25)))
    shown = _times([None if packet.pts is None else packet.pts * base for packet, _, base in packets], frame)
    # Matroska does not give the first decoding times when there are B-frames; order is all that matters.
    sent = sorted(shown)
    delay = max(late - early for late, early in zip(sent, shown, strict=True))
    units = tuple(
        Unit(
            parts=(data,)
            if codec == "mjpeg"
            else tuple(_by_length(data) if prefixed else _by_start_code(data)),
            shown=pts + delay,
            sent=dts,
            key=packet.is_keyframe,
        )
        for (packet, data, _), pts, dts in zip(packets, shown, sent, strict=True)
    )
    steps = sorted(late - early for early, late in pairwise(sent)) or [frame]
    return Media(
        codec=codec,
        units=units,
        # One round ends as long after the last picture as pictures usually follow each other.
        length=sent[-1] + steps[len(steps) // 2],
        parameter_sets=_parameter_sets(codec, extra, units[0].parts),
    )


def _times(times_s: list[Fraction | None], frame: int) -> list[int]:
    """In 1/90000 s from the earliest; a bare elementary stream has none, and gets the usual distance."""
    known = [time for time in times_s if time is not None]
    if len(known) != len(times_s):
        return [index * frame for index in range(len(times_s))]
    first = min(known)
    return [round((time - first) * CLOCK_HZ) for time in known]


def _by_length(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def _by_start_code(data: bytes) -> Iterator[bytes]:
    starts = [found.end() for found in _START_CODE.finditer(data)]
    for start, following in pairwise([*starts, len(data) + 3]):
        # Zeros before the next start code belong to it, or are padding.
        yield data[start : following - 3].rstrip(b"\x00")


def _parameter_sets(codec: str, extra: bytes, first: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """SPS and PPS, for HEVC VPS too: from the container's header, or from before the first picture."""
    if codec == "mjpeg":
        return ()
    if extra[:1] == b"\x01":
        parts = tuple(_from_avcc(extra) if codec == "h264" else _from_hvcc(extra))
    else:
        parts = tuple(_by_start_code(extra)) or first
    if codec == "h264":
        return tuple(part for part in parts if part[0] & 31 in {7, 8})
    return tuple(part for part in parts if part[0] >> 1 & 63 in {32, 33, 34})


def _from_avcc(extra: bytes) -> Iterator[bytes]:
    at = 5  # ISO/IEC 14496-15, AVCDecoderConfigurationRecord
    for mask in (31, 255):
        count = extra[at] & mask
        at += 1
        for _ in range(count):
            length = int.from_bytes(extra[at : at + 2], "big")
            yield extra[at + 2 : at + 2 + length]
            at += 2 + length


def _from_hvcc(extra: bytes) -> Iterator[bytes]:
    at = 23  # ISO/IEC 14496-15, HEVCDecoderConfigurationRecord
    for _ in range(extra[22]):
        count = int.from_bytes(extra[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(extra[at : at + 2], "big")
            yield extra[at + 2 : at + 2 + length]
            at += 2 + length
