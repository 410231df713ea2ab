"""What goes through delivery: messages out and in, the state of the link, what was counted."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Kind = Literal["state", "reply", "event", "result", "metric", "snapshot"]
"""state: retained, the last one of a topic wins. reply: answers a command. snapshot: a picture."""

KINDS: tuple[Kind, ...] = ("state", "reply", "event", "result", "metric", "snapshot")  # most urgent first

SPOOLED: tuple[Kind, ...] = ("event", "result", "metric")  # kept on disk; most valuable first


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message for the broker."""

    topic: str
    payload: bytes
    kind: Kind
    qos: int = 1  # 0 or 1; 0 is dropped at once when it cannot be sent now
    retain: bool = False
    content_type: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    response_topic: str | None = None  # of a command: where its reply should go
    expiry_s: int | None = None  # the broker drops it when it cannot deliver it in time
    epoch: int | None = None  # with `seq` names a result or event, so that its loss can be announced
    seq: int | None = None

    @property
    def size_bytes(self) -> int:
        """Upper bound of the bytes of its PUBLISH packet, also what a limit in bytes counts."""
        properties = sum(len(k.encode()) + len(v.encode()) + 5 for k, v in self.user_properties)
        properties += len(self.content_type.encode()) + 3 if self.content_type is not None else 0
        properties += len(self.correlation_data) + 3 if self.correlation_data is not None else 0
        properties += len(self.response_topic.encode()) + 3 if self.response_topic is not None else 0
        properties += 5 if self.expiry_s is not None else 0
        # Fixed header 5, topic length 2, packet id 2, properties' length 4, the replay mark 12.
        return len(self.topic.encode()) + len(self.payload) + properties + 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One message from the broker."""

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


class LinkState(StrEnum):
    """What the connection to the broker is doing."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"  # before the next try
    STOPPED = "stopped"


class LinkCause(StrEnum):
    """Why there is no connection."""

    NAME = "name"  # the host's name cannot be resolved
    REFUSED = "refused"  # nobody listens there, or the host cannot be reached
    TIMEOUT = "timeout"  # no answer, or an answer that stopped
    TLS = "tls"  # certificates: ours, theirs, or the files
    AUTH = "auth"  # user, password, client id or certificate refused
    PROTOCOL = "protocol"  # the version of MQTT is refused, or what comes is not MQTT
    TAKEN_OVER = "taken-over"  # another client connected with our client id
    BUSY = "busy"  # the broker is overloaded or shutting down
    TOO_LARGE = "too-large"  # the broker ended the connection over a message's size
    CLOSED = "closed"  # the connection ended without a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The state of the link, for status and log; `reason` is a sentence without secrets."""

    state: LinkState
    cause: LinkCause | None = None
    reason: str = ""
    attempts: int = 0  # failed in a row
    protocol: str | None = None  # "5" or "3.1.1", when connected
    retry_in_s: float | None = None  # when waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounters:
    """What delivery has done since it began.

    Of messages with QoS 1, in every quiet moment: accepted + recovered = delivered + superseded + dropped
    + dead + waiting + in_flight + on_disk.
    """

    accepted: int = 0
    delivered: int = 0  # acknowledged by the broker
    unmatched: int = 0  # of those: nobody was subscribed (MQTT 5 only)
    superseded: int = 0  # states replaced by a newer one before they were sent
    dropped: dict[str, int] = field(default_factory=dict)  # by kind: a limit was reached
    dead: int = 0  # refused by the broker or too large for it
    sent: int = 0  # publishes, repeats included
    resent: int = 0  # of those: not acknowledged before a connection ended
    replayed: int = 0  # of those: accepted while there was no link
    republished: int = 0  # states sent again after a new connection
    waiting: int = 0  # in memory
    waiting_bytes: int = 0
    in_flight: int = 0
    on_disk: int = 0  # rows of the spool that are neither in memory nor in flight
    disk_bytes: int = 0
    disk_writes: int = 0  # rows written to the spool
    disk_errors: int = 0  # batches that did not go to disk, and stayed in memory
    gaps: int = 0  # ranges of results and events that are known to be lost, of earlier processes too
    recovered: int = 0  # rows that an earlier process left
    inbound: int = 0
    connects: int = 0
    connects_failed: int = 0
    subscriptions_refused: int = 0  # now: what comes there does not come to us
    fleeting_dropped: int = 0  # messages with QoS 0 that could not be sent at once
