"""The devices together: what they say, and how fast."""

import itertools
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent.contract.decode import JSON_TYPE, MSGPACK_TYPE
from agent.contract.status import DeviceState, Payload
from agent.contract.topics import DEFAULT_PREFIX, Topics
from tests.fleet import documents
from tests.fleet.packet import DEVICE, Packet, connected, exactly

if TYPE_CHECKING:
    import socket

SITES = ("berlin", "hamburg", "munich", "vienna", "zurich")
MOST_DEVICES = 10_000
LOST_OF = 50  # one device in so many is lost, and one offline: these say nothing more

_FIRST = 1_000_000
_LAST = 9_999_999
_MIX = ("metrics", "metrics", "reported", "reported", *["stream"] * 8, *["result"] * 88)
_STEP_S = 0.02
_DEBT_S = 1.0  # a broker that is slower than this is not caught up with


class Fleet:
    """Connected inside its `with`; all retained documents are at the broker when that begins."""

    def __init__(
        self, url: str, *, devices: int = 1000, prefix: str = DEFAULT_PREFIX, connections: int = 4
    ) -> None:
        if not 0 < devices <= MOST_DEVICES:
            raise ValueError(f"devices: 1 to {MOST_DEVICES}")
        self._url = url
        self._topics = Topics(prefix, DEVICE)
        self._names = [b"sim-%04d" % number for number in range(devices)]
        self._connections = connections
        self._lifetime = ExitStack()
        self._sockets: list[socket.socket] = []
        self._live = [name for number, name in enumerate(self._names) if _state(number) is DeviceState.ONLINE]
        self._numbers = dict.fromkeys(self._names, _FIRST)  # the newest seq of each
        self._round = 0
        self.sent = 0  # messages since the retained ones

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for number in range(self._connections):
                self._sockets.append(opening.enter_context(connected(self._url, f"vedette-fleet-{number}")))
            self._tell_all()
            self._lifetime = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.sendall(b"\xe0\x00")  # DISCONNECT
        self._lifetime.close()

    @property
    def live(self) -> int:
        """How many devices are online, and say something."""
        return len(self._live)

    def run(self, rate: float, seconds: float | None = None) -> Iterator[float]:
        """Send `rate` messages a second; gives the rate that was reached, once a second."""
        packets = self._packets()
        mix = list(_MIX)
        random.Random(1).shuffle(mix)  # noqa: S311  for variety
        began_s = told_s = time.monotonic()
        done = told = 0
        while seconds is None or time.monotonic() - began_s < seconds:
            now_s = time.monotonic()
            if now_s - told_s >= 1.0:
                yield (done - told) / (now_s - told_s)
                told_s, told = now_s, done
            due = int((now_s - began_s) * rate) - done
            if due > rate * _DEBT_S:
                began_s += due / rate
                continue
            self._send(packets, mix, due)
            done += max(due, 0)
            time.sleep(max(0.0, _STEP_S - (time.monotonic() - now_s)))

    def _send(self, packets: Mapping[str, list[Packet]], mix: list[str], count: int) -> None:
        buffers = [bytearray() for _ in self._sockets]
        time_us = time.time_ns() // 1000
        for index in range(self._round, self._round + count):
            turn, at = divmod(index, len(self._live))
            name, what = self._live[at], mix[(index + turn) % len(mix)]
            number = self._numbers[name]
            if what == "result":
                self._numbers[name] = number = number + 1 if number < _LAST else _FIRST
            choice = packets[what]
            packet = choice[(turn + 7 * at) % len(choice)]
            buffers[at % len(buffers)] += packet.filled(name, number, time_us)
        for each, buffer in zip(self._sockets, buffers, strict=True):
            each.sendall(buffer)
        self._round += count
        self.sent += count

    def _packets(self) -> dict[str, list[Packet]]:
        """What a device may say, in all variants."""
        topics, made = self._topics, range(documents.VARIANTS)
        return {
            "metrics": [_json(topics.metrics, documents.digest(each)) for each in made],
            "reported": [_json(topics.reported, documents.reported(each), retain=True) for each in made],
            "stream": [
                _json(topics.stream_status(stream), documents.stream(stream, each), retain=True)
                for each, stream in itertools.product(made, documents.STREAMS)
            ],
            "result": [
                Packet(
                    topics.result(stream, kind),
                    documents.result(stream, kind, each),
                    MSGPACK_TYPE,
                    retain=False,
                )
                for each, stream, kind in itertools.product(made, documents.STREAMS, documents.KINDS)
            ],
        }

    def _tell_all(self) -> None:
        """The retained documents of all devices."""
        packets = self._packets()
        time_us = time.time_ns() // 1000
        statuses: dict[tuple[DeviceState, str], Packet] = {}
        infos: dict[str, Packet] = {}
        for number, name in enumerate(self._names):
            site, state = SITES[number % len(SITES)], _state(number)
            if (state, site) not in statuses:
                statuses[state, site] = _json(self._topics.status, documents.status(state, site), retain=True)
            if site not in infos:
                infos[site] = _json(self._topics.info, documents.info(site), retain=True)
            variant = number % documents.VARIANTS
            told = [
                statuses[state, site],
                infos[site],
                packets["reported"][variant],
                *packets["stream"][variant * len(documents.STREAMS) :][: len(documents.STREAMS)],
            ]
            out = b"".join(bytes(packet.filled(name, _FIRST, time_us)) for packet in told)
            self._sockets[number % len(self._sockets)].sendall(out)
        for each in self._sockets:
            each.sendall(b"\xc0\x00")  # PINGREQ: the answer comes when all before it was read
            if exactly(each, 2) != b"\xd0\x00":
                raise AssertionError("the broker answers a ping with something else")


@contextmanager
def fleet_running(url: str, *, devices: int = 1000, rate: float = 5000) -> Iterator[subprocess.Popen[str]]:
    """A fleet in a process of its own, that has told its retained documents; it ends with the block."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.fleet", "--url", url),
            *("--devices", str(devices), "--rate", str(rate), "--quiet"),
        ],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("told "), "the fleet has ended"
            yield process
        finally:
            process.terminate()


def _state(number: int) -> DeviceState:
    match number % LOST_OF:
        case 17:
            return DeviceState.LOST
        case 34:
            return DeviceState.OFFLINE
    return DeviceState.ONLINE


def _json(topic: str, document: Payload, *, retain: bool = False) -> Packet:
    return Packet(topic, document.json_bytes(), JSON_TYPE, retain=retain)
