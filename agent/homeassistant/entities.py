"""Which devices and entities Home Assistant is to have. Pure.

A device for the agent, and one for each stream, so that each camera can be put into its area. What an
algorithm finds belongs to the stream that it is found in.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.config.algorithms import AlgorithmConfig
from agent.config.homeassistant import EVERY, HomeAssistantConfig
from agent.config.settings import Settings
from agent.contract.homeassistant import (
    Availability,
    BinarySensor,
    Button,
    Component,
    Discovery,
    DiscoveryDevice,
    DiscoveryOrigin,
    DiscoveryTopics,
    Image,
    Removed,
    Sensor,
)
from agent.contract.topics import JPEG_TYPE, Topics
from agent.homeassistant import templates

# Results that stay away make an entity unavailable: after so many intervals, but not before so long.
_EXPIRES_INTERVALS = 5
_EXPIRES_S = 60

_ATTRIBUTES = ("cause", "error", "codec", "width", "height")  # these change seldom: each change is recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What there is to announce."""

    streams: tuple[str, ...] = ()
    algorithms: tuple[AlgorithmConfig, ...] = ()

    def on(self, stream: str) -> Iterator[AlgorithmConfig]:
        """The algorithms of a stream."""
        return (one for one in self.algorithms if EVERY in one.streams or stream in one.streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One algorithm on one stream: what the entities of its results have in common."""

    topic: str
    unique_id: str
    algorithm: str
    availability: tuple[Availability, ...]
    expire_after: int

    def binary(self, what: str, device_class: str, template: str) -> tuple[str, Component]:
        """Yes or no."""
        component = BinarySensor.model_validate(self._common(what, template) | {"device_class": device_class})
        return f"{self.algorithm}/{what}", component

    def number(self, what: str, template: str) -> tuple[str, Component]:
        """A number."""
        component = Sensor.model_validate(self._common(what, template) | {"state_class": "measurement"})
        return f"{self.algorithm}/{what}", component

    def _common(self, what: str, template: str) -> dict[str, object]:
        return {
            "unique_id": f"{self.unique_id}/{what}",
            "name": f"{self.algorithm} {what.replace('_', ' ')}",
            "state_topic": self.topic,
            "value_template": template,
            "availability": self.availability,
            "availability_mode": "all",
            "expire_after": self.expire_after,
        }


def _motion(pair: Pair) -> Iterator[tuple[str, Component]]:
    yield pair.binary("motion", "motion", templates.flag("moving"))
    yield pair.number("regions", templates.rows("regions"))


def _quality(pair: Pair) -> Iterator[tuple[str, Component]]:
    yield pair.binary("problem", "problem", templates.flag("ok", inverted=True))


def _codes(pair: Pair) -> Iterator[tuple[str, Component]]:
    yield pair.number("count", templates.COUNT)


def _probe(pair: Pair) -> Iterator[tuple[str, Component]]:
    yield pair.number("brightness", templates.number("brightness"))


def _any_kind(pair: Pair) -> Iterator[tuple[str, Component]]:
    """Of a kind that does not ship: what it returns is known by the names of docs/result-shapes.md."""
    yield pair.binary("occupancy", "occupancy", templates.ANY)
    yield pair.number("count", templates.COUNT)


_BY_KIND: Mapping[str, Callable[[Pair], Iterator[tuple[str, Component]]]] = {
    "motion": _motion,
    "quality": _quality,
    "codes": _codes,
    "probe": _probe,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """The documents of one agent."""

    config: HomeAssistantConfig
    topics: Topics
    version: str
    signed_only: bool = False  # commands of Home Assistant would be refused: it signs none

    @classmethod
    def of(cls, settings: Settings, topics: Topics, version: str) -> "Drafts":
        """As agent.toml says; `version` is Vedette's."""
        return cls(
            config=settings.homeassistant,
            topics=topics,
            version=version,
            signed_only=settings.security.require_signature,
        )

    @property
    def discovery(self) -> DiscoveryTopics:
        """Where they go."""
        return DiscoveryTopics(self.config.discovery_prefix, self.topics.device)

    def documents(self, wanted: Wanted) -> dict[str, Discovery]:
        """Every document by its topic; none when it is turned off."""
        if not self.config.enabled:
            return {}
        documents = {self.discovery.agent: self._agent()}
        for stream in wanted.streams:
            algorithms = [one for one in wanted.on(stream) if self.config.shows(one.id)]
            documents[self.discovery.stream(stream)] = self._stream(stream, algorithms)
        return documents

    @property
    def _identifier(self) -> str:
        return f"vedette/{self.topics.device}"

    @property
    def _origin(self) -> DiscoveryOrigin:
        return DiscoveryOrigin(name="Vedette", sw_version=self.version)

    def _agent(self) -> Discovery:
        connection = BinarySensor(
            unique_id=f"{self._identifier}/connection",
            name="Connection",
            device_class="connectivity",
            entity_category="diagnostic",
            state_topic=self.topics.status,
            value_template=templates.ONLINE,
            json_attributes_topic=self.topics.status,
            json_attributes_template=templates.attributes(("state", "epoch")),
        )
        return Discovery(
            device=DiscoveryDevice(
                identifiers=(self._identifier,),
                name=self.topics.device,
                model="agent",
                sw_version=self.version,
            ),
            origin=self._origin,
            components={"connection": connection},
        )

    def _stream(self, stream: str, algorithms: Sequence[AlgorithmConfig]) -> Discovery:
        identifier = f"{self._identifier}/s/{stream}"
        components: dict[str, Component | Removed] = dict(self._of_stream(stream, identifier))
        for algorithm in algorithms:
            components |= self._of_pair(stream, identifier, algorithm)
        return Discovery(
            device=DiscoveryDevice(
                identifiers=(identifier,),
                name=f"{self.topics.device} {stream}",
                model="stream",
                sw_version=self.version,
                via_device=self._identifier,
            ),
            origin=self._origin,
            availability=(self._here,),
            components=components,
        )

    def _of_stream(self, stream: str, identifier: str) -> Iterator[tuple[str, Component]]:
        status = self.topics.stream_status(stream)
        yield (
            "state",
            Sensor(
                unique_id=f"{identifier}/state",
                name="State",
                device_class="enum",
                options=templates.STATES,
                entity_category="diagnostic",
                state_topic=status,
                value_template=templates.STATE,
                json_attributes_topic=status,
                json_attributes_template=templates.attributes(_ATTRIBUTES),
            ),
        )
        yield (
            "problem",
            BinarySensor(
                unique_id=f"{identifier}/problem",
                name="Problem",
                device_class="problem",
                entity_category="diagnostic",
                state_topic=status,
                value_template=templates.AILING,
            ),
        )
        yield (
            "fps",
            Sensor(
                unique_id=f"{identifier}/fps",
                name="Frame rate",
                state_class="measurement",
                unit_of_measurement="fps",
                suggested_display_precision=1,
                entity_category="diagnostic",
                state_topic=status,
                value_template=templates.FRAME_RATE,
            ),
        )
        yield (
            "snapshot",
            Image(
                unique_id=f"{identifier}/snapshot",
                name="Snapshot",
                image_topic=self.topics.snapshot(stream),
                content_type=JPEG_TYPE,
            ),
        )
        if not self.signed_only:
            yield (
                "take_snapshot",
                Button(
                    unique_id=f"{identifier}/take_snapshot",
                    name="Take snapshot",
                    command_topic=self.topics.command("snapshot.take"),
                    command_template=templates.command({"stream": stream}),
                    availability=self._running(stream),
                    availability_mode="all",
                ),
            )

    def _of_pair(
        self, stream: str, identifier: str, algorithm: AlgorithmConfig
    ) -> Iterator[tuple[str, Component]]:
        pair = Pair(
            topic=self.topics.result_json(stream, algorithm.id),
            unique_id=f"{identifier}/a/{algorithm.id}",
            algorithm=algorithm.id,
            availability=self._running(stream),
            expire_after=max(_EXPIRES_S, math.ceil(_EXPIRES_INTERVALS * algorithm.interval)),
        )
        yield from _BY_KIND.get(algorithm.kind, _any_kind)(pair)
        for path in self.config.fields.get(algorithm.id, ()):
            yield pair.number(path, templates.number(path))

    @property
    def _here(self) -> Availability:
        """The agent is there; `lost` is its last will."""
        return Availability(topic=self.topics.status, value_template=templates.available("online"))

    def _running(self, stream: str) -> tuple[Availability, ...]:
        """The agent is there, and the stream gives frames."""
        status = self.topics.stream_status(stream)
        return (
            self._here,
            Availability(topic=status, value_template=templates.available("running")),
        )
