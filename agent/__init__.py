"""Vedette, an edge agent for video: cameras in, algorithm results out over MQTT.

`infer` and `Use` run algorithms on a finite video from Python; everything else is the agent's own.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.offline import Inference, Progress, Run, Shown, Use, infer

__all__ = ["Inference", "Progress", "Run", "Shown", "Use", "infer"]


def __getattr__(name: str) -> object:
    """Load what runs offline when it is first asked for: the agent's processes have no need of it."""
    if name in __all__:
        from agent import offline  # noqa: PLC0415

        return getattr(offline, name)
    raise AttributeError(f"module 'agent' has no attribute {name!r}")
