"""`python -m tests.system.hanging FILE LIMIT_S run …`: `vedette run …` that hangs where FILE says.

FILE has the name of a part, or nothing; SIGUSR1 says that it has changed. Everything else is the real agent,
but that LIMIT_S is the limit of each part: how long they are is not what is tested.
"""

import asyncio
import functools
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from agent import app
from agent.cli import main
from agent.control.store import Store
from agent.delivery import courier, sink_courier
from agent.health import pulse
from agent.health.listener import Answer, HealthListener
from agent.supervise import site

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT_LIMIT_S = 3.0  # a capture process tells its counts every two seconds
TURN_S = 0.3
POLL_S = 0.02

order = Path()
hanging = ""


def on_order(*_: object) -> None:
    """In the thread of the event loop, which hangs when this does."""
    global hanging  # noqa: PLW0603  it is the one state of this program
    while (part := order.read_text("utf-8")) == "loop":
        time.sleep(POLL_S)
    hanging = part


def stand_still(part: str) -> None:
    """Return when the part does not hang (any more)."""
    while hanging == part:
        time.sleep(POLL_S)


def hang_before(part: str, owner: type, name: str) -> None:
    """Calls of this function hang."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def hangs(*args: object, **named: object) -> object:
        stand_still(part)
        return function(*args, **named)

    setattr(owner, name, hangs)


def hang_tick() -> None:
    """The event loop goes on, and the next tick does not come."""

    async def sleep(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await asyncio.to_thread(stand_still, "tick")

    vars(pulse)["asyncio"] = SimpleNamespace(sleep=sleep)


def hang_listener() -> None:
    """Metrics are asked for, and not answered."""
    answer = HealthListener._answer

    async def hangs(self: HealthListener, reader: asyncio.StreamReader) -> Answer | None:
        answered = await answer(self, reader)
        if answered is not None and b"vedette_" in answered.body:
            await asyncio.to_thread(stand_still, "listener")
        return answered

    HealthListener._answer = hangs  # type: ignore[method-assign]


def shorten_limits(limit_s: float) -> None:
    """So that a test takes seconds."""
    for name in ("DELIVERY_LIMIT_S", "STORE_LIMIT_S", "FORK_SERVER_LIMIT_S", "CONNECTION_LIMIT_S"):
        vars(app)[name] = limit_s
    vars(courier)["IDLE_S"] = vars(sink_courier)["IDLE_S"] = TURN_S
    pulse.Pulse.__init__.__kwdefaults__["tick_limit_s"] = limit_s  # type: ignore[index]
    capture_spec = vars(site)["capture_spec"]
    vars(site)["capture_spec"] = lambda *args: replace(capture_spec(*args), beat_timeout_s=BEAT_LIMIT_S)


if __name__ == "__main__":
    order = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, on_order)
    hang_before("delivery", courier.Courier, "_turn")
    hang_before("sink", sink_courier.SinkCourier, "_turn")
    hang_before("store", Store, "commit")
    hang_tick()
    hang_listener()
    shorten_limits(float(sys.argv.pop(1)))
    main()
