"""USB and other V4L2 cameras: by device, or by serial number, which outlives renumbering.

`usb:/dev/video0?size=1280x720&fps=30&format=mjpeg`, `usb:serial=ABC123`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from agent.capture.natural_order import natural_order
from agent.capture.query import parse_number, parse_query, parse_size, wrong
from agent.errors import Cause, SourceError

_FORMATS = ("mjpeg", "h264", "hevc", "yuyv422", "nv12", "yuv420p", "rgb24", "bgr24", "gray")
_SYSFS = Path("/sys")
_MAX_LEVELS = 8  # from a video device up to the USB device that has the serial number


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbCamera:
    """Which camera, and what to ask of it; None leaves it to the driver."""

    device: str = ""  # a path; empty: by serial
    serial: str = ""
    size: tuple[int, int] | None = None
    fps: float | None = None
    format: str | None = None  # FFmpeg's name


def parse_usb(path: str, query: str) -> UsbCamera:
    """What stands after `usb:`; raises SourceError."""
    values = parse_query(query, ("size", "fps", "format"), "a USB camera")
    serial = path.removeprefix("serial=") if path.startswith("serial=") else ""
    # Nothing but a video device, whatever a link or a "../" would lead to.
    if not serial and not re.fullmatch(r"/dev/(video\d+|v4l/by-(id|path)/[\w.:+-]+)", path):
        raise wrong(f"usb:{path} names no camera: write usb:/dev/video0 or usb:serial=NUMBER")
    video_format = values.get("format")
    if video_format is not None and video_format not in _FORMATS:
        raise wrong(f"format={video_format!r} is unknown: one of {', '.join(_FORMATS)}")
    return UsbCamera(
        device="" if serial else path,
        serial=serial,
        size=parse_size(values["size"]) if "size" in values else None,
        fps=parse_number(values["fps"], "fps", 0.1, 1000) if "fps" in values else None,
        format=video_format,
    )


def resolve(camera: UsbCamera, sysfs: Path = _SYSFS) -> str:
    """The device to open, such as "/dev/video2"; raises SourceError naming the serials that are there."""
    if camera.device:
        return camera.device
    found: dict[str, str] = {}  # serial to device; the first of a camera's nodes is the one with pictures
    nodes = sysfs / "class" / "video4linux"
    names = [path.name for path in nodes.iterdir()] if nodes.is_dir() else []
    for name in sorted(names, key=natural_order):
        serial = _serial_of((nodes / name / "device").resolve())
        if serial and _first_node(nodes / name):
            found.setdefault(serial, f"/dev/{name}")
    if camera.serial in found:
        return found[camera.serial]
    there = ", ".join(sorted(found)) or "none"
    raise SourceError(
        Cause.NOT_FOUND, f"no camera with serial number {camera.serial!r} is plugged in (there: {there})"
    )


def _serial_of(interface: Path) -> str | None:
    """The serial number of the USB device that an interface belongs to: it is some levels further up."""
    for folder in (interface, *list(interface.parents)[:_MAX_LEVELS]):
        try:
            return (folder / "serial").read_text().strip()
        except OSError:
            continue
    return None


def _first_node(node: Path) -> bool:
    """A camera has more nodes, for metadata; `index` counts them."""
    try:
        return (node / "index").read_text().strip() == "0"
    except OSError:
        return True
