"""PyAV's errors in our words.

PyAV's texts hold the whole URL, password included (measured), so none of them is passed on, and what is
chained as `__cause__` is stripped of it.
"""

import errno
from typing import Literal

import av.error

from agent.capture.pyav_options import Place
from agent.errors import Cause, SourceError

Doing = Literal["opening", "reading", "decoding"]

_BY_TYPE: tuple[tuple[type[BaseException], Cause, str], ...] = (
    (av.error.HTTPUnauthorizedError, Cause.AUTH, "the user name or password is refused"),
    (av.error.HTTPForbiddenError, Cause.AUTH, "access is forbidden to this user"),
    (av.error.HTTPNotFoundError, Cause.NOT_FOUND, "the server has no such stream"),
    (av.error.HTTPTooManyRequestsError, Cause.REFUSED, "the server has too many requests"),
    (av.error.HTTPClientError, Cause.NOT_FOUND, "the server does not understand what is asked of it"),
    (av.error.HTTPServerError, Cause.REFUSED, "the server reports an error of its own"),
    (av.error.ExitError, Cause.TIMEOUT, "no data came within the time limit"),
    (av.error.TimeoutError, Cause.TIMEOUT, "no data came within the time limit"),
    (av.error.BlockingIOError, Cause.TIMEOUT, "no data came within the time limit"),
    (av.error.ConnectionRefusedError, Cause.REFUSED, "nobody listens there"),
    (av.error.FileNotFoundError, Cause.NOT_FOUND, "there is no such file or device"),
    (av.error.NotADirectoryError, Cause.NOT_FOUND, "there is no such file or device"),
    (av.error.IsADirectoryError, Cause.NOT_FOUND, "it is a folder"),
    (av.error.PermissionError, Cause.NOT_FOUND, "this user may not read it"),
    (av.error.DemuxerNotFoundError, Cause.CODEC, "its container format is not supported"),
    (av.error.ProtocolNotFoundError, Cause.CODEC, "it leads to a protocol that is not allowed"),
    (av.error.LookupError, Cause.CODEC, "its codec is not supported"),
    (av.error.PatchWelcomeError, Cause.CODEC, "it uses a part of its codec that is not supported"),
    (av.error.NotImplementedError, Cause.CODEC, "it uses a part of its codec that is not supported"),
    (av.error.InvalidDataError, Cause.CORRUPT, "the data is not what it should be"),
)
_BY_ERRNO: dict[int, tuple[Cause, str]] = {
    errno.EHOSTUNREACH: (Cause.REFUSED, "the host cannot be reached"),
    errno.ENETUNREACH: (Cause.REFUSED, "the network cannot be reached"),
    errno.EBUSY: (Cause.REFUSED, "the device is in use"),
    errno.ENODEV: (Cause.NOT_FOUND, "the device is gone"),
    errno.ENXIO: (Cause.NOT_FOUND, "the device is gone"),
    errno.EPROTONOSUPPORT: (Cause.REFUSED, "the server does not offer this transport"),
    errno.EADDRNOTAVAIL: (Cause.REFUSED, "the host cannot be reached"),
}
_BROKEN = (
    av.error.EOFError,
    av.error.ConnectionResetError,
    av.error.ConnectionAbortedError,
    av.error.BrokenPipeError,
)


def translate(
    error: av.error.FFmpegError, doing: Doing, *, place: Place | None, timed_out: bool
) -> SourceError:
    """Say what `error` means: a clause without a place, such as "nobody listens there".

    `timed_out`: about as much time went by as there was. When an RTSP server never answers or hangs up,
    FFmpeg calls it "invalid data", or -1, which is read as "operation not permitted".
    """
    error.args = error.args[:2]  # the number and its meaning; the URL and the log line go
    network = place is not None and place.network
    if isinstance(error, _BROKEN):
        return _broken(doing, network=network)
    rtsp = place is not None and place.scheme in ("rtsp", "rtsps")
    if rtsp and (isinstance(error, av.error.InvalidDataError) or error.errno == errno.EPERM):
        if timed_out:
            return SourceError(Cause.TIMEOUT, "no answer came within the time limit")
        return SourceError(Cause.REFUSED, "the server hung up, or its answer is no stream")
    if network and isinstance(error, av.error.PermissionError):
        return SourceError(Cause.REFUSED, "a firewall does not let us through")
    by_type = next(((cause, text) for kind, cause, text in _BY_TYPE if isinstance(error, kind)), None)
    known = by_type or _BY_ERRNO.get(error.errno or 0)
    if known is not None:
        return SourceError(*known)
    return _other(error, doing, network=network)


def _other(error: av.error.FFmpegError, doing: Doing, *, network: bool) -> SourceError:
    if error.errno == errno.EIO and network:
        if doing == "opening":
            return SourceError(Cause.CORRUPT, "what the server sends is no stream")
        return SourceError(Cause.ENDED, "the connection broke")
    reason = (error.strerror or "unknown error").strip().rstrip(".")
    return SourceError(Cause.CORRUPT, f"{doing} it failed: {reason}")


def _broken(doing: Doing, *, network: bool) -> SourceError:
    if doing == "opening":
        if network:
            return SourceError(Cause.REFUSED, "the server closed the connection")
        return SourceError(Cause.CORRUPT, "it is empty or cut off")
    if network:
        return SourceError(Cause.ENDED, "the server ended the stream")
    return SourceError(Cause.ENDED, "it is over")
