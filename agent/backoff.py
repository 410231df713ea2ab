"""How long to wait before the next try: a value for children, sources and the broker alike."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter, forgotten after a healthy spell.

    Full jitter (a delay drawn evenly from zero to the exponential bound) spreads many clients best:
    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first_s: float = 0.5
    cap_s: float = 60.0
    healthy_s: float = 30.0  # a spell at least this long counts as recovery
    failures: int = 0

    def after_failure(self, *, lasted_s: float) -> "Backoff":
        """The back-off after a failure that ended a spell of `lasted_s` seconds."""
        return replace(self, failures=1 if lasted_s >= self.healthy_s else self.failures + 1)

    def delay_s(self, jitter: float) -> float:
        """Seconds to wait now; `jitter` is a random number in 0..1. Zero failures: no wait."""
        if self.failures == 0:
            return 0.0
        bound = min(self.cap_s, self.first_s * 2.0 ** min(self.failures - 1, 60))
        return bound * jitter
