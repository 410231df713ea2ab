"""Where results go besides MQTT, seen from the process that takes them there.

Invariant: one process a sink; whatever it does, it harms nobody but itself, and loses nothing that it was
given: the agent keeps a result until the sink has said that it is delivered.
"""

from agent.errors import SinkBusyError, SinkRefusedError
from agent.sink.base import Item, Sink

__all__ = ["Item", "Sink", "SinkBusyError", "SinkRefusedError"]
