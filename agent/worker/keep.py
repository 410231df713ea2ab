"""Writes the frames of one window to a file, in a process of its own; and reads such a file.

A file is a NumPy archive: `frames`, an array (N, ...) of uint8, and `facts`, a JSON text.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from agent import log
from agent.config.secret import redact_url
from agent.errors import ChannelClosedError, ReplayError
from agent.frames.format import FrameFormat
from agent.frames.slots import Slots
from agent.ipc.channel import Channel
from agent.ipc.child import become_child
from agent.ipc.messages import Kept, Lend, Run
from agent.worker.args import KeepArgs
from algos import Frames


def main(sock: socket.socket, args: KeepArgs, log_settings: tuple[str, log.Style]) -> None:
    """Take the slots and the window, write them, say so, end."""
    become_child("vd:keep")
    level, style = log_settings
    log.configure(level=level, style=style, redact=redact_url)
    channel = Channel(sock)
    pools: dict[int, Slots] = {}
    try:
        while True:
            for message, fds in channel.receive(block=True):
                match message:
                    case Lend():
                        frame_format = FrameFormat(message.width, message.height, message.pixel_format)
                        pools[message.pool] = Slots(frame_format, message.count, fds[0], writable=False)
                    case Run():
                        channel.send(Kept(_written(args, message, pools)))
                        return
    except ChannelClosedError:
        return  # the agent is gone


def _written(args: KeepArgs, window: Run, pools: Mapping[int, Slots]) -> str:
    """Why the file could not be written; "" when it is there."""
    frames = [pools[ref.pool].view(ref.slot) for ref in window.frames]
    facts = {
        **args.facts,
        "times": [ref.pts_s for ref in window.frames],
        "numbers": [ref.number for ref in window.frames],
        "pixel_format": pools[window.frames[-1].pool].format.pixel_format,
    }
    part = args.path.with_suffix(".part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            np.savez(file, frames=np.stack(frames), facts=np.array(json.dumps(facts)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(args.path)
    except OSError as err:
        return f"{args.path}: {err.strerror}"
    return ""


@dataclass(frozen=True, slots=True)
class KeptWindow:
    """A window as it was kept, and what is known of it."""

    frames: Frames
    algorithm: str
    kind: str
    params: Mapping[str, Any]
    reason: str  # what its worker died of


def read(path: Path) -> KeptWindow:
    """The window of a file. Raises ReplayError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            frames, facts = archive["frames"], json.loads(str(archive["facts"]))
        frames.setflags(write=False)
        return KeptWindow(
            Frames(
                list(frames),
                times=tuple(facts["times"]),
                numbers=tuple(facts["numbers"]),
                stream=facts["stream"],
                pixel_format=facts["pixel_format"],
            ),
            facts["algorithm"],
            facts["kind"],
            facts["params"],
            facts["reason"],
        )
    except OSError as err:
        raise ReplayError(f"{path} cannot be read: {err.strerror or err}") from err
    except (BadZipFile, KeyError, ValueError, TypeError, EOFError) as err:
        raise ReplayError(f"{path} is no window that the agent kept: {type(err).__name__}") from err
