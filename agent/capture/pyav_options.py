"""What FFmpeg is told for each kind of source: protocols it may use, time limits, how long to look first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.capture.source import OpenRequest

NetworkScheme = Literal["rtsp", "rtsps", "rtmp", "rtmps", "http", "https"]

# What a playlist, a redirect or an SDP can lead FFmpeg to: never from the network to a file or back.
_PROTOCOLS = {
    "file": "file",
    "rtsp": "tcp,udp,rtp",
    "rtsps": "tls,tcp,udp,rtp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
    "v4l2": "",
}
# How long FFmpeg looks at a camera before it gives the first packet. With five frames to tell the rate from
# (20 is the default) a 25 fps camera that begins with a key frame is open after 0.5 s instead of 1.1 s.
# Not `fflags=nobuffer`: it throws away what was looked at, the first key frame with it, and the first picture
# then comes a whole group of pictures later (2.4 s instead of 0.5 s with one every 2 s).
_LOOK = {"analyzeduration": "500000", "fpsprobesize": "5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What FFmpeg opens."""

    target: str  # URL, "file:" path or device; may hold a password
    scheme: NetworkScheme | Literal["file", "v4l2"]
    format: str | None = None  # FFmpeg's demuxer, where it must be named
    options: tuple[tuple[str, str], ...] = ()

    @property
    def network(self) -> bool:
        """Whether it is somewhere else."""
        return self.scheme not in ("file", "v4l2")


def file_place(path: Path) -> Place:
    """A file; the prefix keeps a name such as "concat:a" from being taken for a URL."""
    return Place(target=f"file:{path}", scheme="file")


def options(place: Place, request: OpenRequest) -> dict[str, str]:
    """FFmpeg's options for opening `place`."""
    read_us = str(int(request.read_timeout_s * 1e6))
    chosen: dict[str, str] = {}
    if _PROTOCOLS[place.scheme]:
        chosen["protocol_whitelist"] = _PROTOCOLS[place.scheme]
    match place.scheme:
        case "rtsp" | "rtsps":
            chosen |= {
                "rtsp_transport": request.rtsp_transport,
                "timeout": read_us,
                "allowed_media_types": "video",
                **_LOOK,
            }
        case "rtmp" | "rtmps":
            chosen |= {"rw_timeout": read_us, **_LOOK}
        case "http" | "https":
            chosen |= {"rw_timeout": read_us, **_LOOK, "analyzeduration": "1000000"}
        case _:
            pass
    return chosen | dict(place.options)
