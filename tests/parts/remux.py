"""Files whose packets were changed, replaced or left out: what cameras and networks do to them."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

Edit = Callable[[int, "Packet[Any]"], "Packet[Any] | None"]


def remux(source: Path, path: Path, edit: Edit, options: dict[str, str] | None = None) -> Path:
    """Copy the video packets through `edit`, which may change, replace or leave out each, by its place."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options or {}) as made:
        track = made.add_stream_from_template(given.streams.video[0])
        place = 0
        for packet in given.demux(video=0):
            if packet.size == 0:
                continue
            edited = edit(place, packet)
            place += 1
            if edited is not None:
                edited.stream = track
                made.mux(edited)
    return path


def noise(packet: "Packet[Any]", kept: int = 5) -> "Packet[Any]":
    """The packet with noise behind its first bytes, its times unchanged."""
    data = bytes(packet)
    damaged: Packet[Any] = Packet(data[:kept] + random.Random(1).randbytes(len(data) - kept))  # noqa: S311 - damage, not secrets
    damaged.pts, damaged.dts, damaged.duration = packet.pts, packet.dts, packet.duration
    damaged.time_base = packet.time_base
    damaged.is_keyframe = packet.is_keyframe
    return damaged
