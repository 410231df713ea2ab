"""What a device is and can do: retained, written at start and when the installed kinds change."""

from typing import Any

from pydantic import Field

from agent.contract.status import Payload


class Hardware(Payload):
    """The machine."""

    cpu: str = Field(default="", description="model name")
    cores: int = Field(default=0, ge=0, description="that the agent may use")
    memory_bytes: int = Field(default=0, ge=0)
    shared_memory_bytes: int = Field(default=0, ge=0, description="size of /dev/shm: frames live there")
    decoders: tuple[str, ...] = Field(default=(), description="hardware decoders found")


class KindInfo(Payload):
    """An installed algorithm kind."""

    version: str
    doc: str = Field(default="", description="the class's docstring")
    shared: bool = Field(default=False, description="one instance serves all streams")
    origin: str = Field(default="", description="entry point or file that it comes from")
    params_schema: dict[str, Any] = Field(default={}, description="JSON Schema of `params`")
    error: str | None = Field(default=None, description="why this kind cannot be loaded")


class VerbInfo(Payload):
    """A command that this agent obeys."""

    doc: str
    args_schema: dict[str, Any] = Field(description="JSON Schema of `args`")


class LimitsInfo(Payload):
    """How much a device takes."""

    payload_bytes: int = Field(description="of a command")
    commands_per_s: float = Field(description="of one client; faster ones get 429")
    require_signature: bool = Field(default=False, description="unsigned commands get 401")


class Info(Payload):
    """Versions, hardware, kinds with the JSON Schema of their parameters, and commands."""

    v: int = Field(default=1, description="version of the contract")
    device: str
    labels: dict[str, str] = Field(default={})
    groups: tuple[str, ...] = ()
    version: str = Field(description="of Vedette")
    python: str
    platform: str = Field(description="operating system and architecture")
    hardware: Hardware = Hardware()
    packages: dict[str, str] = Field(default={}, description="versions of what matters: av, numpy, …")
    kinds: dict[str, KindInfo] = Field(default={}, description="installed, by name")
    commands: dict[str, VerbInfo] = Field(default={}, description="obeyed, by verb")
    limits: LimitsInfo
