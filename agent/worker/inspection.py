"""A short-lived process that looks at the installed kinds, since looking means importing foreign code."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import log
from agent.config.secret import Secrets, redact_url
from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.child import become_child
from agent.ipc.foreign import Raised, call_foreign
from agent.ipc.inspecting import Inspected, Inspecting, KindFailed
from agent.worker import kinds


def inspect_kinds(sock: socket.socket, folder: Path | None, skip: frozenset[str]) -> None:
    """Report every kind, and every origin that gives none; `skip` are those that a predecessor died of."""
    become_child("vd:kinds")
    log.configure(redact=redact_url)
    log.adopt_process(prints=True)
    channel = Channel(sock)
    try:
        for origin in kinds.origins(folder):
            if origin in skip:
                continue
            channel.send(Inspecting(origin))
            found = call_foreign(lambda origin=origin: kinds.load(origin))  # type: ignore[misc]
            if isinstance(found, Raised):
                channel.send(KindFailed(origin, found.error))
                continue
            for kind, member in found.items():
                known = call_foreign(lambda k=kind, m=member, o=origin: kinds.describe(k, m, o))  # type: ignore[misc]
                channel.send(KindFailed(origin, known.error) if isinstance(known, Raised) else known)
        channel.send(Inspected(()))
    except ChannelClosedError:
        return


def check_params(sock: socket.socket, origin: str, kind: str, params: Mapping[str, Any]) -> None:
    """Report what is wrong with the parameters of one algorithm."""
    become_child("vd:check")
    known = Secrets(environ={})
    known.learn(dict(params))
    log.configure(redact=known.redact)
    log.adopt_process(prints=True)
    channel = Channel(sock)

    def check() -> list[str]:
        return kinds.problems(kinds.load(origin)[kind], params)

    found = call_foreign(check)
    try:
        channel.send(Inspected((found.error,) if isinstance(found, Raised) else tuple(found)))
    except ChannelClosedError:
        return
