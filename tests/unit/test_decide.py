"""What is done about a child: the table is total."""

import itertools

import pytest

from agent.backoff import Backoff
from agent.supervise.decide import ChildSpec, Phase, Seen, Step, broken, decide

SPEC = ChildSpec(name="worker/a/0", main="m:f", args=1, beat_timeout_s=10.0, max_failures=5)
OTHER = ChildSpec(name="worker/a/0", main="m:f", args=2, beat_timeout_s=10.0, max_failures=5)
NOW = 1000.0


def _seen(phase: Phase, *, since: float = 0.0, heard: float = 0.0, exited: bool = False) -> Seen:
    return Seen(phase=phase, spec=SPEC, since_s=NOW - since, heard_s=NOW - heard, exited=exited)


@pytest.mark.parametrize(
    ("wanted", "seen", "step"),
    [
        (None, Seen(), Step.NOTHING),
        (SPEC, Seen(), Step.START),
        (SPEC, Seen(retry_at_s=NOW + 1), Step.NOTHING),
        (SPEC, Seen(retry_at_s=NOW - 1), Step.START),
        (SPEC, Seen(failed_starts=5), Step.NOTHING),  # broken
        (SPEC, _seen(Phase.STARTING), Step.NOTHING),
        (SPEC, _seen(Phase.STARTING, since=20.1), Step.KILL),
        (SPEC, _seen(Phase.STARTING, exited=True), Step.REAP),
        (None, _seen(Phase.STARTING), Step.STOP),
        (SPEC, _seen(Phase.UP, since=900, heard=9.9), Step.NOTHING),
        (SPEC, _seen(Phase.UP, heard=10.1), Step.KILL),
        (OTHER, _seen(Phase.UP), Step.STOP),
        (None, _seen(Phase.UP), Step.STOP),
        (None, _seen(Phase.UP, exited=True), Step.REAP),
        (None, _seen(Phase.STOPPING, since=4.9), Step.NOTHING),
        (None, _seen(Phase.STOPPING, since=5.1), Step.KILL),
        (SPEC, _seen(Phase.STOPPING), Step.NOTHING),  # wanted again: it ends first, then starts
        (SPEC, _seen(Phase.STOPPING, exited=True), Step.REAP),
    ],
)
def test_decide(wanted: ChildSpec | None, seen: Seen, step: Step) -> None:
    assert decide(wanted, seen, NOW) is step


def test_decide_is_total_and_idempotent() -> None:
    for wanted, phase, exited in itertools.product((None, SPEC, OTHER), Phase, (False, True)):
        seen = _seen(phase, exited=exited)
        assert decide(wanted, seen, NOW) is decide(wanted, seen, NOW)


def test_silence_is_allowed_without_a_beat_limit() -> None:
    quiet = ChildSpec(name="worker/a/0", main="m:f", args=1)
    assert decide(quiet, Seen(phase=Phase.UP, spec=quiet, heard_s=0.0), NOW) is Step.NOTHING


@pytest.mark.parametrize(("failures", "is_broken"), [(4, False), (5, True), (50, True)])
def test_broken_after_five_failed_starts(failures: int, is_broken: bool) -> None:  # noqa: FBT001
    assert broken(SPEC, Seen(failed_starts=failures)) is is_broken


def test_a_worker_that_ends_again_and_again_uses_up_its_budget() -> None:
    spec = ChildSpec(name="worker/a/0", main="m:f", args=1, max_failures=5, max_ends=3)
    seen = Seen(phase=Phase.UP, spec=spec)
    for minute, is_broken in ((1, False), (2, False), (58, True)):
        seen.up_s = 60.0 * minute - 40.0
        seen = seen.after_end(worked=True, now_s=60.0 * minute, jitter=1.0)
        assert broken(spec, seen) is is_broken
    late = seen.after_end(worked=True, now_s=3600.0 + 61.0, jitter=1.0)
    assert late.ends_s == (120.0, 3480.0, 3661.0)  # an hour later, the first end is forgotten
    assert late.failed_starts == 0


def test_back_off_grows_while_a_worker_lasts_a_short_time_only() -> None:
    seen, delays = Seen(phase=Phase.UP, spec=SPEC), []
    for now_s in (10.0, 20.0, 30.0):
        seen.up_s = now_s - 5.0
        seen = seen.after_end(worked=True, now_s=now_s, jitter=1.0)
        delays.append(seen.retry_at_s - now_s)
    assert delays == [0.5, 1.0, 2.0]
    seen.up_s = 100.0
    assert seen.after_end(worked=True, now_s=200.0, jitter=1.0).retry_at_s == 200.5
    assert seen.after_end(worked=False, now_s=200.0, jitter=1.0).failed_starts == 1


@pytest.mark.parametrize(
    ("failures", "jitter", "delay_s"),
    [(0, 1.0, 0.0), (1, 1.0, 0.5), (2, 1.0, 1.0), (5, 0.5, 4.0), (100, 1.0, 60.0), (3, 0.0, 0.0)],
)
def test_backoff_grows_to_its_cap_with_full_jitter(failures: int, jitter: float, delay_s: float) -> None:
    assert Backoff(failures=failures).delay_s(jitter) == delay_s


def test_backoff_is_forgotten_after_a_healthy_spell() -> None:
    worn = Backoff(failures=9)
    assert worn.after_failure(lasted_s=1.0).failures == 10
    assert worn.after_failure(lasted_s=31.0).failures == 1
