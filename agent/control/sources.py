"""Which sources a command may name: the allow-lists for what comes from the network.

The file on the device is trusted; a command is not. What is refused here is never opened.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from agent.config.tables import PathsConfig, SecurityConfig
from agent.errors import CommandError

Resolve = Callable[[str], Sequence[str]]

_NETWORK = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https"})
_SECRET = re.compile(r"\{secret:[A-Za-z0-9_.-]{1,64}\}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?\.?|[0-9a-f:.]+", re.IGNORECASE)
_USB = re.compile(r"(/dev/video\d{1,3}|serial=[\w.-]{1,64})(\?[\w.=&-]*)?")
_SCENE = re.compile(r"//scene/?(\?[\w.=&-]*)?")
_METADATA = (ipaddress.ip_address("169.254.169.254"), ipaddress.ip_address("fd00:ec2::254"))

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str) -> list[str]:
    """All addresses of a host; empty when its name means nothing."""
    try:
        return sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return []


def check_source(
    source: str, security: SecurityConfig, paths: PathsConfig, resolve: Resolve = resolve
) -> None:
    """Raises CommandError 403 unless a command may name this source. May ask the name server, and block."""
    plain = _SECRET.sub("x", source)
    if not plain.isprintable() or "\\" in plain or plain != plain.strip():
        raise _refused("it has spaces, backslashes or control characters where none belong")
    scheme, colon, rest = plain.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        scheme, rest = "file", plain
    scheme = scheme.lower()
    if scheme not in security.source_schemes:
        allowed = ", ".join(security.source_schemes)
        raise _refused(f"{scheme!r} is not one of security.source_schemes ({allowed})")
    if scheme in _NETWORK:
        _check_url(plain, source, security, resolve)
    elif scheme == "file":
        _check_file(rest, paths)
    elif scheme == "usb":
        if not _USB.fullmatch(rest):
            raise _refused("a camera is /dev/videoN or serial=…")
    elif scheme == "test":
        if not _SCENE.fullmatch(rest):
            raise _refused("the test source is test://scene?…")
    else:
        raise _refused(f"{scheme!r} is no kind of source")


def _check_url(plain: str, source: str, security: SecurityConfig, resolve: Resolve) -> None:
    try:
        parts = urlsplit(plain)
        host, _port = parts.hostname, parts.port
    except ValueError as err:
        raise _refused("it is no valid URL") from err
    if not host or not plain.partition(":")[2].startswith("//"):
        raise _refused("it names no host")
    _check_secrets(source, parts)
    if "%" in parts.netloc.rpartition("@")[2] or not _HOST.fullmatch(host):
        raise _refused("its host has characters that no host has")
    addresses = _addresses(host, resolve)
    if not addresses:
        raise _refused(f"the host {host} cannot be resolved")
    for address in addresses:
        if not _host_allowed(host, address, security.source_hosts):
            detail = "" if str(address) == host else f" ({address})"
            raise _refused(f"the host {host}{detail} is not allowed by security.source_hosts")


def _check_secrets(source: str, parts: SplitResult) -> None:
    """Secrets belong into user and password: elsewhere they would travel in the clear, or choose the host."""
    inside = len(_SECRET.findall(source.partition("//")[2].partition("/")[0].rpartition("@")[0]))
    if len(_SECRET.findall(source)) != inside:
        raise _refused("a secret may stand in the user name and the password only")
    if "@" in parts.netloc.rpartition("@")[0]:
        raise _refused("its user name has an @ in it; write %40")


def _addresses(host: str, resolve: Resolve) -> list[_Address]:
    try:
        return [_plain(ipaddress.ip_address(host))]
    except ValueError:
        pass
    if re.fullmatch(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*\.?", host, re.IGNORECASE):
        raise _refused("an IPv4 address is written as four decimal numbers")
    found = []
    for text in resolve(host):
        try:
            found.append(_plain(ipaddress.ip_address(text.partition("%")[0])))
        except ValueError as err:
            raise _refused(f"the host {host} has an address that is none") from err
    return found


def _plain(address: _Address) -> _Address:
    """An IPv4 address in IPv6 clothes (mapped, 6to4, Teredo, NAT64) is that IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _host_allowed(host: str, address: _Address, allowed: Sequence[str]) -> bool:
    if not allowed:
        local = address.is_loopback or address.is_link_local or address.is_unspecified
        return not (local or address.is_multicast or address.is_reserved or address in _METADATA)
    for entry in allowed:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            if host.rstrip(".").lower() == entry.rstrip(".").lower():
                return True
    return False


def _check_file(rest: str, paths: PathsConfig) -> None:
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise _refused("a file is on this device: write file:///path")
        rest = unquote(rest[2:])
    path = Path(rest.partition("?")[0])
    if not path.is_absolute():
        raise _refused("a file is named by its whole path")
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as err:
        raise _refused(f"the file {path} is not there") from err
    if not (real.is_file() or real.is_dir()):
        raise _refused(f"{path} is no file and no folder")
    for root in paths.media_roots:
        if real.is_relative_to(root.resolve()):
            return
    raise _refused("it is in none of paths.media_roots")


def _refused(why: str) -> CommandError:
    return CommandError(403, f"source: not allowed over MQTT: {why}")
