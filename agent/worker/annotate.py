"""A short-lived process that draws results on one picture."""

import socket
from contextlib import suppress

import cv2
import numpy as np

from agent import log
from agent.config.secret import Secrets
from agent.errors import ChannelClosedError
from agent.ipc.channel import Channel
from agent.ipc.child import WORKER, become_child
from agent.ipc.recording import Annotated
from agent.worker.args import AnnotateArgs
from agent.worker.painter import Painter


def main(sock: socket.socket, args: AnnotateArgs) -> None:
    """Draw all of them, one after the other, and answer with the picture."""
    become_child("vd:draw", sacrifice=WORKER)
    known = Secrets(environ={})
    for about, _, _ in args.results:
        known.learn(about.params)
    log.configure(redact=known.redact)
    log.adopt_process(prints=True)
    image = np.asarray(cv2.imdecode(np.frombuffer(args.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    top = 0
    for about, data, text in args.results:
        painter = Painter(about)
        painter.show(data, text)
        top = painter.paint(image, top)
    _, made = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, args.quality])
    with suppress(ChannelClosedError):
        Channel(sock).send(Annotated(made.tobytes()))
