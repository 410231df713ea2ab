"""When to connect, and the one try that is under way."""

import random
from collections.abc import Callable

from agent.delivery.attempts import Attempts
from agent.delivery.dial import DIAL_TIMEOUT_S, Dial
from agent.delivery.endpoint import Endpoint
from agent.delivery.messages import LinkCause, Outgoing
from agent.delivery.reasons import LinkError
from agent.delivery.session import Session

_LOOK_S = 2.0  # how often an abandoned try is looked at
_ABANDON_S = 5.5  # a TCP connection under way ends within 5 s


class Connector:
    """Tries to connect, with back-off and jitter; each try has a time limit, from name to CONNACK."""

    def __init__(
        self,
        endpoint: Endpoint,
        will: Outgoing | None,
        wake: Callable[[], None],
        on_begin: Callable[[int], None],
    ) -> None:
        """`on_begin` is told of each try, with the number of failures before it."""
        self._endpoint = endpoint
        self._will = will
        self._wake = wake
        self._on_begin = on_begin
        self._attempts = Attempts.begin(endpoint.protocol)
        self._dial: Dial | None = None
        self._stuck: Dial | None = None  # an abandoned try that still hangs
        self._began_s = 0.0  # the try
        self._retry_s = 0.0
        self._random = random.Random()  # noqa: S311  jitter

    @property
    def failures(self) -> int:
        """Tries and connections in a row that came to nothing."""
        return self._attempts.backoff.failures

    @property
    def limit_s(self) -> float:
        """When the try is given up."""
        return self._began_s + DIAL_TIMEOUT_S

    @property
    def due_s(self) -> float:
        """When there is something to do, as long as there is no session."""
        return self._retry_s if self._dial is None else self.limit_s

    def turn(self, now_s: float, *, begin: bool) -> Session | LinkError | None:
        """An open session, or why there is none, when a try has ended; if it is time, begin one."""
        if self._dial is None:
            if begin and now_s >= self._retry_s:
                self._begin(now_s)
            return None
        outcome = self._dial.outcome()
        if outcome is not None:
            self._dial = None
        elif now_s > self.limit_s:
            self._dial.abandon()
            self._stuck, self._dial = self._dial, None
            return self.slow("no connection")
        return outcome

    def slow(self, what: str) -> LinkError:
        """The reason of a try that took too long."""
        return LinkError(LinkCause.TIMEOUT, f"{what} within the time limit, {self._endpoint.address}")

    def accepted(self) -> None:
        """The broker let us in."""
        self._attempts = self._attempts.accepted()

    def failed(self, error: LinkError, *, lasted_s: float, answered: bool, now_s: float) -> float:
        """A try or a connection is over; the seconds until the next try."""
        self._attempts, at_once = self._attempts.failed(error.cause, lasted_s=lasted_s, answered=answered)
        delay_s = 0.0 if at_once else self._attempts.backoff.delay_s(self._random.random())
        self._retry_s = now_s + delay_s
        return delay_s

    def end(self) -> None:
        """Leave nothing open."""
        if self._dial is not None:
            self._dial.abandon(_ABANDON_S)

    def _begin(self, now_s: float) -> None:
        if self._stuck is not None and self._stuck.alive:
            self._retry_s = now_s + _LOOK_S  # its name look-up still hangs: another one would hang beside it
            return
        self._stuck = None
        self._began_s = now_s
        self._on_begin(self.failures)
        self._dial = Dial(Session(self._endpoint, self._attempts.protocol, self._will), self._wake)
