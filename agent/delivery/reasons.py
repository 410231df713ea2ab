"""Why a connection failed or ended, as a cause and a sentence without secrets."""

import re
import socket
import ssl

from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import LinkCause
from agent.errors import BrokerError

# Reason codes of MQTT 5 (CONNACK and DISCONNECT), by what a person does about them.
_CAUSES = {
    **dict.fromkeys((0x81, 0x82, 0x84), LinkCause.PROTOCOL),
    **dict.fromkeys((0x85, 0x86, 0x87, 0x8A, 0x8C), LinkCause.AUTH),
    **dict.fromkeys((0x88, 0x89, 0x8B, 0x93, 0x96, 0x97, 0x9F), LinkCause.BUSY),
    0x8D: LinkCause.TIMEOUT,
    0x8E: LinkCause.TAKEN_OVER,
    0x95: LinkCause.TOO_LARGE,
}


class LinkError(BrokerError):
    """There is no connection; `cause` says why."""

    def __init__(self, cause: LinkCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def of_connect(err: Exception, endpoint: Endpoint) -> LinkError:  # noqa: PLR0911  a table
    """The reason of an exception while connecting; of its text only what cannot hold a secret is kept."""
    at = endpoint.address
    match err:
        case ssl.SSLCertVerificationError():
            return LinkError(LinkCause.TLS, f"the certificate of {at} is not trusted: {err.verify_message}")
        case ssl.SSLError():
            return LinkError(LinkCause.TLS, f"no TLS with {at}: {err.reason or 'the connection was closed'}")
        case socket.gaierror():
            return LinkError(LinkCause.NAME, f"the name {endpoint.host} cannot be resolved: {err.strerror}")
        case TimeoutError():
            return LinkError(LinkCause.TIMEOUT, f"no answer from {at}")
        case FileNotFoundError() | PermissionError() if endpoint.tls:
            files = (endpoint.ca_file, endpoint.cert_file, endpoint.key_file)
            names = ", ".join(str(file) for file in files if file is not None)
            return LinkError(LinkCause.TLS, f"one of {names} cannot be read: {err.strerror}")
        case ConnectionResetError() | BrokenPipeError() if endpoint.tls:
            return LinkError(LinkCause.TLS, f"{at} hung up during the handshake: does it speak TLS there?")
        case ConnectionResetError() | BrokenPipeError():
            return LinkError(LinkCause.CLOSED, f"{at} closed the connection")
        case OSError() if err.strerror:
            return LinkError(LinkCause.REFUSED, f"{at} cannot be reached: {err.strerror}")
        case _:
            return LinkError(LinkCause.PROTOCOL, f"{at} does not speak MQTT as asked: {type(err).__name__}")


def refusal(endpoint: Endpoint, code: int, text: str) -> LinkError:
    """The reason that the broker gave itself."""
    return LinkError(_CAUSES.get(code, LinkCause.CLOSED), f"{endpoint.address} says: {text} (0x{code:02x})")


def closing(endpoint: Endpoint, detail: str, cause: LinkCause = LinkCause.CLOSED) -> LinkError:
    """The reason of a connection that ended without one; a TLS alert comes to light only here."""
    alert = re.search(r"\[SSL: (\w+)\]", detail)
    if alert is not None:
        return LinkError(LinkCause.TLS, f"{endpoint.address} ended TLS: {alert[1]}")
    if endpoint.tls and "EOF occurred in violation of protocol" in detail:
        return LinkError(LinkCause.TLS, f"{endpoint.address} ended TLS: without saying why")
    return LinkError(cause, f"the connection to {endpoint.address} ended" + (f": {detail}" if detail else ""))
