"""What a device is and can do, for the retained `info` document."""

import os
import platform
from collections.abc import Mapping
from importlib import metadata

import psutil

from agent.contract.info import Hardware

_PACKAGES = ("av", "opencv-python-headless", "numpy", "msgpack", "paho-mqtt", "pydantic")


def version() -> str:
    """Of Vedette."""
    return metadata.version("vedette")


def platform_name() -> str:
    """Operating system and architecture."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def hardware() -> Hardware:
    """The machine, as far as this process may use it."""
    shared = os.statvfs("/dev/shm")  # noqa: S108  the kernel's shared memory, not a temporary folder
    return Hardware(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        shared_memory_bytes=shared.f_blocks * shared.f_frsize,
    )


def packages() -> Mapping[str, str]:
    """Versions of what the results depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123  a device of the kernel
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Model", "Hardware"):
                    return value.strip()
    except OSError:
        pass
    return platform.machine()
