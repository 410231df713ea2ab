"""Which source a URL means.

Whoever asks, only what there is a source for can be opened here, and FFmpeg never gets to choose a protocol.
What a command named (its request has rules) was checked when it came, and is checked again in being opened.
"""

import socket
from pathlib import Path
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from agent.capture.media import open_media, without_secrets
from agent.capture.open_guarded import open_confined, open_guarded
from agent.capture.pyav_options import NetworkScheme, Place, file_place
from agent.capture.query import wrong
from agent.capture.source import Interrupted, OpenRequest, Source
from agent.capture.usb import parse_usb, resolve
from agent.config.addresses import NETWORK_SCHEMES, SOURCE_SCHEMES, scheme_of
from agent.errors import Cause, SourceError

_CONTROL = frozenset(map(chr, [*range(32), 127]))


def open_source(request: OpenRequest, interrupted: Interrupted) -> Source:
    """Open what `request.url` names; blocks for at most about twice `open_timeout_s`.

    `interrupted` says whether the caller has lost interest; it is asked between steps and while waiting,
    FFmpeg itself stops at its time limits. Raises SourceError, whose text has no password in it.
    """
    try:
        return _open(request, interrupted)
    except SourceError as err:
        err.args = (request.redact(str(err)),)
        raise


def _open(request: OpenRequest, interrupted: Interrupted) -> Source:
    url = request.url
    if not url or any(letter in _CONTROL for letter in url):
        raise wrong("the source is empty or has control characters in it")
    scheme = scheme_of(url) or "file"
    if request.rules is not None and scheme not in request.rules.schemes:
        raise SourceError(Cause.FORBIDDEN, f"{scheme}: is not in security.source_schemes")
    if scheme_of(url) is None:
        return _open_path(url, request, interrupted)
    return _open_url(scheme, request, interrupted)


def _open_url(scheme: str, request: OpenRequest, interrupted: Interrupted) -> Source:
    url = request.url
    try:
        parts = urlsplit(url)
    except ValueError:
        raise wrong(f"the {scheme} source is no valid URL") from None
    if scheme in NETWORK_SCHEMES:
        if request.rules is not None:
            return open_guarded(parts, request, request.rules, interrupted)
        place = Place(target=url, scheme=cast("NetworkScheme", scheme))
        where = without_secrets(parts)
        _look_up(parts, where)
        return open_media(place, request, where, interrupted)
    match scheme:
        case "file":
            if parts.netloc not in ("", "localhost"):
                raise wrong("a file source is on this machine: write file:///path")
            path = unquote(parts.path)
            return _open_path(f"{path}?{parts.query}" if parts.query else path, request, interrupted)
        case "usb":
            return _open_usb(parts, request, interrupted)
        case "test":
            if parts.netloc != "scene" or parts.path not in ("", "/"):
                raise wrong("the only test source is test://scene")
            # They need OpenCV, which takes memory and a start-up that others need not pay.
            from agent.capture.scene import SceneSource, parse_scene  # noqa: PLC0415

            return SceneSource(parse_scene(parts.query), interrupted, hurry=request.hurry)
        case _:
            known = ", ".join(sorted(SOURCE_SCHEMES))
            raise wrong(f"a source cannot begin with {scheme}: (a path, or one of {known})")


def _open_path(text: str, request: OpenRequest, interrupted: Interrupted) -> Source:
    if request.rules is not None:
        return open_confined(text, request, request.rules, interrupted)
    path, query = Path(text), ""
    if not path.exists() and "?" in text:
        before, _, query = text.partition("?")
        path = Path(before)
    if path.is_dir():
        from agent.capture.folder import FolderSource  # noqa: PLC0415  as for the test scene

        return FolderSource(path, query, loop=request.loop)
    if not path.exists():
        raise SourceError(Cause.NOT_FOUND, f"{path}: there is no such file")
    if not path.is_file():  # a pipe would hang, a device is no file
        raise SourceError(Cause.NOT_FOUND, f"{path} is no regular file")
    if query:
        raise wrong(f"{path}: a file takes no parameters")
    return open_media(file_place(path), request, str(path), interrupted)


def _open_usb(parts: SplitResult, request: OpenRequest, interrupted: Interrupted) -> Source:
    camera = parse_usb(parts.path, parts.query)
    device = resolve(camera)
    if request.backend == "opencv":
        # Each backend costs memory that a stream with the other one need not pay.
        from agent.capture.opencv_source import Asked, OpencvSource  # noqa: PLC0415

        asked = Asked(size=camera.size, fps=camera.fps, format=camera.format)
        place = Place(target=device, scheme="v4l2")
        return OpencvSource(place, request, device, interrupted, asked)
    options = []
    if camera.size is not None:
        options.append(("video_size", f"{camera.size[0]}x{camera.size[1]}"))
    if camera.fps is not None:
        options.append(("framerate", f"{camera.fps:g}"))
    if camera.format is not None:
        options.append(("input_format", camera.format))
    place = Place(target=device, scheme="v4l2", format="v4l2", options=tuple(options))
    return open_media(place, request, device, interrupted)


def _look_up(parts: SplitResult, where: str) -> None:
    """Look up the host, as FFmpeg calls a name that is not known by the same error as much else."""
    try:
        port = parts.port
        if not parts.hostname:
            raise wrong(f"{where} names no host")
        socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        raise SourceError(Cause.REFUSED, f"{where}: the host name cannot be looked up") from err
    except ValueError:
        raise wrong(f"{where} is no valid URL") from None
