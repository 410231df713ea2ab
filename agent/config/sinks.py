"""One sink: where results go besides MQTT."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from agent.config.ids import ID_PATTERN, Id
from agent.config.numbers import Number, Whole
from agent.config.plain import problem_in
from agent.config.table import Table


class SinkConfig(Table):
    """One place where results go besides MQTT, with a spool and a process of its own."""

    id: Id = Field(description="name, in status, metrics and the name of its spool")
    kind: str = Field(
        min_length=1, max_length=128, description="`webhook`, `file`, or that of an installed package"
    )
    streams: tuple[str, ...] = Field(
        default=("*",), description='ids of the streams whose results it gets; `["*"]`: of all'
    )
    algorithms: tuple[str, ...] = Field(
        default=("*",), description='ids of the algorithms whose results it gets; `["*"]`: of all'
    )
    durability: Literal["lazy", "strict"] = Field(
        default="lazy",
        description="lazy: on disk if not delivered within `batch_wait_s` and a second; strict: on disk "
        "before it is delivered",
    )
    max_bytes: Whole = Field(
        default=67_108_864,
        ge=1_048_576,
        description="disk for what waits for the sink; beyond it the oldest are dropped, and counted",
    )
    max_age_s: Whole = Field(
        default=604_800, ge=60, description="seconds; what waits longer is dropped, and counted"
    )
    batch_max: Whole = Field(default=100, ge=1, le=10_000, description="results delivered at once, at most")
    batch_wait_s: Number = Field(
        default=1.0, ge=0, le=60, description="seconds that a result waits for others to go with it"
    )
    timeout_s: Number = Field(
        default=30.0, gt=0, le=3600, description="seconds after which a delivery is ended with its process"
    )
    memory_max: Whole = Field(
        default=268_435_456,
        ge=67_108_864,
        description="bytes that its process may take; past it, it is killed, and replaced",
    )
    params: dict[str, Any] = Field(default={}, description="parameters of the kind; may name secrets")

    @field_validator("streams", "algorithms")
    @classmethod
    def _known_spelling(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != "*" and not re.fullmatch(ID_PATTERN, name):
                raise ValueError(f"{name!r} is no id")
        if len(set(names)) != len(names):
            raise ValueError("names one twice")
        if not names:
            raise ValueError('must name at least one; `["*"]` is all')
        return names

    @field_validator("params")
    @classmethod
    def _plain_parameters(cls, params: dict[str, Any]) -> dict[str, Any]:
        if (problem := problem_in(params)) is not None:
            raise ValueError(problem)
        return params

    def wants(self, stream: str, algorithm: str) -> bool:
        """Whether the results of this stream and algorithm are for this sink."""
        return ("*" in self.streams or stream in self.streams) and (
            "*" in self.algorithms or algorithm in self.algorithms
        )
