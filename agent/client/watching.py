"""Following devices for as long as one likes: over lost connections, which are made again."""

import random
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from agent.backoff import Backoff
from agent.client.observed import Happening, Notice, Observed
from agent.delivery.client import Client as Visitor
from agent.delivery.endpoint import Endpoint
from agent.delivery.reasons import LinkError

_SLICE_S = 0.5
_AGAIN = Backoff(first_s=0.5, cap_s=15.0)


class Watch:
    """What is heard of devices, one by one; `with` connects and leaves. Used by one thread, closed by any.

    Raises LinkError when the first connection cannot be made; a later one that is lost is made again, and a
    `Notice` tells of it. What devices publish meanwhile goes by: the numbers of the results show it, and
    `Missing` says which.
    """

    def __init__(self, endpoint: Endpoint, observed: Observed) -> None:
        self.observed = observed
        """All that is known of the devices."""
        self._endpoint = endpoint
        self._visitor: Visitor | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._backoff = _AGAIN
        self._since_s = 0.0
        self._again_s = 0.0

    def __enter__(self) -> Self:
        with self._lock:
            if not self._closed:  # by who gave up while a thread was about to connect
                self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Happening]:
        while not self._closed:
            yield from self.receive(_SLICE_S)

    def close(self) -> None:
        """Leave; whoever waits in `receive` comes back within its time."""
        self._closed = True
        with self._lock:
            self._leave()

    def receive(self, timeout_s: float) -> list[Happening]:
        """What has been heard, waiting at most `timeout_s` for it."""
        with self._lock:
            if self._closed:
                return []
            try:
                if self._visitor is None:
                    return self._again(timeout_s)
                messages = self._visitor.receive(timeout_s)
            except LinkError as err:
                return [self._lost(err)]
        return [happening for message in messages for happening in self.observed.hear(message)]

    def _again(self, timeout_s: float) -> list[Happening]:
        left_s = self._again_s - time.monotonic()
        if left_s > timeout_s:
            time.sleep(timeout_s)
            return []
        time.sleep(max(0.0, left_s))
        self._connect()
        return [Notice("", f"connected to {self._endpoint.address} again")]

    def _lost(self, error: LinkError) -> Notice:
        self._leave()
        now_s = time.monotonic()
        tried_before = self._backoff.failures > 0 and self._since_s == 0.0
        self._backoff = self._backoff.after_failure(lasted_s=now_s - self._since_s if self._since_s else 0.0)
        self._again_s = now_s + self._backoff.delay_s(random.random())  # noqa: S311  spreads, guards nothing
        self._since_s = 0.0
        return Notice("", f"still away: {error}" if tried_before else f"connection lost: {error}", bad=True)

    def _connect(self) -> None:
        visitor = Visitor(self._endpoint)
        visitor.__enter__()
        try:
            visitor.subscribe(self.observed.filters)
        except BaseException:
            visitor.__exit__(None, None, None)
            raise
        self._visitor = visitor
        self._since_s = time.monotonic()

    def _leave(self) -> None:
        visitor, self._visitor = self._visitor, None
        if visitor is not None:
            visitor.__exit__(None, None, None)
