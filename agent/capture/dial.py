"""Connecting to a host that a command named: looked up once, checked, and reached at the checked address.

Between the check and the connection nobody is asked for the name again, so a DNS server that changes its
answers gains nothing.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence

from agent.control.rules import Rules
from agent.errors import Cause, SourceError

Resolve = Callable[[str], Sequence[str]]
"""The addresses of a host name, best first; raises OSError when it has none."""

_MIN_TRY_S = 0.5
_NO_ANSWER = "no answer came within the time limit"


def look_up(host: str) -> list[str]:
    """As the system's resolver says; an address is its own."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class Dialler:
    """Connects to hosts as `rules` allow, each within `timeout_s`."""

    def __init__(
        self, rules: Rules, timeout_s: float, resolve: Resolve = look_up, *, silence_s: float | None = None
    ) -> None:
        self.silence_s = silence_s or timeout_s
        """How long a server that was asked for something may say nothing."""
        self._rules = rules
        self._timeout_s = timeout_s
        self._resolve = resolve

    def check(self, host: str) -> list[str]:
        """The addresses of a host, all of them allowed. Raises SourceError, without a place."""
        try:
            texts = list(self._resolve(host))
            addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        except (OSError, UnicodeError, ValueError) as err:
            raise SourceError(Cause.REFUSED, "the host name cannot be looked up") from err
        why = None if self._rules.names(host) else self._rules.why_not_addresses(host, addresses)
        if why is not None:
            raise SourceError(Cause.FORBIDDEN, why)
        return texts

    def connect(self, host: str, port: int, *, tls: bool = False) -> socket.socket:
        """A connection to the host, at the first address that answers, by TLS or not. Raises SourceError."""
        deadline_s = time.monotonic() + self._timeout_s
        timed_out = False
        for address in self.check(host):
            left_s = max(_MIN_TRY_S, deadline_s - time.monotonic())
            try:
                sock = socket.create_connection((address, port), left_s)
            except TimeoutError:
                timed_out = True
            except OSError:
                continue
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls:
                    sock.settimeout(max(_MIN_TRY_S, deadline_s - time.monotonic()))
                    sock = _encrypted(sock, host)
                sock.settimeout(None)
                return sock
        if timed_out:
            raise SourceError(Cause.TIMEOUT, _NO_ANSWER)
        raise SourceError(Cause.REFUSED, "nobody listens there")


def _encrypted(sock: socket.socket, host: str) -> socket.socket:
    """TLS over a connection, within its timeout. Raises SourceError, and closes it then."""
    context = ssl.create_default_context()
    # As FFmpeg has it: cameras show certificates that nobody signed.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except TimeoutError as err:
        sock.close()
        raise SourceError(Cause.TIMEOUT, _NO_ANSWER) from err
    except OSError as err:
        sock.close()
        raise SourceError(Cause.REFUSED, "the server does not speak TLS as we do") from err
