"""A sink that runs in its real process, and what a test may ask of it."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from agent.config.secret import Secrets
from agent.config.sinks import SinkConfig
from agent.contract.status import SinkStatus
from agent.delivery.messages import Outgoing
from agent.delivery.sink_delivery import SinkDelivery, Sinks
from agent.supervise.sinks import SinkStarter
from tests.parts.sink_items import envelope
from tests.waiting import eventually


class Sunk:
    """One sink that runs, with what the test asks of it."""

    def __init__(self, delivery: SinkDelivery, folder: Path) -> None:
        self.delivery = delivery
        self.folder = folder

    def put(self, *seqs: int, epoch: int = 1, size: int = 0) -> None:
        for seq in seqs:
            payload = envelope(seq, epoch=epoch, data="x" * size)
            self.delivery.put(
                Outgoing(topic="door/heads", payload=payload, kind="result", epoch=epoch, seq=seq)
            )

    def order(self, what: str) -> None:
        (self.folder / "order.new").write_text(what, encoding="utf-8")
        (self.folder / "order.new").rename(self.folder / "order")

    def taken(self) -> list[tuple[int, int, int]]:
        """Epoch, seq and replay of each result that was taken, in that order."""
        path = self.folder / "taken"
        text = path.read_text("utf-8") if path.exists() else ""
        found = re.findall(r"^(\d+) (\d+) (\d+)\n", text, re.MULTILINE)
        return [(int(epoch), int(seq), int(replay)) for epoch, seq, replay in found]

    def seqs(self) -> list[int]:
        return [seq for _, seq, _ in self.taken()]

    def batches(self) -> list[int]:
        """How many results each call was given."""
        path = self.folder / "calls"
        text = path.read_text("utf-8") if path.exists() else ""
        return [int(line.split()[1]) for line in text.splitlines()]

    @property
    def status(self) -> SinkStatus:
        return self.delivery.status()

    def child(self) -> psutil.Process:
        """The sink's process."""

        def find() -> psutil.Process | None:
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.name() == f"vd:{self.delivery.config.id}":
                        return process
                except psutil.NoSuchProcess:
                    continue
            return None

        found = eventually(find, 20.0, "the sink's process")
        assert found is not None
        return found

    def wait_empty(self, timeout_s: float = 30.0) -> SinkStatus:
        """Until all is settled, and accounted for."""
        eventually(lambda: self.status.waiting == 0, timeout_s, "nothing waits")
        status = self.status
        out = status.delivered + status.dropped + status.dead
        assert status.accepted + status.recovered == out
        return status


@contextmanager
def sunk(folder: Path, **keys: Any) -> Iterator[Sunk]:  # noqa: ANN401  keys of [[sinks]]
    """A sink with these keys, by default of the kind `ordered`; its event loop runs in a thread."""
    settings: dict[str, Any] = {
        "id": "out",
        "kind": "ordered",
        "batch_wait_s": 0.05,
        "params": {"folder": str(folder)},
    }
    config = SinkConfig.model_validate(settings | keys)
    secrets = Secrets(folder / "secrets", environ={})
    made: Future[SinkDelivery] = Future()
    end: list[Callable[[], object]] = []

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        end.append(lambda: loop.call_soon_threadsafe(stop.set))
        starter = SinkStarter(config, "gate-7", secrets, lambda: ("error", "json"))
        delivery = SinkDelivery(config, folder / "state", starter, redact=secrets.redact)
        async with Sinks([delivery]):
            made.set_result(delivery)
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield Sunk(made.result(20), folder)
    finally:
        end[0]()
        thread.join()
