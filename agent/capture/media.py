"""Opening what FFmpeg or OpenCV reads."""

from urllib.parse import SplitResult, urlunsplit

from agent.capture.pyav_options import Place
from agent.capture.source import Interrupted, OpenRequest, Source


def open_media(place: Place, request: OpenRequest, where: str, interrupted: Interrupted) -> Source:
    """Open `place`, which people know as `where`. Raises SourceError."""
    # Each backend costs memory that a stream with the other one need not pay.
    if request.backend == "opencv":
        from agent.capture.opencv_source import OpencvSource  # noqa: PLC0415

        return OpencvSource(place, request, request.redact(where), interrupted)
    from agent.capture.pyav_source import open_pyav  # noqa: PLC0415

    return open_pyav(place, request, request.redact(where), interrupted)


def without_secrets(parts: SplitResult) -> str:
    """Give a URL as people may read it: no user, password or parameters."""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
