"""Host names looked up, however long the system's resolver takes.

A look-up cannot be ended: whoever gives it up leaves a thread behind, for as long as the resolver tries. So
each has a thread of its own that nothing else needs and the end of the process does not wait for, and there
are few.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from agent.errors import CommandError

MAX_LOOK_UPS = 4  # at a time, given up or not


def ask_system(name: str) -> list[str]:
    """The addresses of a host name as the system's resolver gives them; OSError when it gives none."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


class LookUps:
    """Asks in threads, `MAX_LOOK_UPS` of them at most."""

    def __init__(self, ask: Callable[[str], Sequence[str]] = ask_system) -> None:
        self._ask = ask
        self._free = threading.Semaphore(MAX_LOOK_UPS)

    async def __call__(self, name: str) -> Sequence[str]:
        """The addresses of a host name. Raises what asking raises; CommandError 429 when too many wait."""
        if not self._free.acquire(blocking=False):
            raise CommandError(429, "name look-ups are slow; try again later")
        answer: Future[Sequence[str]] = Future()
        answer.set_running_or_notify_cancel()  # from here on, nobody but the thread ends it
        try:
            threading.Thread(target=self._work, args=(name, answer), name="look-up", daemon=True).start()
        except RuntimeError as err:  # the system gives no thread
            self._free.release()
            raise CommandError(429, "name look-ups find no thread; try again later") from err
        return await asyncio.wrap_future(answer)

    def _work(self, name: str, answer: Future[Sequence[str]]) -> None:
        try:
            found = self._ask(name)
        except (OSError, ValueError) as err:
            self._free.release()
            answer.set_exception(err)
        else:
            self._free.release()
            answer.set_result(found)
