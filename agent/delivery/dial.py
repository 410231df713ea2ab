"""One try to connect, in a thread of its own that lives no longer than the try."""

import threading
from collections.abc import Callable

from agent.delivery.reasons import LinkError
from agent.delivery.session import Session

DIAL_TIMEOUT_S = 12.0  # name, TCP, TLS, WebSocket and CONNACK together


class Dial:
    """Opens a session beside the delivery thread, which goes on turning and can end at any moment.

    Looking up a name has no time limit at all, and a WebSocket's handshake byte by byte none in all. The
    session changes hands once, when the thread is done: no two threads ever use it at the same time.
    """

    def __init__(self, session: Session, wake: Callable[[], None]) -> None:
        self._session = session
        self._wake = wake
        self._lock = threading.Lock()
        self._abandoned = False
        self._outcome: Session | LinkError | None = None
        self._thread = threading.Thread(target=self._run, name="vedette-connect", daemon=True)
        self._thread.start()

    def outcome(self) -> Session | LinkError | None:
        """The open session, or why there is none; None while it lasts."""
        with self._lock:
            return self._outcome

    def abandon(self, wait_s: float = 0.0) -> None:
        """Nobody wants the outcome any more: it is closed as soon as it is there."""
        with self._lock:
            self._abandoned = True
            if isinstance(self._outcome, Session):
                self._outcome.close()
        if wait_s > 0:
            self._thread.join(wait_s)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        outcome: Session | LinkError
        try:
            self._session.open()
            outcome = self._session
        except LinkError as err:
            outcome = err
        with self._lock:
            if self._abandoned:
                self._session.close()
            self._outcome = outcome
        self._wake()
