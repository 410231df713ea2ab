"""The least that taking one frame every now and then can cost: `... URL INTERVAL_S [--paced]`.

What somebody would write who knows FFmpeg and wants this and nothing else: one thread that reads packets,
keeps those of the current group of pictures, decodes just what a wanted frame needs, and converts it to BGR.
The rule is the agent's (`keyframes = "auto"`): a due run waits for a key frame that is to be expected within
half an interval; else the frame that is due is decoded, from the key frame of its group on. With
`--exact` it waits for none. With `--paced` a file is played at its own pace, over and over.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

VideoPacket: TypeAlias = "Packet[VideoStream]"  # generic in PyAV's stubs alone
ROUNDING_S = 0.001  # containers round to a millisecond


class Group:
    """The packets of one group of pictures, and how far they are decoded."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._decoder = decoder
        self._reformatter = VideoReformatter()
        self._packets: list[VideoPacket] = []
        self._decoded = 0

    def add(self, packet: VideoPacket) -> None:
        """The next packet; a key frame begins anew."""
        if packet.is_keyframe:
            self._packets.clear()
            if self._decoded:
                self._decoder.flush_buffers()
            self._decoded = 0
        self._packets.append(packet)

    def newest(self) -> tuple[int, int]:
        """Decode up to the newest packet and convert its frame to BGR; returns its width and height."""
        frame = None
        for packet in self._packets[self._decoded :]:
            for decoded in self._decoder.decode(packet):
                frame = decoded
        self._decoded = len(self._packets)
        assert frame is not None, "a stream without B-frames gives a frame for each packet"
        picture = self._reformatter.reformat(frame, format="bgr24", threads=1)
        return picture.width, picture.height


class Rule:
    """When a run is due, and which packet it gets."""

    def __init__(self, interval_s: float, *, exact: bool) -> None:
        self._interval_s = interval_s
        self._may_wait_s = 0.0 if exact else interval_s / 2
        self._due_s: float | None = None
        self._key_s: float | None = None
        self._key_interval_s = 2.0

    def takes(self, packet_s: float, *, key: bool) -> bool:
        """Whether the run that is due takes this packet's frame."""
        if key:
            if self._key_s is not None:
                self._key_interval_s = packet_s - self._key_s
            self._key_s = packet_s
        if self._key_s is None:
            return False
        if self._due_s is None:
            self._due_s = packet_s
        if packet_s < self._due_s - ROUNDING_S:
            return False
        limit_s = self._due_s + self._may_wait_s + ROUNDING_S
        if not key and self._key_s + self._key_interval_s <= limit_s and packet_s <= limit_s:
            return False
        if self._interval_s:
            periods = int((packet_s - self._due_s + ROUNDING_S) / self._interval_s) + 1
            self._due_s += periods * self._interval_s
        return True


def packets(container: InputContainer, *, paced: bool) -> Iterator[tuple[VideoPacket, float]]:
    """Each packet and its time in seconds; `paced`: not before its time, and over and over."""
    began_s, passed_s = time.monotonic(), 0.0
    for turn in itertools.count():
        if turn:
            container.seek(0)
        last_s = 0.0
        for packet in container.demux(video=0):
            if packet.pts is None:  # the empty one at the end
                continue
            at_s = float(packet.pts * packet.time_base)
            if paced:
                time.sleep(max(0.0, began_s + passed_s + at_s - time.monotonic()))
                last_s = at_s + float((packet.duration or 0) * packet.time_base)
            yield packet, passed_s + at_s
        passed_s += last_s
        if not paced:
            return


def main() -> None:
    """Until the source ends, or somebody ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("interval_s", type=float)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--paced", action="store_true")
    options = parser.parse_args()
    rule = Rule(options.interval_s, exact=options.exact)
    tcp = {"rtsp_transport": "tcp"} if options.url.startswith("rtsp") else {}
    with av.open(options.url, options=tcp) as container:
        decoder = container.streams.video[0].codec_context
        decoder.thread_type, decoder.thread_count = ThreadType.SLICE, 1
        group = Group(decoder)
        for packet, at_s in packets(container, paced=options.paced):
            group.add(packet)
            if rule.takes(at_s, key=packet.is_keyframe):
                print(*group.newest(), flush=True)


if __name__ == "__main__":
    main()
