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
# The same for a source that a command named, which has a guard (`agent.capture.guard`).
_GUARDED_PROTOCOLS = {
    "file": "file",
    "rtsp": "tcp",
    "rtmp": "rtmp,tcp",
    "http": "http,tcp,crypto",
}
# And the containers that may be in it: none that names other files or hosts, such as concat, sdp and image2;
# but for HLS, whose playlists name what goes through the guard. The small ones are for sound in HLS.
_CONTAINERS = (
    "mov,matroska,webm,mpegts,mpeg,mpegvideo,flv,live_flv,avi,asf,ogg,nut,mxf,ivf,dv,h264,hevc,obu,av1,vvc"
)
_PICTURES = "mjpeg,mpjpeg,gif,apng,jpeg_pipe,png_pipe,bmp_pipe,webp_pipe,tiff_pipe"
_GUARDED_FORMATS = {
    "file": f"{_CONTAINERS},{_PICTURES},yuv4mpegpipe",
    "rtsp": "rtsp,mpegts,asf",
    "rtmp": "flv,live_flv",
    "http": f"{_CONTAINERS},{_PICTURES},hls,aac,mp3,ac3,eac3,webvtt",
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
    guarded: bool = False  # a command named it

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
    if place.guarded:
        chosen["protocol_whitelist"] = _GUARDED_PROTOCOLS[place.scheme]
        chosen["format_whitelist"] = _GUARDED_FORMATS[place.scheme]
        if place.scheme == "rtsp" and request.rtsp_transport == "udp":
            chosen["protocol_whitelist"] += ",udp,rtp"
    elif _PROTOCOLS[place.scheme]:
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
