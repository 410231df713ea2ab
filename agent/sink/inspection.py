"""A short-lived process that looks at a kind of sink, since looking means importing foreign code."""

import socket
from collections.abc import Mapping
from typing import Any

from agent import log
from agent.config.secret import Secrets
from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.child import become_child
from agent.ipc.foreign import Raised, call_foreign
from agent.ipc.inspecting import Inspected
from agent.sink import kinds


def check_params(sock: socket.socket, kind: str, params: Mapping[str, Any]) -> None:
    """Report what is wrong with the kind or the parameters of one sink."""
    become_child("vd:check")
    known = Secrets(environ={})
    known.learn(dict(params))
    log.configure(redact=known.redact)
    log.adopt_process(prints=True)
    channel = Channel(sock)
    found = call_foreign(lambda: kinds.problems(kinds.load(kind), params))
    try:
        channel.send(Inspected((kinds.words(found.error),) if isinstance(found, Raised) else tuple(found)))
    except ChannelClosedError:
        return
