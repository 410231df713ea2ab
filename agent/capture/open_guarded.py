"""Opening what a command named: whatever it leads to is checked on the way."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import SplitResult, urlsplit

from agent.capture import confined
from agent.capture.dial import Dialler
from agent.capture.guard import Guard
from agent.capture.guard import guard as make_guard
from agent.capture.guarded import GuardedSource, blamed
from agent.capture.media import open_media, without_secrets
from agent.capture.pyav_options import NetworkScheme, Place
from agent.capture.query import wrong
from agent.capture.source import Interrupted, OpenRequest, Source
from agent.control.rules import Rules
from agent.errors import Cause, SourceError

_LEAST_OPEN_S = 0.5
_SPARE_S = 1.0  # so that FFmpeg's own limits come first: it says which it was


def open_guarded(parts: SplitResult, request: OpenRequest, rules: Rules, interrupted: Interrupted) -> Source:
    """A server: FFmpeg reaches it through a guard. Raises SourceError."""
    where = without_secrets(parts)
    began_s = time.monotonic()
    try:
        if not parts.hostname or parts.port == 0:
            raise wrong(f"{where} names no host")
        silence_s = max(request.open_timeout_s, request.read_timeout_s) + _SPARE_S
        guard = make_guard(parts, Dialler(rules, request.open_timeout_s, silence_s=silence_s))
    except ValueError:
        raise wrong(f"{where} is no valid URL") from None
    except SourceError as err:
        raise SourceError(err.cause, f"{where}: {err}") from err
    # It counts as one opening: the guard has reached the server already.
    left_s = max(_LEAST_OPEN_S, request.open_timeout_s - (time.monotonic() - began_s))
    scheme = cast("NetworkScheme", urlsplit(guard.target).scheme)
    place = Place(target=guard.target, scheme=scheme, options=tuple(guard.options.items()), guarded=True)
    return _behind(guard, place, replace(request, open_timeout_s=left_s), where, interrupted)


def open_confined(text: str, request: OpenRequest, rules: Rules, interrupted: Interrupted) -> Source:
    """A file or a folder of images: what is opened is what was checked. Raises SourceError."""
    path, query = Path(text), ""
    try:
        descriptor = confined.reach(path, rules)
    except SourceError as err:
        if err.cause is not Cause.NOT_FOUND or "?" not in text:
            raise
        before, _, query = text.partition("?")
        path = Path(before)
        descriptor = confined.reach(path, rules)
    guard = confined.FileGuard(descriptor)
    real = confined.opened(descriptor)
    if real.is_dir():
        guard.close()  # its files are reached one by one
        from agent.capture.folder import FolderSource  # noqa: PLC0415  it loads OpenCV

        return FolderSource(path, query, loop=request.loop, read=partial(confined.read, rules=rules))
    if query or not real.is_file():
        guard.close()
        raise wrong(f"{path}: a file takes no parameters" if query else f"{path} is no regular file")
    place = Place(target=guard.target, scheme="file", guarded=True)
    return _behind(guard, place, request, str(path), interrupted)


def _behind(guard: Guard, place: Place, request: OpenRequest, where: str, interrupted: Interrupted) -> Source:
    try:
        return GuardedSource(open_media(place, request, where, interrupted), guard, where)
    except SourceError as err:
        guard.close()
        raise blamed(guard, where, err) from err
    except BaseException:
        guard.close()
        raise
