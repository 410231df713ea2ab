"""RTP payloads of H.264 (RFC 6184), HEVC (RFC 7798) and JPEG (RFC 2435), and RTCP sender reports."""

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MTU = 1400  # bytes of payload in a packet, below what Ethernet carries
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970


def h264_payloads(nals: Sequence[bytes]) -> Iterator[bytes]:
    """Whole NAL units, small ones joined (STAP-A, as for parameter sets), large ones cut (FU-A)."""
    yield from _payloads(
        nals,
        header_bytes=1,
        joined=lambda group: bytes([max(nal[0] & 0x60 for nal in group) | 24]),
        cut=lambda nal, begins, ends: bytes([nal[0] & 0xE0 | 28, begins << 7 | ends << 6 | nal[0] & 0x1F]),
    )


def hevc_payloads(nals: Sequence[bytes]) -> Iterator[bytes]:
    """Likewise, with aggregation packets (48) and fragmentation units (49)."""
    yield from _payloads(
        nals,
        header_bytes=2,
        joined=lambda group: bytes([group[0][0] & 0x81 | 48 << 1, group[0][1]]),
        cut=lambda nal, begins, ends: bytes(
            [nal[0] & 0x81 | 49 << 1, nal[1], begins << 7 | ends << 6 | nal[0] >> 1 & 0x3F]
        ),
    )


def _payloads(
    nals: Sequence[bytes],
    *,
    header_bytes: int,
    joined: Callable[[list[bytes]], bytes],
    cut: Callable[[bytes, bool, bool], bytes],
) -> Iterator[bytes]:
    group: list[bytes] = []
    for nal in [*nals, b""]:
        fits = nal and sum(len(other) + 2 for other in group) + len(nal) + 2 + header_bytes <= MTU
        if group and not fits:
            if len(group) == 1:
                yield group[0]
            else:
                yield joined(group) + b"".join(len(one).to_bytes(2, "big") + one for one in group)
            group = []
        if nal and len(nal) + 2 + header_bytes <= MTU:
            group.append(nal)
        elif nal and len(nal) <= MTU:
            yield nal
        elif nal:
            step = MTU - 3
            for at in range(header_bytes, len(nal), step):
                ends = at + step >= len(nal)
                yield cut(nal, at == header_bytes, ends) + nal[at : at + step]


def jpeg_payloads(parts: Sequence[bytes]) -> Iterator[bytes]:
    """One JPEG in fragments; its quantisation tables travel in the first (Q = 255).

    ValueError for what the format cannot carry: sizes over 2040, other than 4:2:2 and 4:2:0, or Huffman
    tables (not sent) that are not the standard ones, which is for the encoder to see to.
    """
    (image,) = parts
    tables, kind, width, height, scan = _jpeg_facts(image)
    at = 0
    while at < len(scan):
        header = struct.pack(">BBHBBBB", 0, *divmod(at, 1 << 16), kind, 255, width // 8, height // 8)
        if at == 0:
            header += struct.pack(">BBH", 0, 0, len(tables)) + tables
        chunk = scan[at : at + MTU - len(header)]
        yield header + chunk
        at += len(chunk)


def _jpeg_facts(image: bytes) -> tuple[bytes, int, int, int, bytes]:
    tables: dict[int, bytes] = {}
    kind = width = height = 0
    at = 2
    while True:
        marker, length = struct.unpack_from(">HH", image, at)
        body = image[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            while body:
                if body[0] >> 4:
                    raise ValueError("16-bit quantisation tables")
                tables[body[0] & 15] = body[1:65]
                body = body[65:]
        elif marker == 0xFFC0:
            height, width = struct.unpack_from(">HH", body, 1)
            if body[7] not in {0x21, 0x22} or max(width, height) > 2040 or width % 8 or height % 8:
                raise ValueError(f"RTP cannot carry JPEG of {width}x{height}, sampling {body[7]:#x}")
            kind = int(body[7] == 0x22)
        elif marker == 0xFFDA:
            scan = image[at:].removesuffix(b"\xff\xd9")
            # Luminance, then chrominance: with one table only, FFmpeg means it for both.
            return tables[0] + tables.get(1, tables[0]), kind, width, height, scan


PAYLOADS: dict[str, Callable[[Sequence[bytes]], Iterator[bytes]]] = {
    "h264": h264_payloads,
    "hevc": hevc_payloads,
    "mjpeg": jpeg_payloads,
}


@dataclass(slots=True, kw_only=True)
class RtpStream:
    """One receiver's numbering: sequence numbers, a random origin of time, and what was sent."""

    kind: int
    source: int
    sequence: int
    origin: int
    packets: int = 0
    octets: int = 0

    def packet(self, payload: bytes, timestamp: int, *, last: bool) -> bytes:
        """The next RTP packet; `last` marks the end of a picture. `timestamp` is in 1/90000 s from 0."""
        header = struct.pack(
            ">BBHII",
            0x80,
            last << 7 | self.kind,
            self.sequence,
            (self.origin + timestamp) & 0xFFFFFFFF,
            self.source,
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return header + payload

    def sender_report(self, timestamp: int) -> bytes:
        """RTCP: which wall-clock time `timestamp` is."""
        now_s = time.time() + NTP_EPOCH_S
        return struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            self.source,
            int(now_s),
            int(now_s % 1 * (1 << 32)),
            (self.origin + timestamp) & 0xFFFFFFFF,
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
        )

    def goodbye(self) -> bytes:
        """RTCP: nothing more will come."""
        return struct.pack(">BBHI", 0x81, 203, 1, self.source)
