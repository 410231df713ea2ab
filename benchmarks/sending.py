"""A process that does nothing but deliver results of 1 KB, for `delivery`."""

import multiprocessing
import re
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.delivery.delivery import Delivery, SpoolSettings
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import Outgoing
from agent.delivery.saver import Durability

DEVICE = "bench"
TOPIC = f"d/{DEVICE}/s/door/a/movement/result"
BYTES = 1_024
_QUEUED = 200  # kept waiting: twice what is in flight, so that delivery does not starve
_BATCH = 50


class Sender:
    """The process, inside its `with`."""

    def __init__(self, url: str, folder: Path, durability: Durability, drain_per_s: float = 200.0) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, url, folder, durability, drain_per_s))

    def __enter__(self) -> Self:
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pipe.send(None)
        self._process.join(20.0)

    def ask(self, task: str, *args: float | None) -> dict[str, float]:
        """Have one of the tasks below done, and say what it measured."""
        self._pipe.send((task, args))
        measured: dict[str, float] = self._pipe.recv()
        return measured


def _serve(pipe: Connection, url: str, folder: Path, durability: Durability, drain_per_s: float) -> None:
    spool = SpoolSettings(path=folder / "spool.sqlite3", durability=durability)
    endpoint = Endpoint.from_url(url, client_id="bench-sender")
    with Delivery(endpoint, spool=spool, drain_rate=drain_per_s) as delivery:
        _until(lambda: delivery.counters().connects > 0)
        pipe.send(None)
        sending = _Sending(delivery)
        tasks: dict[str, Callable[..., dict[str, float]]] = {
            "send": sending.send,
            "keep": sending.keep,
            "drain": sending.drain,
        }
        while (asked := pipe.recv()) is not None:
            task, args = asked
            pipe.send(tasks[task](*args))


class _Sending:
    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._seq = 0

    def send(self, count: int, per_s: float | None) -> dict[str, float]:
        """Deliver `count` results, as fast as it goes or at a pace."""
        before, began_s = _used(), time.monotonic()
        rows = self._delivery.counters().disk_writes
        first = self._seq
        while self._seq < first + count:
            if per_s is not None:
                self._put(1)
                time.sleep(max(0.0, began_s + (self._seq - first) / per_s - time.monotonic()))
            elif self._waiting() < _QUEUED:
                self._put(_BATCH)
            else:
                time.sleep(0.001)
        _until(lambda: self._waiting() == 0)
        seconds = time.monotonic() - began_s
        _until(lambda: self._delivery.counters().on_disk == 0)
        cpu_s, written = (after - then for after, then in zip(_used(), before, strict=True))
        return {
            "per_s": count / seconds,
            "cpu_us": cpu_s / count * 1e6,
            "written_bytes": written / count,
            "rows": (self._delivery.counters().disk_writes - rows) / count,
        }

    def keep(self, count: int) -> dict[str, float]:
        """Have `count` results wait on disk."""
        while self._seq < count:
            self._put(_BATCH)
            _until(lambda: self._delivery.counters().on_disk >= self._seq - _QUEUED)
        _until(lambda: self._delivery.counters().on_disk == self._seq)
        return {"bytes": float(self._delivery.counters().disk_bytes)}

    def drain(self, per_s: float) -> dict[str, float]:
        """Live results at a pace, until nothing waits any more; counted from the new connection."""
        connects = self._delivery.counters().connects
        _until(lambda: self._delivery.counters().connects > connects or connects > 1)
        began_s, first = time.monotonic(), self._seq
        while self._delivery.counters().on_disk > 0:
            self._put(1)
            time.sleep(max(0.0, began_s + (self._seq - first) / per_s - time.monotonic()))
        seconds = time.monotonic() - began_s
        _until(lambda: self._waiting() == 0)
        return {"seconds": seconds, "live": self._seq - first}

    def _put(self, count: int) -> None:
        for _ in range(count):
            self._seq += 1
            payload = b"%012d%020d" % (self._seq, time.monotonic_ns())
            self._delivery.put(
                Outgoing(
                    topic=f"vedette/v1/{TOPIC}",
                    payload=payload.ljust(BYTES, b"."),
                    kind="result",
                    epoch=1,
                    seq=self._seq,
                )
            )

    def _waiting(self) -> int:
        counters = self._delivery.counters()
        return counters.waiting + counters.in_flight


def _used() -> tuple[float, float]:
    """CPU seconds of this process, and bytes that it has had written to disks."""
    text = Path("/proc/self/io").read_text("ascii")
    written = re.search(r"^write_bytes: (\d+)", text, re.MULTILINE)
    return time.process_time(), float(written[1]) if written else 0.0


def _until(check: Callable[[], Any], limit_s: float = 900.0) -> None:
    end_s = time.monotonic() + limit_s
    while not check():
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.005)
