"""What can be told without asking anybody: settings, secrets, folders, shared memory, decoders."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from agent.cli.check_sources import Look
from agent.cli.findings import CONFIGURATION, Finding, doubtful, right, wrong
from agent.config.secret import Secrets
from agent.config.settings import Settings
from agent.errors import ConfigError, SecretError
from agent.frames import free_bytes
from agent.frames.segment import SHARED_MEMORY
from agent.supervise.pools import WINDOWS_PER_PAIR
from agent.supervise.specs import frame_format

_SECRET = re.compile(r"\{secret:([^}]*)\}")
_SHORT = 4  # characters; shorter secrets are not masked in texts
_DECODERS_LIMIT_S = 20.0
_DECODERS = "import json; from agent.capture.pyav_decoder import hardware; print(json.dumps(hardware()))"


def refused(error: ConfigError) -> list[Finding]:
    """A configuration that cannot be read: each of its problems."""
    head, *problems = str(error).splitlines()
    if not problems:
        return [wrong(CONFIGURATION, head, "correct it")]
    file = head.partition(": ")[0] if ": " in head else ""
    last = len(problems) - 1
    return [
        wrong(CONFIGURATION, line.strip(), "correct it, and check again" if index == last else "", file)
        for index, line in enumerate(problems)
    ]


def configuration(settings: Settings, secrets: Secrets) -> list[Finding]:
    """The settings, which could be read, and the secrets that they name."""
    where = str(settings.config_file) if settings.config_file else "no agent.toml: defaults and environment"
    streams, algorithms = len(settings.streams), len(settings.algorithms)
    found = [right(CONFIGURATION, f"{where}; {streams} streams, {algorithms} algorithms")]
    if not settings.streams:
        found.append(
            doubtful("streams", "there is none", "add [[streams]] to agent.toml, or stream.add by command")
        )
    texts = [("broker", settings.broker.url), ("broker", settings.broker.password or "")]
    texts += [(f"stream {stream.id}", stream.source) for stream in settings.streams]
    for user, text in texts:
        found += [_secret(secrets, name, user) for name in dict.fromkeys(_SECRET.findall(text))]
    return found


def _secret(secrets: Secrets, name: str, user: str) -> Finding:
    try:
        value = secrets.expand(f"{{secret:{name}}}").reveal()
    except SecretError as err:
        return wrong(CONFIGURATION, str(err), f"put it into one of these places; {user} needs it", user)
    if value == f"{{secret:{name}}}":
        advice = "a name has 1 to 64 letters, digits, `_`, `.` or `-`"
        return wrong(CONFIGURATION, f"secret {name!r} cannot be a name", advice, user)
    if len(value) < _SHORT:
        advice = f"use one of at least {_SHORT} characters: shorter ones cannot be masked in logs"
        return doubtful("secret", "is very short", advice, name)
    return right("secret", f"is there, for {user}", name)


def state_folder(settings: Settings) -> list[Finding]:
    """Whether the agent can remember what it has to, and keep results while the broker is away."""
    folder = settings.paths.state_dir
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "is no folder" if not nearest.is_dir() else f"cannot be written by user {os.getuid()}"
        advice = f"give {folder} to the agent's user, or set paths.state_dir"
        return [wrong("state folder", f"{nearest} {why}", advice)]
    stats = os.statvfs(nearest)
    free = stats.f_bavail * stats.f_frsize
    text = f"{folder} {'is writable' if nearest == folder else 'can be made'}, {_megabytes(free)} free"
    if free < settings.delivery.spool_max_bytes:
        advice = (
            f"delivery.spool_max_bytes promises {_megabytes(settings.delivery.spool_max_bytes)} to the spool"
        )
        return [doubtful("state folder", text, f"free some disk, or lower it: {advice}")]
    return [right("state folder", text)]


def shared_memory(settings: Settings, looks: Mapping[str, Look]) -> list[Finding]:
    """What the frames of all streams and algorithms will need, and what there is."""
    section = "shared memory"
    needed, unknown = 0, set()
    for algorithm in settings.algorithms:
        for stream in settings.streams:
            if "*" not in algorithm.streams and stream.id not in algorithm.streams:
                continue
            opened = looks[stream.id].opened if stream.id in looks else None
            if algorithm.size is None and opened is None:
                unknown.add(stream.id)
                continue
            size = (opened.width, opened.height) if opened is not None else (0, 0)
            frame = frame_format(algorithm, size)
            needed += frame.slot_bytes * algorithm.frame_count * WINDOWS_PER_PAIR
    free = free_bytes()
    total = os.statvfs(SHARED_MEMORY)
    text = f"{_megabytes(needed)} needed for frames"
    text += f" (without {', '.join(sorted(unknown))}, whose size is not known)" if unknown else ""
    text += f", {_megabytes(free)} of {_megabytes(total.f_blocks * total.f_frsize)} free in {SHARED_MEMORY}"
    if needed > free:
        enlarge = f"mount -o remount,size=… {SHARED_MEMORY}, or docker run --shm-size=…"
        return [wrong(section, text, f"ask for a smaller size or fewer frames, or enlarge it: {enlarge}")]
    return [right(section, text)]


def decoders() -> list[Finding]:
    """Which hardware decodes H.264 here; asked in a process of its own, as drivers may crash."""
    section = "hardware decoders"
    try:
        done = subprocess.run(  # noqa: S603  our own code
            [sys.executable, "-c", _DECODERS],
            capture_output=True,
            timeout=_DECODERS_LIMIT_S,
            check=True,
            cwd=Path(__file__).parents[2],
        )
    except (subprocess.SubprocessError, OSError) as err:
        why = f"cannot be told: {type(err).__name__}"
        return [doubtful(section, why, 'a driver may be broken: keep hwaccel = "none"')]
    names = ", ".join(json.loads(done.stdout))
    return [right(section, names or "none; the processor decodes, which is fine for some cameras")]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"  # noqa: PLR2004  a gigabyte
