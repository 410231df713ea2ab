"""What a capture process is started with."""

from dataclasses import dataclass
from typing import Literal

from agent.config.secret import Secret
from agent.control.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureArgs:
    """Everything a capture process is started with; picklable."""

    stream: str
    url: Secret
    backend: Literal["pyav", "opencv"]
    rtsp_transport: Literal["tcp", "udp"]
    hwaccel: str
    loop: bool
    fps: float | None
    open_timeout_s: float
    read_timeout_s: float
    rules: Rules | None
    """What the source may lead to; None for one that agent.toml names."""
