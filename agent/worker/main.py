"""The body of a worker process: instances of one algorithm, one window after the other."""

import socket
import time

from agent import log
from agent.config.secret import Secrets
from agent.contract.codec import UnpackableError, json_data, pack_data
from agent.errors import ChannelClosedError
from agent.frames.format import FrameFormat
from agent.frames.slots import Slots
from agent.ipc.channel import Channel
from agent.ipc.child import WORKER, become_child, limit_memory
from agent.ipc.foreign import Raised, call_foreign
from agent.ipc.message import Message
from agent.ipc.messages import Done, Failed, Forget, Lend, Ready, Retire, Run, Serve, StartFailed, Stop
from agent.worker import kinds
from agent.worker.args import WorkerArgs
from algos import BaseAlgo, Frames

_SHARED = ""  # the stream of the one instance that serves all


def main(
    sock: socket.socket, args: WorkerArgs, log_settings: tuple[str, log.Style], streams: tuple[str, ...]
) -> None:
    """Serve windows until told to stop; `streams` get their instances before anything runs."""
    become_child(f"vd:{args.algorithm}", sacrifice=WORKER)
    if args.memory_max is not None:
        limit_memory(args.memory_max)
    level, style = log_settings
    known = Secrets(environ={})
    known.learn(args.params)
    log.configure(level=level, style=style, redact=known.redact, context={"algorithm": args.algorithm})
    log.keep_recent(log.RECENT_BYTES // 4)
    log.adopt_process(prints=True)
    channel = Channel(sock)
    try:
        loaded = call_foreign(lambda: kinds.load(args.origin)[args.kind])
        if isinstance(loaded, Raised):
            channel.send(StartFailed(loaded.error, loaded.trace))
            return
        Worker(channel, loaded, args).run(streams)
    except ChannelClosedError:
        return  # the agent is gone, and the reason for this process with it


class Worker:
    """Runs windows as they come."""

    def __init__(self, channel: Channel, member: kinds.Kind, args: WorkerArgs) -> None:
        self._channel = channel
        self._member = member
        self._args = args
        self._shared = bool(getattr(member, "shared", False))
        self._instances: dict[str, BaseAlgo] = {}
        self._pools: dict[int, Slots] = {}

    def run(self, streams: tuple[str, ...]) -> None:
        """Until `Stop`; raises ChannelClosedError when the agent is gone."""
        for stream in streams:
            if not self._serve(stream):
                return
        self._channel.send(Ready(str(getattr(self._member, "version", "1"))))
        while True:
            for message, fds in self._channel.receive(block=True):
                if isinstance(message, Stop) or not self._on_message(message, fds):
                    return

    def _on_message(self, message: Message, fds: tuple[int, ...]) -> bool:
        match message:
            case Serve(stream):
                return self._serve(stream)
            case Forget(stream):
                self._instances.pop(stream, None)
            case Lend():
                frame_format = FrameFormat(message.width, message.height, message.pixel_format)
                self._pools[message.pool] = Slots(frame_format, message.count, fds[0], writable=False)
            case Retire(pool):
                self._pools.pop(pool, None)
            case Run():
                self._channel.send(self._run(message))
        return True

    def _serve(self, stream: str) -> bool:
        """Make the instance for a stream; False when its `init` raised, and the worker is to end."""
        key = _SHARED if self._shared else stream
        if key in self._instances:
            return True

        def make() -> BaseAlgo:
            instance = kinds.make(self._member, self._args.algorithm, self._args.params)
            instance.init()
            return instance

        made = call_foreign(make)
        if isinstance(made, Raised):
            self._channel.send(StartFailed(made.error, made.trace))
            return False
        self._instances[key] = made
        return True

    def _run(self, message: Run) -> Done | Failed:
        instance = self._instances[_SHARED if self._shared else message.stream]
        frames = self._frames(message)
        began_ns, cpu_began_ns = time.monotonic_ns(), time.process_time_ns()
        result = call_foreign(lambda: instance.run(frames))
        run_ns = time.monotonic_ns() - began_ns

        def cpu_ns() -> int:
            return time.process_time_ns() - cpu_began_ns

        if isinstance(result, Raised):
            return Failed(
                message.ticket, result.error, result.trace, packed=True, run_ns=run_ns, cpu_ns=cpu_ns()
            )
        try:
            data = pack_data(result) if self._args.codec != "json" else b""
            twin = json_data(result) if self._args.codec != "msgpack" else b""
        except UnpackableError as err:
            return Failed(message.ticket, str(err), "", packed=False, run_ns=run_ns, cpu_ns=cpu_ns())
        return Done(message.ticket, data, twin, run_ns, cpu_ns())

    def _frames(self, message: Run) -> Frames:
        pools = [self._pools[ref.pool] for ref in message.frames]
        return Frames(
            [pool.view(ref.slot) for pool, ref in zip(pools, message.frames, strict=True)],
            times=tuple(ref.pts_s for ref in message.frames),
            numbers=tuple(ref.number for ref in message.frames),
            stream=message.stream,
            pixel_format=pools[-1].format.pixel_format,
        )
