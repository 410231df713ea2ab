"""Which hardware decodes: the choice alone, without hardware.

A device that is compiled into FFmpeg need not be in the machine: only trying tells. Whatever fails,
software decodes, and the reason is said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

NONE = "none"
AUTO = "auto"
# Best first: discrete GPUs, then what sits in the processor, then the codecs of small boards.
PREFERENCE = ("cuda", "vaapi", "qsv", "videotoolbox", "drm", "amf", "vulkan", "v4l2m2m")

Decoder = TypeVar("Decoder")


@dataclass(frozen=True, slots=True)
class Choice(Generic[Decoder]):
    """A decoder that works, or None for software; with the reason if hardware was asked for in vain."""

    decoder: Decoder | None
    device: str = NONE
    note: str = ""


def choose(
    wanted: str,
    *,
    codec: str,
    compiled: Sequence[str],
    attempt: Callable[[str], Decoder | str],
) -> Choice[Decoder]:
    """Try what `wanted` ("none", "auto" or a device type) allows, best first.

    `attempt(device)` gives a decoder for `codec`, or in words why there is none.
    """
    wanted = wanted.strip().lower()
    if wanted in ("", NONE):
        return Choice(None)
    if wanted == AUTO:
        devices = [device for device in PREFERENCE if device in compiled]
        devices += [device for device in compiled if device not in PREFERENCE]
    elif wanted in compiled:
        devices = [wanted]
    else:
        known = ", ".join(compiled) or "none"
        return Choice(None, note=f"{wanted} is not supported by this build of FFmpeg (it has: {known})")
    reasons = []
    for device in devices:
        result = attempt(device)
        if not isinstance(result, str):
            return Choice(result, device)
        reasons.append(f"{device}: {result}")
    tried = "; ".join(reasons) or "this build of FFmpeg has no device"
    return Choice(None, note=f"no hardware decodes {codec} here ({tried})")
