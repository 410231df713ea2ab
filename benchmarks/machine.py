"""What was measured, on what, and when."""

import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import av

from tests.broker import mosquitto_path

PACKAGES = ("av", "numpy", "opencv-python-headless", "paho-mqtt", "msgpack", "stream-infer")


def machine() -> str:
    """The machine and versions, as a list in Markdown."""
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, of))}"
        for name, of in av.library_versions.items()
        if name in {"libavcodec", "libavformat", "libswscale"}
    )
    lines = [
        f"Processor: {_processor()}, {os.cpu_count()} logical cores",
        f"System: {_system()}, Linux {platform.release()}, Python {platform.python_version()}",
        "Packages: " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"FFmpeg in PyAV: {libraries}",
        f"Broker: mosquitto {_mosquitto()}, a process of its own on the same machine",
    ]
    return "\n".join(f"- {line}" for line in lines)


def when() -> str:
    """Date, commit and load, as a line in Markdown."""
    date = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"Begun {date} UTC at commit {_commit()}, with a load of {loads} (1, 5, 15 min) before."


def _output(*command: str) -> str:
    # mosquitto -h ends with status 3.
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _commit() -> str:
    changed = _output("git", "status", "--porcelain", "--", "agent", "algos")
    return _output("git", "rev-parse", "--short", "HEAD") + (" and changes not committed" if changed else "")


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())


def _mosquitto() -> str:
    found = re.search(r"mosquitto version (\S+)", _output(mosquitto_path() or "mosquitto", "-h"))
    return found[1] if found else "of unknown version"
