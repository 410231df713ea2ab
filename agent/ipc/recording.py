"""What the agent and those who draw for it say to each other, beside windows and slots."""

from dataclasses import dataclass

from agent.ipc.message import Message


@dataclass(frozen=True, slots=True)
class Show(Message):
    """Agent to recorder: the newest result, to be drawn from now on; packed, in msgpack or else in JSON."""

    tag = 130
    data: bytes
    json: bytes


@dataclass(frozen=True, slots=True)
class Recorded(Message):
    """Recorder to agent: what is being written now, and what is wrong; told when that changes."""

    tag = 131
    file: str  # below the folder of recordings; "": none
    error: str


@dataclass(frozen=True, slots=True)
class Annotated(Message):
    """A picture with results drawn on it."""

    tag = 132
    jpeg: bytes
