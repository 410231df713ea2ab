"""The body of a recorder: pictures of one stream, with what an algorithm found on them, into files.

It draws as `vedette infer --record` does, by the algorithm's own `draw` if it has one: foreign code, so that
a process of its own runs it. `init()` is not called here: a model is loaded by the worker, not twice.
"""

import os
import selectors
import socket
import time
from contextlib import suppress

from agent import log
from agent.config.secret import Secrets
from agent.errors import ChannelClosedError, RecordError
from agent.frames.format import FrameFormat
from agent.frames.slots import Slots
from agent.ipc.channel import Channel
from agent.ipc.child import WORKER, become_child
from agent.ipc.message import Message
from agent.ipc.messages import Done, FrameRef, Lend, Ready, Retire, Run, Stop
from agent.ipc.recording import Recorded, Show
from agent.record import Room, SegmentPlan, Segments
from agent.worker.args import RecorderArgs
from agent.worker.painter import Painter

_log = log.get_logger("recorder")

NICENESS = 10  # a recording waits for everything else on the machine
_IDLE_S = 10.0  # without a picture for so long, the file is ended
_RETRY_S = 30.0  # after a failure of the disk


def main(sock: socket.socket, args: RecorderArgs, log_settings: tuple[str, log.Style]) -> None:
    """Record until told to stop; a file that is begun is ended."""
    become_child(f"vd:rec:{args.painter.algorithm}", sacrifice=WORKER)
    with suppress(OSError):  # a sandbox may forbid it
        os.nice(NICENESS)
    level, style = log_settings
    known = Secrets(environ={})
    known.learn(args.painter.params)
    context = {"algorithm": args.painter.algorithm, "stream": args.stream}
    log.configure(level=level, style=style, redact=known.redact, context=context)
    log.keep_recent(log.RECENT_BYTES // 4)
    log.adopt_process(prints=True)
    channel = Channel(sock)
    recorder = Recorder(channel, args)
    with suppress(ChannelClosedError):  # the agent is gone, and the reason for this process with it
        recorder.run()
    recorder.close()


class Recorder:
    """Draws and writes windows of one frame as they come."""

    def __init__(self, channel: Channel, args: RecorderArgs) -> None:
        self._channel = channel
        self._painter = Painter(args.painter)
        self._segments = Segments(
            SegmentPlan(
                room=Room(args.folder, args.max_bytes, args.keep_free_bytes),
                algorithm=args.painter.algorithm,
                stream=args.stream,
                name=args.name,
                segment_s=args.segment_s,
            )
        )
        self._pools: dict[int, Slots] = {}
        self._told = Recorded("", "")
        self._error = ""
        self._began = False
        self._retry_s = 0.0  # monotonic; until then nothing is written
        self._newest_s = 0.0  # monotonic; when the last picture came

    def run(self) -> None:
        """Until `Stop`; raises ChannelClosedError when the agent is gone."""
        self._channel.send(Ready(""))
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            while True:
                if not selector.select(_IDLE_S if self._segments.file else None):
                    self._rest()
                    continue
                for message, fds in self._channel.receive(block=False):
                    if isinstance(message, Stop):
                        return
                    self._on_message(message, fds)
                self._rest()

    def close(self) -> None:
        """End the file that is being written."""
        try:
            self._segments.finish()
        except RecordError as err:
            _log.warning("recording.failed", error=str(err))

    def _on_message(self, message: Message, fds: tuple[int, ...]) -> None:
        match message:
            case Lend():
                frame_format = FrameFormat(message.width, message.height, message.pixel_format)
                self._pools[message.pool] = Slots(frame_format, message.count, fds[0], writable=False)
            case Retire(pool):
                self._pools.pop(pool, None)
            case Show():
                self._painter.show(message.data, message.json)
            case Run():
                began_ns, cpu_began_ns = time.monotonic_ns(), time.process_time_ns()
                self._record(message.frames[-1])
                run_ns, cpu_ns = time.monotonic_ns() - began_ns, time.process_time_ns() - cpu_began_ns
                self._channel.send(Done(message.ticket, b"", b"", run_ns, cpu_ns))

    def _record(self, frame: FrameRef) -> None:
        now_s = self._newest_s = time.monotonic()
        if now_s < self._retry_s:
            return
        image = self._pools[frame.pool].view(frame.slot).copy()
        self._painter.paint(image)
        try:
            if not self._began:
                self._segments.begin()
                self._began = True
            self._segments.write(image, frame.pts_s, frame.wall_us)
        except RecordError as err:
            self._retry_s = now_s + _RETRY_S
            self._tell(str(err))
        else:
            self._tell("")

    def _rest(self) -> None:
        """No picture comes: what was recorded is to be had as a file."""
        if self._segments.file and time.monotonic() - self._newest_s >= _IDLE_S:
            self._painter.forget()
            try:
                self._segments.finish()
            except RecordError as err:
                self._tell(str(err))
            else:
                self._tell("")

    def _tell(self, error: str) -> None:
        """Say what has changed."""
        now = Recorded(self._segments.file, error)
        if now == self._told:
            return
        if error and error != self._told.error:
            _log.warning("recording.failed", error=error, retry_in_s=_RETRY_S)
        elif now.file and now.file != self._told.file:
            _log.info("recording.began", file=now.file)
        self._told = now
        self._channel.send(now)
