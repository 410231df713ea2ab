"""E. What a dispatched run costs the agent, and how late it comes: 64 streams x 4 algorithms, no video."""

import asyncio
import heapq
import itertools
import multiprocessing
import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from agent.contract.topics import Topics
from agent.errors import ChannelClosedError
from agent.frames import FrameFormat
from agent.ipc.channel import Channel
from agent.ipc.message import Message
from agent.ipc.messages import Done, Filled, FrameRef, Lend, Ready, Run, Stop, Want
from agent.schedule import Pair
from agent.supervise.dispatch import Dispatcher, Need
from agent.supervise.outside import Outcome
from agent.supervise.results import Sequencer
from benchmarks.figures import Data, median, percentile, spread, table
from benchmarks.processes import machine_cpu_s

TITLE = "E. Scheduling"
STREAMS, ALGORITHMS, HZ = 64, 4, 10
FORMAT = FrameFormat(64, 36, "gray8")
WARM_UP_S = 3.0
_RESULT = b"\x82\xa6moving\xc3\xa5count\x03"  # {"moving": true, "count": 3}


@dataclass(slots=True)
class FarEnd:
    """Every capture process and every worker, played by one process: fills on time, runs at once."""

    channels: dict[str, Channel]
    due_ns: dict[tuple[str, str], int] = field(default_factory=dict)  # of each pair's next window
    waiting: list[tuple[int, int, str, str]] = field(default_factory=list)  # due, ticket, stream, algorithm
    asked: dict[int, int] = field(default_factory=dict)  # ticket: when it was due
    pools: dict[tuple[str, str], int] = field(default_factory=dict)
    late_us: list[float] = field(default_factory=list)
    skipped: int = 0

    def heard(self, name: str, message: Message) -> bool:
        """Do what a child would; False at the end."""
        now_ns = time.monotonic_ns()
        match message:
            case Lend() if name.startswith("capture/"):
                # The agent lends each pair of a stream its own, in the order of the algorithms.
                known = sum(stream == name for stream, _ in self.pools)
                self.pools[name, f"a{known}"] = message.pool
            case Want(algorithm, ticket):
                due_ns = self.due_ns.get((name, algorithm)) or _phase_ns(name, now_ns)
                heapq.heappush(self.waiting, (due_ns, ticket, name, algorithm))
            case Run(ticket):
                self.late_us.append((now_ns - self.asked.pop(ticket)) / 1e3)
                self.channels[name].send(Done(ticket, _RESULT, b"", 1_000, 1_000))
            case Stop():
                return False
            case _:
                pass
        return True

    def fill_due(self) -> float | None:
        """Fill what is due; returns seconds until the next is."""
        while self.waiting:
            now_ns = time.monotonic_ns()
            due_ns, ticket, name, algorithm = self.waiting[0]
            if due_ns > now_ns:
                return (due_ns - now_ns) / 1e9
            heapq.heappop(self.waiting)
            period_ns = 10**9 // HZ
            missed = (now_ns - due_ns) // period_ns  # several overdue runs are one
            self.skipped += missed
            due_ns += missed * period_ns
            self.asked[ticket] = due_ns
            self.due_ns[name, algorithm] = due_ns + period_ns
            pool = self.pools[name, algorithm]
            frame = FrameRef(pool, 0, due_ns // period_ns, due_ns / 1e9, time.time_ns() // 1000, now_ns)
            self.channels[name].send(Filled(ticket, algorithm, 1, (frame,), missed, due_ns + period_ns))
        return None


def _phase_ns(name: str, now_ns: int) -> int:
    """When the first frame of a stream comes: the streams are spread evenly over a period."""
    number = int(name.rpartition("s")[2])
    return now_ns + 10**9 // HZ + number * 10**9 // HZ // STREAMS


def _play(sockets: dict[str, socket.socket], said: socket.socket) -> None:
    """The body of the far end's process; says at the end how late the runs were, as text."""
    far = FarEnd({name: Channel(sock) for name, sock in sockets.items()})
    selector = selectors.DefaultSelector()
    for name, channel in far.channels.items():
        selector.register(channel.fileno(), selectors.EVENT_READ, name)
        if name.startswith("worker/"):
            channel.send(Ready("1"))
    going, began_s = True, time.monotonic()
    while going:
        for key, _ in selector.select(far.fill_due()):
            for message, _fds in far.channels[key.data].receive(block=False):
                going = far.heard(key.data, message) and going
    settled = far.late_us[len(far.late_us) // 5 :]
    points = [percentile(settled, percent) for percent in (50, 99, 100)]
    cores = time.process_time() / (time.monotonic() - began_s)
    said.sendall(" ".join(map(str, [*points, far.skipped, cores])).encode())
    said.close()


class NearEnd:
    """The agent's side: dispatcher, channels and envelopes, as `Site` and `Child` put them together."""

    def __init__(self, channels: dict[str, Channel]) -> None:
        self.runs = 0
        self.bytes = 0
        self._channels = channels
        self._dispatcher = Dispatcher(self._post)
        self._sequencer = Sequencer(Topics("vedette/v1", "bench"), "bench", 1)
        for name, channel in channels.items():
            asyncio.get_running_loop().add_reader(channel.fileno(), self._readable, name, channel)
        workers = [name for name in channels if name.startswith("worker/")]
        for worker in workers:
            self._dispatcher.add_worker(worker)
        for stream, algorithm in itertools.product(range(STREAMS), range(ALGORITHMS)):
            pair = Pair(f"s{stream}", f"a{algorithm}")
            self._dispatcher.add_pair(pair, (f"worker/a{algorithm}/0",), Need(1, 1 / HZ))
            self._dispatcher.set_format(pair, FORMAT)

    def close(self) -> None:
        """All is over."""
        for channel in self._channels.values():
            asyncio.get_running_loop().remove_reader(channel.fileno())
            channel.post(Stop())
        self._dispatcher.close()

    def _post(self, name: str, message: Message, fds: tuple[int, ...]) -> None:
        self._channels[name].post(message, fds)
        if self._channels[name].backlogged:
            raise ChannelClosedError(f"{name} does not keep up")

    def _readable(self, name: str, channel: Channel) -> None:
        for message, _fds in channel.receive(block=False):
            match message:
                case Filled():
                    self._dispatcher.filled(name.removeprefix("capture/"), message)
                case Done():
                    window = self._dispatcher.done(name, message)
                    assert window is not None
                    self.runs += 1
                    for envelope in self._sequencer.envelopes(
                        Outcome(window, "bench", "1", message.data, b"")
                    ):
                        self.bytes += len(envelope.payload)
                case Ready():
                    self._dispatcher.worker_ready(name)
                case _:
                    pass


def measure(*, quick: bool) -> Data:
    """Each repetition with processes of its own."""
    rounds = []
    for repetition in range(1 if quick else 3):
        rounds.append(_round(5.0 if quick else 20.0))
        print(f"E {repetition + 1}:", rounds[-1])
    return {"rounds": rounds}


def _round(window_s: float) -> dict[str, float]:
    names = [f"capture/s{number}" for number in range(STREAMS)]
    names += [f"worker/a{number}/0" for number in range(ALGORITHMS)]
    pairs = {name: socket.socketpair() for name in names}
    hears, says = socket.socketpair()
    process = multiprocessing.get_context("spawn").Process(
        target=_play, args=({name: far for name, (_, far) in pairs.items()}, says)
    )
    process.start()
    for _, far in pairs.values():
        far.close()
    says.close()
    channels = {name: Channel(near) for name, (near, _) in pairs.items()}
    found = asyncio.run(_watch(channels, window_s))
    told = bytearray()
    while data := hears.recv(1024):
        told += data
    process.join()
    for channel in channels.values():
        channel.close()
    hears.close()
    names = ["late_p50_us", "late_p99_us", "late_max_us", "skipped", "far_cores"]
    return found | dict(zip(names, map(float, told.split()), strict=True))


async def _watch(channels: dict[str, Channel], window_s: float) -> dict[str, Any]:
    near = NearEnd(channels)
    await asyncio.sleep(WARM_UP_S)
    runs, cpu_ns, began_s, busy_s = near.runs, time.process_time_ns(), time.monotonic(), machine_cpu_s()
    await asyncio.sleep(window_s)
    runs, cpu_ns = near.runs - runs, time.process_time_ns() - cpu_ns
    wall_s, busy_s = time.monotonic() - began_s, machine_cpu_s() - busy_s
    near.close()
    return {
        "runs_hz": runs / wall_s,
        "us_a_run": cpu_ns / 1e3 / runs,
        "cores": cpu_ns / 1e9 / wall_s,
        "machine_cores": busy_s / wall_s,
    }


def report(data: Data) -> str:
    """The section of RESULTS.md."""

    def row(name: str, key: str, digits: int) -> list[str]:
        return [name, spread([one[key] for one in data["rounds"]], digits)]

    wanted = STREAMS * ALGORITHMS * HZ
    cost = median([one["us_a_run"] for one in data["rounds"]])
    rows = [
        row(f"runs a second (of {wanted} due)", "runs_hz", 0),
        row("agent's CPU a run, µs: ask, fill, run, result in its envelope, slots back", "us_a_run", 1),
        row("agent's cores", "cores", 3),
        row("from due to the worker's having it, p50, µs", "late_p50_us", 0),
        row("p99, µs", "late_p99_us", 0),
        row("longest, µs", "late_max_us", 0),
        row("due runs left out, start included", "skipped", 0),
        row("cores of the process that plays captures and workers", "far_cores", 3),
        row("busy cores of the machine, these two included", "machine_cores", 2),
    ]
    return f"""{STREAMS} streams with {ALGORITHMS} algorithms each, every pair due {HZ} times a second,
the streams spread evenly; no video. The agent's own dispatcher, channels and envelopes in one process;
all captures and workers are played by one other process, which fills a window when it is due and answers
a run at once. Delivery is not in it. There is no goal; one camera with one algorithm at 1 Hz thus costs {
        cost / 1e6:.6f} cores of dispatching.

{table(["", "median (lowest to highest)"], rows)}"""
