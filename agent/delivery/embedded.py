"""A broker inside, for trying out: iotcore (rumqttd), on loopback only, in memory, open to all local users.

It runs in a child process: the broker's own threads cannot be stopped, and must not see the Ctrl-C that
ends the agent, which has to say goodbye to it first. The child ends when its standard input does: with the
`with` block, or with the agent, however that dies.
"""

import importlib.util
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from agent.errors import BrokerError, ConfigError

_ATTEMPTS = 5  # each with other free ports
_START_S = 10.0
_STOP_S = 3.0
_POLL_S = 0.02

_CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 200
max_outgoing_packet_count = 200
max_segment_size = 4194304
max_segment_count = 4
"""

_LISTENER = """
[{kind}.1]
name = "{kind}"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[{kind}.1.connections]
connection_timeout_ms = 5000
max_payload_size = 4194304
max_inflight_count = 500
dynamic_filters = true
"""

# What the child runs: the configuration comes as an argument, and its file is gone once it is read.
_CHILD = """
import logging, os, sys, tempfile, threading
from iotcore import IotCoreBroker

def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)  # rumqttd has no other way to stop

logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it logs each packet as an error
with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
    file.write(sys.argv[1])
    file.flush()
    broker = IotCoreBroker(config_path=file.name)
threading.Thread(target=end_with_parent, daemon=True).start()
broker.run_forever()
"""


class EmbeddedBroker:
    """The broker, while inside the `with` block; it remembers nothing afterwards.

    Needs the extra `demo`: ConfigError says so. `port`: of the MQTT 5 listener; default: a free one. Its
    listeners speak one protocol each.
    """

    def __init__(self, port: int | None = None) -> None:
        self._wanted_port = port
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if importlib.util.find_spec("iotcore") is None:
            raise ConfigError(
                'broker.url: "embedded" needs the extra "demo": pip install \'vedette[demo]\'; '
                "or give the URL of a broker"
            )
        for _ in range(_ATTEMPTS):
            try:
                if self._start():
                    return self
            except BaseException:
                self.__exit__(None, None, None)
                raise
            self.__exit__(None, None, None)
        assert self._process is not None  # noqa: S101  the last attempt made one
        raise BrokerError(f"the embedded broker ended at once, with {self._process.returncode}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def url(self) -> str:
        """For MQTT 5."""
        return f"mqtt://127.0.0.1:{self._ports['v5']}"

    @property
    def old_url(self) -> str:
        """For MQTT 3.1.1."""
        return f"mqtt://127.0.0.1:{self._ports['v4']}"

    @property
    def websocket_url(self) -> str:
        """For browsers; MQTT 3.1.1.

        rumqttd 0.20 panics when it has to hand over here, or at `old_url`, what came with properties,
        as MQTT 5 has them, and serves nobody there any more: with browsers about, all others use `old_url`.
        """
        return f"ws://127.0.0.1:{self._ports['ws']}/mqtt"

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def _start(self) -> bool:
        """Whether it listens; not when it ended at once, as somebody was quicker to take one of its ports."""
        self._ports = dict(zip(("v5", "v4", "ws"), _free_ports(self._wanted_port), strict=True))
        listeners = (_LISTENER.format(kind=kind, port=port) for kind, port in self._ports.items())
        self._process = subprocess.Popen(  # noqa: S603  our own code
            [sys.executable, "-P", "-c", _CHILD, _CONFIGURATION + "".join(listeners)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        )
        deadline = time.monotonic() + _START_S
        while not all(map(_listens, self._ports.values())):
            if self._process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise BrokerError("the embedded broker does not listen")
            time.sleep(_POLL_S)
        return True


def _free_ports(wanted: int | None) -> list[int]:
    """Three ports of loopback, the first as wanted; raises BrokerError when that is taken."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        for listener in (first, second, third):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            first.bind(("127.0.0.1", wanted or 0))
        except OSError as err:
            raise BrokerError(f"the embedded broker cannot have port {wanted}: {err.strerror}") from err
        second.bind(("127.0.0.1", 0))
        third.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in (first, second, third)]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
