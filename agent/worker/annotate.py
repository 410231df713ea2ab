"""A short-lived process that draws results on one picture."""

import socket
from contextlib import suppress

from agent import log
from agent.config.secret import Secrets
from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.child import WORKER, become_child
from agent.ipc.recording import Annotated
from agent.worker.args import AnnotateArgs
from agent.worker.painter import Painter
from algos.picture import from_jpeg, to_jpeg


def main(sock: socket.socket, args: AnnotateArgs) -> None:
    """Draw all of them, one after the other, and answer with the picture."""
    become_child("vd:draw", sacrifice=WORKER)
    known = Secrets(environ={})
    for about, _, _ in args.results:
        known.learn(about.params)
    log.configure(redact=known.redact)
    log.adopt_process(prints=True)
    image = from_jpeg(args.jpeg)
    top = 0
    for about, data, text in args.results:
        painter = Painter(about)
        painter.show(data, text)
        top = painter.paint(image, top)
    with suppress(ChannelClosedError):
        Channel(sock).send(Annotated(to_jpeg(image, args.quality)))
