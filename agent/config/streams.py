"""One stream: a named video source."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.config.ids import Id
from agent.config.numbers import NUMBER, Number

_MAX_SOURCE = 2048


class StreamConfig(BaseModel):
    """One named video source on this device."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: Id = Field(description="name, in topics and commands")
    source: str = Field(
        min_length=1,
        max_length=_MAX_SOURCE,
        description=(
            "rtsp://, rtsps://, rtmp://, http(s)://, a file or folder of images, `usb:/dev/video0`, "
            "`usb:serial=…`, `test://scene`; passwords as `{secret:name}`"
        ),
    )
    backend: Literal["pyav", "opencv"] = Field(default="pyav", description="library that reads the source")
    fps: Annotated[float, Field(gt=0, le=1000), NUMBER] | None = Field(
        default=None,
        description="play at most so many frames a second, thinned evenly; default: all that come",
    )
    hwaccel: str = Field(
        default="none",
        pattern=r"^[a-z0-9_]{2,32}$",
        description="hardware decoding: `none`, `auto` or a device type such as `vaapi`, `cuda`, `v4l2m2m`",
    )
    rtsp_transport: Literal["tcp", "udp"] = Field(default="tcp", description="how RTSP carries its media")
    loop: bool = Field(default=False, description="begin files and folders again at their end")
    paused: bool = Field(default=False, description="leave the camera and the decoder alone for now")
    open_timeout_s: Number = Field(default=10.0, ge=0.5, le=120, description="seconds to open the source")
    read_timeout_s: Number = Field(
        default=5.0, ge=0.5, le=120, description="seconds without data after which the source counts as dead"
    )

    @field_validator("source")
    @classmethod
    def _plain(cls, source: str) -> str:
        if not source.isprintable():
            raise ValueError("has control characters in it")
        return source

    @model_validator(mode="after")
    def _loops_what_ends(self) -> Self:
        scheme, colon, _ = self.source.partition(":")
        if self.loop and colon and "/" not in scheme and scheme not in ("file", "test"):
            raise ValueError("loop: only files and folders can begin again")
        return self
