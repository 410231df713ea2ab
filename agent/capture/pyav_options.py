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
# A camera that is opened between two key frames is looked at no longer than this (2 to 3.7 s otherwise).
_ANALYZE_CAMERA_US = 500_000


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
                "analyzeduration": str(_ANALYZE_CAMERA_US),
                "fflags": "nobuffer",
            }
        case "rtmp" | "rtmps":
            chosen |= {"rw_timeout": read_us, "analyzeduration": str(_ANALYZE_CAMERA_US)}
        case "http" | "https":
            chosen |= {"rw_timeout": read_us, "analyzeduration": "1000000"}
        case _:
            pass
    return chosen | dict(place.options)
