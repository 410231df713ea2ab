"""Name look-ups that hang: few at a time, and nobody waits for them."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from agent.control import sources
from agent.control.lookups import MAX_LOOK_UPS, LookUps
from agent.control.rules import Rules
from agent.control.sources import check_source
from agent.errors import CommandError
from tests.waiting import eventually

RULES = Rules(schemes=frozenset({"rtsp"}))


class Resolver:
    """Answers once it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        self.let_go.wait()
        if name == "none":
            raise OSError("no such name")
        return ["203.0.113.7"]


def _looking_up() -> bool:
    return any(thread.name == "look-up" for thread in threading.enumerate())


def test_beyond_a_few_that_hang_a_command_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOOK_UP_LIMIT_S", 0.01)
    resolver = Resolver()
    resolve = LookUps(resolver)

    async def script() -> None:
        for number in range(MAX_LOOK_UPS):
            with pytest.raises(CommandError, match="cannot be looked up") as slow:
                await check_source(f"rtsp://camera-{number}/", RULES, resolve)
            assert slow.value.status == 403
        with pytest.raises(CommandError, match="name look-ups are slow; try again later") as refused:
            await check_source("rtsp://another/", RULES, resolve)
        assert refused.value.status == 429
        monkeypatch.setattr(sources, "LOOK_UP_LIMIT_S", 20.0)
        resolver.let_go.set()
        await asyncio.to_thread(eventually, lambda: not _looking_up())
        await check_source("rtsp://camera/", RULES, resolve)
        with pytest.raises(CommandError, match="cannot be looked up"):
            await check_source("rtsp://none/", RULES, resolve)

    try:
        asyncio.run(script())
    finally:
        resolver.let_go.set()
    assert "another" not in resolver.asked


def test_names_are_looked_up_by_the_system() -> None:
    assert "127.0.0.1" in asyncio.run(_of("127.0.0.1"))


async def _of(name: str) -> Sequence[str]:
    return await LookUps()(name)


SCRIPT = """
import asyncio, socket, threading
from agent.control.lookups import LookUps
from agent.control.rules import Rules
from agent.control.sources import check_source
from agent.errors import CommandError

socket.getaddrinfo = lambda *args, **kwargs: threading.Event().wait()

async def life():
    work = asyncio.create_task(check_source("rtsp://c/", Rules(schemes=frozenset({"rtsp"})), LookUps()))
    while not any(thread.name == "look-up" for thread in threading.enumerate()):
        await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

asyncio.run(life())
print("ended")
"""


def test_a_process_ends_though_a_look_up_hangs() -> None:
    came = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, timeout=40, check=False)
    assert (came.returncode, came.stdout) == (0, b"ended\n"), came.stderr
