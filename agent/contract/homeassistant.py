"""What is said to Home Assistant: where its discovery listens, and the documents that it takes.

The contract here is Home Assistant's, not ours. This is the part of it that the agent uses: device
discovery (Home Assistant 2024.11 and later), a retained document for each of its devices, with all the
entities of that device in it. Which keys and values there are was read off its MQTT integration;
`tools/homeassistant-check` asks the real one.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from agent.contract.status import Payload
from agent.contract.topic import Topic, checked_id, checked_prefix

BORN = b"online"
"""What Home Assistant says when it has started: the default of its birth message."""

_TAG_DIGITS = 8


class DiscoveryOrigin(Payload):
    """Who makes the document."""

    name: str = Field(description="`Vedette`")
    sw_version: str = Field(description="of Vedette")


class DiscoveryDevice(Payload):
    """A device of Home Assistant: the agent, or one of its streams."""

    identifiers: tuple[str, ...] = Field(description="the same at every announcement")
    name: str = Field(description="the device's id; of a stream: device and stream")
    manufacturer: str = Field(default="Vedette")
    model: str = Field(description="agent or stream")
    sw_version: str = Field(description="of Vedette")
    via_device: str | None = Field(default=None, description="of a stream: the identifier of its agent")


class Availability(Payload):
    """A topic that says whether an entity can be relied on."""

    topic: str
    value_template: str = Field(description="gives `online` or `offline`")


class _Entity(Payload):
    """What every entity has."""

    unique_id: str = Field(description="the same at every announcement")
    name: str
    availability: tuple[Availability, ...] | None = Field(
        default=None, description="instead of the document's; all of them have to say `online`"
    )
    availability_mode: Literal["all"] | None = None
    entity_category: Literal["diagnostic"] | None = None


class _Stated(_Entity):
    """An entity that reads a state."""

    state_topic: str
    value_template: str
    json_attributes_topic: str | None = None
    json_attributes_template: str | None = None
    expire_after: int | None = Field(default=None, description="seconds; then it is unavailable")


class BinarySensor(_Stated):
    """Yes or no; its template gives `ON`, `OFF`, or `None` for unknown."""

    platform: Literal["binary_sensor"] = "binary_sensor"
    device_class: Literal["connectivity", "problem", "motion", "occupancy"]


class Sensor(_Stated):
    """A number, or one of some words; its template gives `None` for unknown."""

    platform: Literal["sensor"] = "sensor"
    device_class: Literal["enum"] | None = None
    options: tuple[str, ...] | None = Field(default=None, description="of an enum: its words")
    state_class: Literal["measurement"] | None = None
    unit_of_measurement: str | None = None
    suggested_display_precision: int | None = None


class Image(_Entity):
    """The last picture of a topic."""

    platform: Literal["image"] = "image"
    image_topic: str
    content_type: str


class Button(_Entity):
    """Publishes a command when it is pressed."""

    platform: Literal["button"] = "button"
    command_topic: str
    command_template: str


class Removed(Payload):
    """An entity that is no more: Home Assistant removes one only when it is told so."""

    platform: Literal["binary_sensor", "sensor", "image", "button"]


Component = Annotated[BinarySensor | Sensor | Image | Button, Field(discriminator="platform")]


class Discovery(Payload):
    """A device of Home Assistant with its entities; an empty payload removes it."""

    device: DiscoveryDevice
    origin: DiscoveryOrigin
    availability: tuple[Availability, ...] | None = Field(
        default=None, description="of all entities that have none of their own"
    )
    components: dict[str, Component | Removed] = Field(description="entities, by a name within the document")

    def json_bytes(self) -> bytes:
        """As JSON; keys that say nothing are left out, for Home Assistant takes no null for them."""
        return self.model_dump_json(exclude_none=True).encode()


DEVICE_DISCOVERY = Topic(
    name="device_discovery",
    path="device/{device}/config",
    payload=Discovery,
    description="The agent, as a device of Home Assistant.",
    retain=True,
)
STREAM_DISCOVERY = Topic(
    name="stream_discovery",
    path="device/{device}/{stream}/config",
    payload=Discovery,
    description="A stream, as a device of Home Assistant. Cleared when the stream is removed.",
    retain=True,
)
BIRTH = Topic(
    name="birth",
    path="status",
    payload=None,
    description="Home Assistant has started (`online`): everything is announced again.",
    content_types=("text/plain",),
    direction="in",
)

HOME_ASSISTANT_TOPICS: tuple[Topic, ...] = (DEVICE_DISCOVERY, STREAM_DISCOVERY, BIRTH)


@dataclass(frozen=True, slots=True)
class DiscoveryTopics:
    """The topics of one agent below Home Assistant's prefix."""

    prefix: str
    device: str

    def __post_init__(self) -> None:
        """Refuse, by ValueError, what would lead out of the prefix."""
        checked_prefix(self.prefix)
        checked_id(self.device)

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started, or ends."""
        return BIRTH.build(self.prefix)

    @property
    def agent(self) -> str:
        """Retained."""
        return DEVICE_DISCOVERY.build(self.prefix, device=level(self.device))

    def stream(self, stream: str) -> str:
        """Retained, cleared on removal."""
        return STREAM_DISCOVERY.build(self.prefix, device=level(self.device), stream=level(stream))

    @property
    def streams(self) -> str:
        """The filter of all those: a starting agent looks at what an earlier one left there."""
        return STREAM_DISCOVERY.filter(self.prefix, device=level(self.device))

    def is_stream(self, topic: str) -> bool:
        """Whether `topic` is the discovery of a stream of this agent."""
        ids = STREAM_DISCOVERY.match(self.prefix, topic)
        return ids is not None and ids["device"] == level(self.device)


def level(name: str) -> str:
    """An id as a level of a discovery topic, where Home Assistant takes no dot.

    Ids without one stay as they are; the others get a few digits of their digest, so that `a.b` and `a-b`
    are two.
    """
    if "." not in name:
        return name
    tag = hashlib.sha256(name.encode()).hexdigest()[:_TAG_DIGITS]
    return f"{name.replace('.', '-')[: 63 - _TAG_DIGITS]}-{tag}"
