"""One algorithm: a kind, its streams, its sampling and its parameters."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from agent.config.ids import ID_PATTERN, MAX_ITEMS, Id
from agent.config.numbers import NUMBER, WHOLE, Number, Whole
from agent.config.plain import problem_in
from agent.config.table import Table

PixelFormat = Literal["bgr24", "rgb24", "gray8", "nv12"]
"""FFmpeg's names; gray8 is the decoder's luma plane."""
Keyframes = Literal["auto", "only", "never"]
"""Whether a run may wait for a key frame, which costs the least to decode."""

_Side = Annotated[int, Field(ge=1, le=8192), WHOLE]  # pixels
_RECORD_PATTERN = r"(?!\.)([A-Za-z0-9_.-]|\{(time|stream|algorithm)\})+\.mp4"
_MAX_SPAN = 2000  # played frames between the oldest and the newest of a window


class AlgorithmConfig(Table):
    """One configured instance of an algorithm kind."""

    id: Id = Field(description="name, in topics and commands")
    kind: str = Field(
        min_length=1, max_length=128, description="installed algorithm, by name: see `vedette kinds`"
    )
    streams: tuple[str, ...] = Field(
        default=("*",),
        max_length=MAX_ITEMS,
        description='ids of the streams to run on; `["*"]`: every stream, also later ones',
    )
    frame_count: Whole = Field(default=1, ge=1, le=256, description="frames a run gets, oldest first")
    frame_step: Whole = Field(
        default=1, ge=0, le=1000, description="played frames from one to the next of them; 0 means 1"
    )
    interval: Number = Field(
        default=1.0, ge=0, le=86_400, description="seconds from run to run; 0: every played frame"
    )
    keyframes: Keyframes = Field(
        default="auto",
        description="`auto`: a run may be late by at most interval / 2 to land on a key frame, which is "
        "cheap; `only`: key frames and no others are played; `never`: always the exact frame",
    )
    size: tuple[_Side, _Side] | None = Field(
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
    # The bound is on the number alone: on the whole it would not be in the JSON Schema.
    memory_max: Annotated[int, Field(ge=67_108_864), WHOLE] | None = Field(
        default=None,
        description="bytes that each worker may take for itself, frames not counted; past it, it is killed, "
        "and replaced; default: no limit",
    )
    restarts_per_hour: Whole = Field(
        default=60,
        ge=1,
        le=3600,
        description="times a worker may end by itself, or be killed for taking too much, within an hour; "
        "then the algorithm is `broken`",
    )
    on_crash: Literal["drop", "keep"] = Field(
        default="drop",
        description="the window that a worker died of: `keep` writes it to the state folder for "
        "`vedette replay`, the newest five of an algorithm",
    )
    record: str | None = Field(
        default=None,
        max_length=128,
        description="name of annotated recordings, such as `{stream}-{time}.mp4`: a file each `[recordings] "
        "segment_s`; `{time}` has to be in it, `{stream}` and `{algorithm}` may; default: none are made",
    )
    record_fps: Annotated[float, Field(gt=0, le=1000), NUMBER] | None = Field(
        default=None, description="pictures a second in them; default: every played frame"
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

    @field_validator("record")
    @classmethod
    def _file_name(cls, record: str | None) -> str | None:
        """A name, no path: where recordings lie is not for commands to say."""
        if record is None:
            return None
        if not re.fullmatch(_RECORD_PATTERN, record):
            raise ValueError(
                "must be a file name that ends in .mp4, of letters, digits, `_`, `.`, `-`, `{time}`, "
                "`{stream}` and `{algorithm}`, and not begin with a dot"
            )
        if "{time}" not in record:
            raise ValueError("needs {time} in it: each segment is a file")
        return record

    @field_validator("params")
    @classmethod
    def _plain_parameters(cls, params: dict[str, Any]) -> dict[str, Any]:
        """They are stored and told again, in JSON and in msgpack."""
        if (problem := problem_in(params)) is not None:
            raise ValueError(problem)
        return params

    # These look at keys that stand before their own, so that they speak up whatever else is wrong.

    @field_validator("frame_step")
    @classmethod
    def _window_fits(cls, frame_step: int, info: ValidationInfo) -> int:
        if (info.data.get("frame_count", 1) - 1) * max(1, frame_step) > _MAX_SPAN:
            raise ValueError(f"a window spans at most {_MAX_SPAN} frames: frame_count - 1 times this")
        return frame_step

    @field_validator("pixel_format")
    @classmethod
    def _size_fits(cls, pixel_format: PixelFormat, info: ValidationInfo) -> PixelFormat:
        if pixel_format == "nv12" and any(side % 2 for side in info.data.get("size") or ()):
            raise ValueError("nv12 needs an even width and height: see `size`")
        return pixel_format
