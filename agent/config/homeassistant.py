"""The table `[homeassistant]` of agent.toml."""

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from agent.config.ids import MAX_ITEMS, Id
from agent.config.patterns import TOPIC_PREFIX_PATTERN
from agent.config.table import Table

EVERY = "*"

_MAX_FIELDS = 32  # of one algorithm
_Field = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=128)
]  # it stands in a template


class HomeAssistantConfig(Table):
    """Streams and what is found in them, as devices of Home Assistant, by its MQTT discovery."""

    enabled: bool = Field(
        default=False, description="announce this device and its streams; false clears what was announced"
    )
    discovery_prefix: str = Field(
        default="homeassistant",
        max_length=128,
        pattern=TOPIC_PREFIX_PATTERN,
        description="as Home Assistant has it, in the options of its MQTT integration",
    )
    algorithms: tuple[str, ...] = Field(
        default=(EVERY,),
        max_length=MAX_ITEMS,
        description='ids of the algorithms whose results become entities; `["*"]`: all, `[]`: none. '
        "Home Assistant reads JSON only: see `delivery.codec`",
    )
    fields: dict[Id, Annotated[tuple[_Field, ...], Field(max_length=_MAX_FIELDS)]] = Field(
        default={},
        max_length=MAX_ITEMS,
        description="numbers in results that become sensors, by algorithm: "
        '`{ facts = ["brightness", "left.count"] }`',
    )

    @field_validator("algorithms")
    @classmethod
    def _each_once(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(algorithms)) != len(algorithms):
            raise ValueError("names an algorithm twice")
        return algorithms

    def shows(self, algorithm: str) -> bool:
        """Whether the results of an algorithm become entities."""
        return EVERY in self.algorithms or algorithm in self.algorithms

    def problem_with(self, codec: str) -> str | None:
        """Why this cannot work with that `delivery.codec`, and what to do."""
        if not self.enabled or not self.algorithms or codec != "msgpack":
            return None
        return (
            "homeassistant.enabled: Home Assistant cannot read results as msgpack: set delivery.codec to "
            "`both` or `json`, or homeassistant.algorithms to [] for entities of streams alone"
        )
