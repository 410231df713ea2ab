"""What the agent and a recorder say to each other, beside windows and slots."""

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
