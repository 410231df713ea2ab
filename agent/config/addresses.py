"""Where something is on the network, as people write it: told only whether it can be an address at all.

What is inside braces is filled in later, from secrets, and counts as right.
"""

import difflib
import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

NETWORK_SCHEMES: Final = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https")
SOURCE_SCHEMES: Final = (*NETWORK_SCHEMES, "file", "usb", "test")

_PLACEHOLDER = re.compile(r"\{secret:[^{}]*\}")
_HOST_NAME = re.compile(r"(?!(?:.*\.)?[0-9]+\.?$)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_LISTEN = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_MAX_PORT = 65_535


def scheme_of(source: str) -> str | None:
    """The scheme in small letters; None for a path, and for a secret that is all of the source."""
    scheme, colon, _ = source.partition(":")
    return None if not colon or "/" in scheme or scheme.startswith("{") else scheme.lower()


def source_problem(source: str) -> str | None:
    """Why nothing could be opened by this name, without the name itself; None when something might."""
    rest = source.partition(":")[2]
    match scheme_of(source):
        case "file" if not rest or re.match(r"//(?!/|localhost/)", rest):
            return "a file is written file:///path, without a host"
        case "usb" if not rest.startswith(("/dev/", "serial=", "{")):
            return "a USB camera is written usb:/dev/video0 or usb:serial=NUMBER"
        case "test" if not re.match(r"//scene(?:[/?#]|$)", rest):
            return "the only test source is test://scene"
        case scheme if scheme in NETWORK_SCHEMES:
            return url_problem(source)
        case str(unknown) if unknown not in SOURCE_SCHEMES:
            near = difflib.get_close_matches(unknown, SOURCE_SCHEMES, n=1)
            hint = f"; did you mean `{near[0]}:`?" if near else ""
            known = ", ".join(f"`{known}:`" for known in SOURCE_SCHEMES)
            return f"begins like no known source{hint} (there are {known}; a file with a colon is `./name`)"
    return None


def url_problem(url: str) -> str | None:
    """Why this names no host to connect to, without the URL itself; None when it does."""
    try:
        parts = urlsplit(_PLACEHOLDER.sub("1", url))
        host, port = parts.hostname, parts.port
    except ValueError:
        return (
            "its port is no number of at most 65535; or its password has one of / ? # [ in it, which are "
            "written %2F %3F %23 %5B, or better all of it `{secret:name}`"
        )
    if not host:
        return "names no host: it stands behind the //"
    if port == 0:
        return "has port 0, where nobody listens"
    return None


def host_or_network(entry: str) -> str:
    """An entry of `source_hosts`; ValueError unless it is a host name, an address or a network."""
    try:
        ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        if not _HOST_NAME.fullmatch(entry):
            raise ValueError(
                "must be a network such as 10.0.0.0/8, an address or a host name, without a port"
            ) from None
    return entry


def source_scheme(entry: str) -> str:
    """An entry of `source_schemes`; ValueError unless there are such sources."""
    if entry.lower() not in SOURCE_SCHEMES:
        near = difflib.get_close_matches(entry.lower(), SOURCE_SCHEMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"must be one of {', '.join(SOURCE_SCHEMES)}{hint}")
    return entry


def listen_address(text: str) -> str:
    """Where to listen, or nothing; ValueError unless it is host:port."""
    found = _LISTEN.fullmatch(text)
    if text and (found is None or not 0 < int(found[1]) <= _MAX_PORT):
        raise ValueError(f"must be an address and a port of 1 to {_MAX_PORT}, 127.0.0.1:9464, or empty")
    return text
