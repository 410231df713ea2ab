"""The processes of sinks: started and ended here, spoken to by the sink's own thread."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from agent import log
from agent.config.secret import Secrets
from agent.config.sinks import SinkConfig
from agent.errors import KindError, SecretError
from agent.ipc.inspecting import Inspected
from agent.ipc.sinking import Gone
from agent.sink.args import SinkArgs
from agent.supervise.catalog import ask
from agent.supervise.memory import own_bytes
from agent.supervise.process import Process

SINK_MAIN = "agent.sink.main:main"
_WEIGH_S = 1.0
_KILL_S = 2.0  # from SIGKILL to the end, but for a process that hangs in the kernel


class SinkStarter:
    """Starts the process of one sink, never two at once. `start` and `kill` may be called from any thread.

    Processes are started and reaped in the event loop alone: multiprocessing keeps its list of them
    without a lock.
    """

    def __init__(
        self,
        config: SinkConfig,
        device: str,
        secrets: Secrets,
        log_settings: Callable[[], tuple[str, log.Style]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._device = device
        self._secrets = secrets
        self._log_settings = log_settings
        self._process: Process | None = None
        self._gone = asyncio.Event()
        self._gone.set()
        self._closed = False
        self._why = ""  # it was ended here

    def start(self, sock: socket.socket, on_gone: Callable[[Gone], None]) -> None:
        """Start it with this end of its pipe; `on_gone` is called once, in the loop."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            self._loop.call_soon_threadsafe(self._start, sock, on_gone)

    def kill(self) -> None:
        """End it and all that it started; `on_gone` follows."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._kill)

    async def ended(self, grace_s: float) -> None:
        """Return when there is none; it has `grace_s` to end by itself, then it is killed."""
        self._closed = True
        for limit_s in (grace_s, _KILL_S):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), limit_s)
            self._kill()

    def _start(self, sock: socket.socket, on_gone: Callable[[Gone], None]) -> None:
        with sock:
            if self._closed:
                on_gone(Gone("is not started any more"))
                return
            try:
                params, hidden = self._secrets.fill(self._config.params)
            except SecretError as err:
                on_gone(Gone(str(err), usable=False))
                return
            args = SinkArgs(
                sink=self._config.id,
                kind=self._config.kind,
                device=self._device,
                memory_max=self._config.memory_max,
                params=params,
                hidden=hidden,
            )

            def gone(reason: str) -> None:
                self._process = None
                self._gone.set()
                on_gone(Gone(self._why or reason))

            self._gone.clear()
            self._why = ""
            try:
                self._process = Process(SINK_MAIN, sock, (args, self._log_settings()), on_exit=gone)
            except (OSError, EOFError) as err:  # no memory, no processes, no fork server
                gone(f"cannot be started: {err}")
            else:
                self._weigh(self._process)

    def _weigh(self, process: Process) -> None:
        """Once a second: a process that takes too much memory is ended."""
        if process is not self._process:
            return
        used, most = own_bytes(process.pid), self._config.memory_max
        if used > most:
            self._why = f"took {used / 1e6:.0f} MB of memory, memory_max is {most / 1e6:.0f} MB: killed"
            process.kill()
        self._loop.call_later(_WEIGH_S, self._weigh, process)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()


async def check_sink(config: SinkConfig, secrets: Secrets) -> None:
    """Raises KindError when there is no such kind, or it does not take the parameters; SecretError."""
    params, _ = secrets.fill(config.params)
    main, args = "agent.sink.inspection:check_params", (config.kind, params)
    heard, reason = await ask(main, args)
    for message in heard:
        if isinstance(message, Inspected):
            if message.problems:
                raise KindError(secrets.redact("; ".join(message.problems)))
            return
    raise KindError(f"kind {config.kind!r} cannot be loaded: its process {reason}")
