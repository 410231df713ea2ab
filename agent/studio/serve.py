"""The server behind the page: Streamlit in this process, until Ctrl-C or SIGTERM."""

import errno
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from agent.errors import VedetteError
from agent.studio.sitting import close_all

PAGE = Path(__file__).with_name("page.py")
MAX_UPLOAD_MB = 1024

_FORGET_S = 15  # after which a browser that went away is not expected back
_END_S = 10.0  # for runs that are going on


class StudioError(VedetteError):
    """The studio cannot be served: the message says why; whoever started it acts."""

    code = "studio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the page is to know."""

    source: str  # as it was named; empty: none
    kind: str  # a kind, or a path that ends in .py; empty: none
    folder: str  # of algorithms; empty: none
    secrets: str  # the folder of secrets; empty: the usual places

    def to_json(self) -> str:
        """For the arguments of the page."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def from_json(cls, text: str) -> "Setup":
        """Of `to_json`."""
        return cls(**json.loads(text))


def check_installed() -> None:
    """Raises StudioError when the extra is missing."""
    if find_spec("streamlit") is None:
        raise StudioError("vedette studio needs the extra: pip install 'vedette[studio]'")


def serve(setup: Setup, *, host: str, port: int, browser: bool, ready: Callable[[], None]) -> None:
    """Serve until a signal ends it; `ready` is called just before. Raises StudioError."""
    check_installed()
    _check_port(host, port)
    from streamlit.web import bootstrap  # noqa: PLC0415  an extra

    flags = {name.replace(".", "_"): value for name, value in _options(host, port, browser=browser).items()}
    bootstrap.load_config_options(flags)
    # A terminal that goes away, such as that of ssh, ends it as Ctrl-C does.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    ready()
    try:
        bootstrap.run(str(PAGE), is_hello=False, args=[setup.to_json()], flag_options=flags)
    finally:
        if not close_all(_END_S):
            sys.stderr.write(
                f"vedette: a run() is still going on after {_END_S:g} s, and is left where it is\n"
            )
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(1)  # its thread would be waited for


def address(host: str, port: int) -> str:
    """What to open in a browser on this machine, or on another if `host` is not loopback."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104  compared
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _options(host: str, port: int, *, browser: bool) -> dict[str, object]:
    options: dict[str, object] = {
        "server.address": host,
        "server.port": port,
        "server.headless": not browser,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.maxUploadSize": MAX_UPLOAD_MB,
        "server.disconnectedSessionTTL": _FORGET_S,
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,  # nothing leaves this machine
        "browser.serverPort": port,
        "logger.hideWelcomeMessage": True,
        "logger.level": "warning",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "full",
        "theme.light.primaryColor": "#0f766e",
        "theme.dark.primaryColor": "#0d9488",
    }
    if not is_loopback(host) and host not in ("0.0.0.0", "::"):  # noqa: S104  compared
        options["browser.serverAddress"] = host
    return options


def _check_port(host: str, port: int) -> None:
    """Say it in our words. Raises StudioError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as err:
        raise StudioError(f"{host} is no address of this machine: {err.strerror or err}") from err
    family, kind, protocol, _, place = found[0]
    with closing(socket.socket(family, kind, protocol)) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(place)
        except OSError as err:
            hint = ": choose another with --port" if err.errno in (errno.EADDRINUSE, errno.EACCES) else ""
            raise StudioError(f"cannot listen on {host} port {port} ({err.strerror}){hint}") from err
