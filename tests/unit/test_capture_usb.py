"""A camera is found by its serial number in a tree like that of sysfs."""

from pathlib import Path

import pytest

from agent.capture.usb import UsbCamera, resolve
from agent.errors import Cause, SourceError


def plug_in(sysfs: Path, port: str, serial: str | None, *nodes: tuple[str, int]) -> None:
    """A USB camera at `port` with video nodes (name, index), as Linux lays it out."""
    device = sysfs / "devices" / "pci0" / "usb1" / port
    interface = device / f"{port}:1.0"
    interface.mkdir(parents=True)
    if serial is not None:
        (device / "serial").write_text(f"{serial}\n")
    classes = sysfs / "class" / "video4linux"
    classes.mkdir(parents=True, exist_ok=True)
    for name, index in nodes:
        node = interface / "video4linux" / name
        node.mkdir(parents=True)
        (node / "index").write_text(f"{index}\n")
        (node / "device").symlink_to(interface)
        (classes / name).symlink_to(node)


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    plug_in(tmp_path, "1-1", "AB12", ("video2", 0), ("video3", 1))
    plug_in(tmp_path, "1-2", "CD34", ("video10", 0), ("video11", 1))
    plug_in(tmp_path, "1-3", None, ("video0", 0))
    return tmp_path


@pytest.mark.parametrize(("serial", "device"), [("AB12", "/dev/video2"), ("CD34", "/dev/video10")])
def test_serial_to_device(sysfs: Path, serial: str, device: str) -> None:
    assert resolve(UsbCamera(serial=serial), sysfs) == device


def test_a_camera_that_moved_is_found_again(tmp_path: Path) -> None:
    plug_in(tmp_path, "1-4", "AB12", ("video7", 0), ("video6", 1))
    assert resolve(UsbCamera(serial="AB12"), tmp_path) == "/dev/video7"


def test_the_serials_that_are_there_are_named(sysfs: Path) -> None:
    with pytest.raises(SourceError, match="AB12, CD34") as caught:
        resolve(UsbCamera(serial="XX"), sysfs)
    assert caught.value.cause is Cause.NOT_FOUND


def test_a_machine_without_cameras(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there: none"):
        resolve(UsbCamera(serial="XX"), tmp_path)


def test_a_device_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve(UsbCamera(device="/dev/video5"), tmp_path) == "/dev/video5"
