"""Every MQTT topic, as one table; `Topics` fills in the names."""

from dataclasses import dataclass

from agent.contract.commands import Reply, Request
from agent.contract.decode import JSON_TYPE, MSGPACK_TYPE
from agent.contract.digest import Digest
from agent.contract.gaps import Gaps
from agent.contract.info import Info
from agent.contract.result import Result
from agent.contract.status import DeviceStatus, Reported, StreamStatus
from agent.contract.topic import Topic, checked_id, checked_prefix

JPEG_TYPE = "image/jpeg"
PARTS_TYPE = "application/octet-stream"
DEFAULT_PREFIX = "vedette/v1"

STATUS = Topic(
    name="status",
    path="d/{device}/status",
    payload=DeviceStatus,
    description="Whether the agent is there. The last will, `lost`, comes 15 s after it went silent.",
    retain=True,
)
INFO = Topic(
    name="info",
    path="d/{device}/info",
    payload=Info,
    description="What the device is, has installed and obeys.",
    retain=True,
)
REPORTED = Topic(
    name="reported",
    path="d/{device}/reported",
    payload=Reported,
    description="Everything that runs, with state, cause and counters. Written on each change.",
    retain=True,
)
METRICS = Topic(
    name="metrics",
    path="d/{device}/metrics",
    payload=Digest,
    description="How the device fares, in flat numbers, every `health.publish_s`. Waits in an outage.",
)
GAPS = Topic(
    name="gaps",
    path="d/{device}/gaps",
    payload=Gaps,
    description="Which results were dropped on the device, and where each epoch ends.",
    retain=True,
)
COMMAND = Topic(
    name="command",
    path="d/{device}/cmd/{verb}",
    payload=Request,
    description="A command; it gets exactly one reply. With the retain flag it is ignored.",
    content_types=(JSON_TYPE, MSGPACK_TYPE),
    direction="in",
)
GROUP_COMMAND = Topic(
    name="group_command",
    path="g/{group}/cmd/{verb}",
    payload=Request,
    description="A command to every device whose `device.groups` has this group; each of them replies.",
    content_types=(JSON_TYPE, MSGPACK_TYPE),
    direction="in",
)
FLEET_COMMAND = Topic(
    name="fleet_command",
    path="all/cmd/{verb}",
    payload=Request,
    description="A command to every device; each of them replies.",
    content_types=(JSON_TYPE, MSGPACK_TYPE),
    direction="in",
)
RESPONSE = Topic(
    name="response",
    path="d/{device}/resp",
    payload=Reply,
    description="The reply to a command that named no response topic, in the command's own codec.",
    content_types=(JSON_TYPE, MSGPACK_TYPE),
)
CLIENT_RESPONSE = Topic(
    name="client_response",
    path="client/{client}/resp",
    payload=Reply,
    description="The reply to a command whose MQTT 5 response topic this was, with its correlation data.",
    content_types=(JSON_TYPE, MSGPACK_TYPE),
)
STREAM_STATUS = Topic(
    name="stream_status",
    path="d/{device}/s/{stream}/status",
    payload=StreamStatus,
    description="One stream. Cleared (an empty retained message) when the stream is removed.",
    retain=True,
)
RESULT = Topic(
    name="result",
    path="d/{device}/s/{stream}/a/{algorithm}/result",
    payload=Result,
    description="A result, when `delivery.codec` is `msgpack` or `both`.",
    content_types=(MSGPACK_TYPE,),
)
RESULT_JSON = Topic(
    name="result_json",
    path="d/{device}/s/{stream}/a/{algorithm}/result.json",
    payload=Result,
    description="The same as JSON, when `delivery.codec` is `json` or `both`.",
)
SNAPSHOT = Topic(
    name="snapshot",
    path="d/{device}/s/{stream}/snapshot",
    payload=None,
    description="A picture, after `snapshot.take`; user properties: id (of the command), width, height, "
    "frame, pts, time.",
    content_types=(JPEG_TYPE,),
)

PREVIEW = Topic(
    name="preview",
    path="d/{device}/s/{stream}/preview",
    payload=None,
    description="Pictures at a low rate, while somebody has asked for them by `preview.start`; user "
    "properties: width, height, frame, pts, time.",
    content_types=(JPEG_TYPE,),
    qos=0,
)
DIAG = Topic(
    name="diag_part",
    path="d/{device}/diag/{request}/{part}",
    payload=None,
    description="A part of a diagnosis, after `diag` with `to = mqtt`: in their order they are a tar.gz. "
    "At most 96 KiB each, which fits through every broker.",
    content_types=(PARTS_TYPE,),
)

TOPICS: tuple[Topic, ...] = (
    STATUS,
    INFO,
    REPORTED,
    METRICS,
    GAPS,
    STREAM_STATUS,
    RESULT,
    RESULT_JSON,
    SNAPSHOT,
    PREVIEW,
    DIAG,
    COMMAND,
    GROUP_COMMAND,
    FLEET_COMMAND,
    RESPONSE,
    CLIENT_RESPONSE,
)


FLEET = "*"  # the audience of all devices; no group can be called so


@dataclass(frozen=True, slots=True)
class Addressed:
    """What the topic of a command says: what is asked for, and of whom."""

    verb: str
    group: str | None = None  # None: this device alone; FLEET: all devices


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device, and of the groups that it is in."""

    prefix: str
    device: str
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse, by ValueError, what would lead out of the prefix."""
        checked_prefix(self.prefix)
        checked_id(self.device)
        for group in self.groups:
            checked_id(group)

    @property
    def status(self) -> str:
        """Retained; also the topic of the last will."""
        return STATUS.build(self.prefix, device=self.device)

    @property
    def info(self) -> str:
        """Retained."""
        return INFO.build(self.prefix, device=self.device)

    @property
    def reported(self) -> str:
        """Retained."""
        return REPORTED.build(self.prefix, device=self.device)

    @property
    def metrics(self) -> str:
        """Not retained: what was then."""
        return METRICS.build(self.prefix, device=self.device)

    @property
    def gaps(self) -> str:
        """Retained."""
        return GAPS.build(self.prefix, device=self.device)

    @property
    def response(self) -> str:
        """For replies to commands that name no response topic."""
        return RESPONSE.build(self.prefix, device=self.device)

    @property
    def commands(self) -> tuple[str, ...]:
        """The filters that the agent subscribes to."""
        groups = (GROUP_COMMAND.filter(self.prefix, group=group) for group in dict.fromkeys(self.groups))
        own, fleet = COMMAND.filter(self.prefix, device=self.device), FLEET_COMMAND.filter(self.prefix)
        return (own, *groups, fleet)

    def command(self, verb: str) -> str:
        """Where a client sends `verb`."""
        return COMMAND.build(self.prefix, device=self.device, verb=verb)

    def client_response(self, client: str) -> str:
        """Where a client waits for its replies."""
        return CLIENT_RESPONSE.build(self.prefix, client=client)

    def stream_status(self, stream: str) -> str:
        """Retained, cleared on removal."""
        return STREAM_STATUS.build(self.prefix, device=self.device, stream=stream)

    @property
    def stream_statuses(self) -> str:
        """The filter of all those: a starting agent looks at what an earlier one left there."""
        return STREAM_STATUS.filter(self.prefix, device=self.device)

    def stream_of_status(self, topic: str) -> str | None:
        """The stream of a status topic of this device; None for every other topic."""
        ids = STREAM_STATUS.match(self.prefix, topic)
        return ids["stream"] if ids is not None and ids["device"] == self.device else None

    def result(self, stream: str, algorithm: str) -> str:
        """For results as msgpack."""
        return RESULT.build(self.prefix, device=self.device, stream=stream, algorithm=algorithm)

    def result_json(self, stream: str, algorithm: str) -> str:
        """For results as JSON."""
        return RESULT_JSON.build(self.prefix, device=self.device, stream=stream, algorithm=algorithm)

    def snapshot(self, stream: str) -> str:
        """For pictures."""
        return SNAPSHOT.build(self.prefix, device=self.device, stream=stream)

    def preview(self, stream: str) -> str:
        """For pictures while they are looked at."""
        return PREVIEW.build(self.prefix, device=self.device, stream=stream)

    def diag_part(self, request: str, part: int) -> str:
        """For a part of the diagnosis that a request asked for; the first is 1."""
        return DIAG.build(self.prefix, device=self.device, request=request, part=str(part))

    def diag_parts(self, request: str) -> str:
        """The filter of all its parts."""
        return DIAG.filter(self.prefix, device=self.device, request=request)

    def part_of(self, topic: str, request: str) -> int | None:
        """Which part of that diagnosis travels on a topic; None for every other topic."""
        ids = DIAG.match(self.prefix, topic)
        if ids is None or (ids["device"], ids["request"]) != (self.device, request):
            return None
        return int(ids["part"]) if ids["part"].isdecimal() else None

    def addressed(self, topic: str) -> Addressed | None:
        """What a command topic says that is meant for this device; None for every other topic."""
        if (ids := COMMAND.match(self.prefix, topic)) is not None:
            return Addressed(ids["verb"]) if ids["device"] == self.device else None
        if (ids := GROUP_COMMAND.match(self.prefix, topic)) is not None:
            return Addressed(ids["verb"], ids["group"]) if ids["group"] in self.groups else None
        ids = FLEET_COMMAND.match(self.prefix, topic)
        return None if ids is None else Addressed(ids["verb"], FLEET)

    def may_respond_to(self, topic: str) -> bool:
        """Whether a reply may go to this response topic: the agent is no reflector.

        Only `client/<id>/resp`, and the device's own `resp`; never a wildcard, a `$` topic or another
        device's topic.
        """
        return topic == self.response or CLIENT_RESPONSE.match(self.prefix, topic) is not None
