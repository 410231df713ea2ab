"""The main function of a capture process."""

import socket

from agent import log
from agent.backoff import Backoff
from agent.capture.args import CaptureArgs
from agent.capture.loop import CaptureLoop
from agent.capture.open import open_source
from agent.capture.reader import Inbox, Reader
from agent.capture.source import OpenRequest
from agent.config.secret import Secrets
from agent.ipc.channel import Channel
from agent.ipc.child import become_child


def main(
    sock: socket.socket, args: CaptureArgs, log_settings: tuple[str, log.Style], resume: tuple[int, int]
) -> None:
    """Capture one stream until told to stop; `resume` is the last generation and the next frame number."""
    become_child(f"vd:{args.stream}")
    level, style = log_settings
    known = Secrets(environ={})
    known.learn(args.url.reveal())
    log.configure(level=level, style=style, redact=known.redact, context={"stream": args.stream})
    log.keep_recent(log.RECENT_BYTES // 4)
    log.adopt_process(prints=True)
    request = OpenRequest(
        url=args.url.reveal(),
        backend=args.backend,
        rtsp_transport=args.rtsp_transport,
        hwaccel=args.hwaccel,
        loop=args.loop,
        open_timeout_s=args.open_timeout_s,
        read_timeout_s=args.read_timeout_s,
        redact=known.redact,
        rules=args.rules,
    )
    inbox = Inbox()
    with Reader(request, inbox, open_source, Backoff()) as reader:
        generation, next_frame = resume
        CaptureLoop(
            Channel(sock),
            inbox,
            reader,
            fps=args.fps,
            stuck_after_s=args.open_timeout_s + args.read_timeout_s,
            generation=generation,
            next_frame=next_frame,
        ).run()
