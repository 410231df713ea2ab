"""One algorithm: a kind, its streams, its sampling and its parameters."""

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.config.ids import ID_PATTERN, Id
from agent.config.numbers import Number, Whole

PixelFormat = Literal["bgr24", "rgb24", "gray8", "nv12"]
"""FFmpeg's names; gray8 is the decoder's luma plane."""

_MAX_SIDE = 8192
_MAX_SPAN = 2000  # played frames between the oldest and the newest of a window


class AlgorithmConfig(BaseModel):
    """One configured instance of an algorithm kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: Id = Field(description="name, in topics and commands")
    kind: str = Field(
        min_length=1, max_length=128, description="installed algorithm, by name: see `vedette kinds`"
    )
    streams: tuple[str, ...] = Field(
        default=("*",), description='ids of the streams to run on; `["*"]`: every stream, also later ones'
    )
    frame_count: Whole = Field(default=1, ge=1, le=256, description="frames a run gets, oldest first")
    frame_step: Whole = Field(
        default=1, ge=0, le=1000, description="played frames from one to the next of them; 0 means 1"
    )
    interval: Number = Field(
        default=1.0, ge=0, le=86_400, description="seconds from run to run; 0: every played frame"
    )
    size: tuple[Whole, Whole] | None = Field(
        default=None, description="width and height in pixels; default: the stream's"
    )
    pixel_format: PixelFormat = Field(default="bgr24", description="how frames are stored")
    workers: Whole = Field(
        default=1, ge=1, le=32, description="processes; streams are spread over them, each stays with its own"
    )
    timeout_s: Number = Field(
        default=30.0, gt=0, le=3600, description="seconds after which a run is killed with its worker"
    )
    init_timeout_s: Number = Field(
        default=120.0, gt=0, le=3600, description="the same for loading: import and `init()`"
    )
    params: dict[str, Any] = Field(default={}, description="parameters of the kind: see `vedette kinds`")

    @field_validator("streams")
    @classmethod
    def _known_spelling(cls, streams: tuple[str, ...]) -> tuple[str, ...]:
        for stream in streams:
            if stream != "*" and not re.fullmatch(ID_PATTERN, stream):
                raise ValueError(f"{stream!r} is no id of a stream")
        if len(set(streams)) != len(streams):
            raise ValueError("names a stream twice")
        return streams

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.size is not None:
            if not all(1 <= side <= _MAX_SIDE for side in self.size):
                raise ValueError(f"size: width and height are 1 to {_MAX_SIDE} pixels")
            if self.pixel_format == "nv12" and any(side % 2 for side in self.size):
                raise ValueError("size: nv12 needs an even width and height")
        if (self.frame_count - 1) * max(1, self.frame_step) > _MAX_SPAN:
            raise ValueError(f"frame_step: a window spans at most {_MAX_SPAN} frames")
        return self
