"""The allow-list for sources that come over MQTT (the file itself is trusted).

Read as strictly as FFmpeg reads loosely: what two parsers could understand in two ways is refused, not
interpreted. What a name or a path leads to can change afterwards: the capture process asks the same rules
again about what it opens (`agent.capture.guard`).
"""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

from agent.control.addresses import Address
from agent.control.rules import Rules
from agent.errors import CommandError

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host name; raises OSError when it has none, CommandError when it is not asked for."""

LOOK_UP_LIMIT_S = 5.0

_NETWORK_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https"})
_SCHEMES = _NETWORK_SCHEMES | {"file", "usb", "test"}  # whatever agent.toml allows: no others, ever
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)")
_URL_REST = re.compile(r"//([^/?#]*)((?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?)")
_USERINFO = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2}|\{secret:[A-Za-z0-9_.-]+\})*")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")  # a last label that C libraries take for an IPv4 address
_USB = re.compile(
    r"(?:/dev/video[0-9]{1,4}|/dev/v4l/by-(?:id|path)/(?!\.)[A-Za-z0-9_.:+-]+|serial=[A-Za-z0-9_.:+-]+)"
    r"(?:\?[A-Za-z0-9_=&.]*)?"
)
_TEST = re.compile(r"//scene/?(?:\?[A-Za-z0-9_=&.-]*)?")
_MAX_NAME = 253
_MAX_LABEL = 63
_MAX_PORT = 65_535


async def check_source(source: str, rules: Rules, resolve: Resolve) -> None:
    """Raises CommandError 403, which says why, unless `rules` allow the source. Repeats no password.

    Raises what `resolve` raises of CommandErrors, too.
    """
    scheme, rest = _split(source)
    if scheme not in _SCHEMES:
        raise _refused(f"{scheme}: is never taken from the network")
    if scheme not in rules.schemes:
        raise _refused(f"{scheme}: is not in security.source_schemes")
    match scheme:
        case "file":
            _check_file(rest, rules, as_url=not source.startswith("/"))
        case "usb":
            if _USB.fullmatch(rest) is None:
                raise _refused("a USB camera is usb:/dev/video0 or usb:serial=NUMBER")
        case "test":
            if _TEST.fullmatch(rest) is None:
                raise _refused("the only test source is test://scene")
        case _:
            await _check_network(rest, rules, resolve)


def _split(source: str) -> tuple[str, str]:
    """The scheme in small letters, and what stands after its colon; an absolute path is a file."""
    if not source.isprintable() or "\\" in source:
        raise _refused("it has control characters or backslashes in it")
    if source.startswith("/"):
        return "file", source
    match = _SCHEME.fullmatch(source)
    if match is None:
        raise _refused("it is neither an absolute path nor a URL")
    return match[1].lower(), match[2]


# --- files --------------------------------------------------------------------------------------------


def _check_file(rest: str, rules: Rules, *, as_url: bool) -> None:
    path = rest
    if as_url:
        path = rest.removeprefix("//localhost") if rest.startswith("//localhost/") else rest
        path = path.removeprefix("//") if path.startswith("///") else path
        if "#" in path or not path.startswith("/") or path.startswith("//"):
            raise _refused("a file is file:///path, without a host or a fragment")
        path = _decoded(path)
    if not path.startswith("/") or not path.isprintable() or "{secret:" in path:
        raise _refused("a file is an absolute path of printable characters")
    # What stands after a question mark belongs to the name if there is such a file, else it is a parameter.
    for reading in {path, path.partition("?")[0]}:
        _check_path(Path(reading), rules)


def _decoded(path: str) -> str:
    """A file URL's path as the capture reads it: what stands after a question mark is not decoded."""
    name, mark, query = path.partition("?")
    try:
        return unquote(name, errors="strict") + mark + query
    except UnicodeDecodeError as err:
        raise _refused("its path is not UTF-8") from err


def _check_path(path: Path, rules: Rules) -> None:
    try:
        inside = rules.holds(path.resolve())
    except (OSError, RuntimeError) as err:  # links in a circle
        raise _refused(f"{path} cannot be resolved") from err
    if not inside:
        raise _refused(f"{path} is not in a folder of paths.media_roots, links followed")


# --- the network --------------------------------------------------------------------------------------


async def _check_network(rest: str, rules: Rules, resolve: Resolve) -> None:
    match = _URL_REST.fullmatch(rest)
    if match is None:
        raise _refused("it is no URL of the form scheme://host/path, or has characters that belong encoded")
    userinfo, _, host_port = match[1].rpartition("@")
    if _USERINFO.fullmatch(userinfo) is None:
        raise _refused("what stands before the @ is not user:password, with {secret:name} or encoded")
    found = _HOST_PORT.fullmatch(host_port)
    if found is None or not 1 <= int(found[2] or 1) <= _MAX_PORT:
        raise _refused("it has no plain host and port")
    if "{" in userinfo and not rules.hosts:
        # Else whoever may send commands could have any secret sent to a host of their own.
        raise _refused("secrets go to hosts of security.source_hosts alone, which is empty")
    host = found[1].lower()
    literal = _literal(host)
    if literal is not None:
        _check_address(host, literal, rules)
    elif not rules.names(host):
        for address in await _addresses(host, resolve):
            _check_address(host, address, rules)


def _literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name; CommandError when it may be either."""
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1])
        if _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
            return ipaddress.IPv4Address(host)
    except ValueError as err:
        raise _refused(f"{host} is no plain IP address") from err
    if len(host) > _MAX_NAME or not all(1 <= len(label) <= _MAX_LABEL for label in host.split(".")):
        raise _refused(f"{host} is no plain host name")
    return None


async def _addresses(host: str, resolve: Resolve) -> list[Address]:
    try:
        async with asyncio.timeout(LOOK_UP_LIMIT_S):
            texts = await resolve(host)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
    except (OSError, TimeoutError, UnicodeError, ValueError) as err:
        raise _refused(f"the host name {host} cannot be looked up") from err
    if not addresses:
        raise _refused(f"the host name {host} has no address")
    return addresses


def _check_address(host: str, address: Address, rules: Rules) -> None:
    why = rules.why_not_address(host, address)
    if why is not None:
        raise _refused(why)


def _refused(why: str) -> CommandError:
    return CommandError(403, f"the source is refused: {why}")
