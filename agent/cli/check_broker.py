"""Whether the broker lets us in."""

import importlib.util

from agent.cli.findings import Finding, doubtful, right, wrong
from agent.cli.options import visit
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.config.tables import EMBEDDED
from agent.delivery.messages import LinkCause
from agent.delivery.reasons import LinkError
from agent.errors import SecretError

_SECTION = "broker"
_ADVICE = {
    LinkCause.NAME: "check the host in broker.url, and this machine's DNS",
    LinkCause.REFUSED: "is a broker running there? check broker.url; `vedette demo` needs none",
    LinkCause.TIMEOUT: "a firewall may be in the way, or the host is off; check host and port in broker.url",
    LinkCause.TLS: "check broker.ca_file, cert_file and key_file, that broker.url names the host as its "
    "certificate does, and that the port speaks TLS",
    LinkCause.AUTH: "check broker.username and broker.password, and what the broker allows this user",
    LinkCause.PROTOCOL: "does that port speak MQTT? WebSocket listeners need ws:// or wss:// in broker.url",
    LinkCause.TAKEN_OVER: "give each client an id of its own (broker.client_id)",
    LinkCause.BUSY: "the broker is overloaded or shutting down: look at its log",
    LinkCause.TOO_LARGE: "the broker's limit for packets is too small: look at its configuration",
    LinkCause.CLOSED: "the broker's log says why; a TLS port needs mqtts:// in broker.url",
}


def broker(settings: Settings, secrets: Secrets) -> list[Finding]:
    """Connect as the agent would, under another client id."""
    if settings.broker.url == EMBEDDED:
        return [_embedded()]
    try:
        with visit(settings, secrets) as client:
            return [_let_in(settings, secrets.redact(settings.broker.url), client.protocol)]
    except SecretError:
        return []  # said already
    except LinkError as err:
        return [wrong(_SECTION, secrets.redact(str(err)), _ADVICE[err.cause])]


def _embedded() -> Finding:
    if importlib.util.find_spec("iotcore") is None:
        advice = "pip install 'vedette[demo]', or give the URL of a broker"
        return wrong(_SECTION, 'broker.url is "embedded", which is not installed', advice)
    text = "inside the agent, without password, on this machine only"
    return doubtful(_SECTION, text, "for trying out: give broker.url the URL of a real broker")


def _let_in(settings: Settings, url: str, protocol: str) -> Finding:
    text = f"{url} lets us in, with MQTT {protocol}"
    if settings.broker.username is None and not settings.broker.url.startswith(("mqtts", "wss")):
        text += ", without user name and TLS"
    if protocol == "3.1.1":
        advice = "the agent works with it; callers get replies on d/<device>/resp only. MQTT 5 has more"
        return doubtful(_SECTION, text, advice)
    return right(_SECTION, text)
