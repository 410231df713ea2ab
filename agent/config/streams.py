"""One stream: a named video source."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from agent.config.addresses import scheme_of
from agent.config.ids import Id
from agent.config.numbers import NUMBER, Number
from agent.config.patterns import HWACCEL_PATTERN
from agent.config.table import Table

_MAX_SOURCE = 2048


class StreamConfig(Table):
    """One named video source on this device."""

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
        pattern=HWACCEL_PATTERN,
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

    @field_validator("loop")
    @classmethod
    def _loops_what_ends(cls, loop: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic's signature
        if loop and scheme_of(info.data.get("source", "")) not in (None, "file", "test"):
            raise ValueError("only files and folders can begin again")
        return loop
