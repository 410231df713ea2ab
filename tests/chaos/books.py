"""The end of a run: everything comes to rest, ends in good order, sends what is left; then the books."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from tests.chaos.ground import SHARED_MEMORY, strangers, used_bytes
from tests.chaos.judge import Verdict, judge
from tests.chaos.site import Site
from tests.waiting import eventually

DRAIN_LIMIT_S = 180.0
_ON_THE_WAY = ("waiting", "in_flight", "on_disk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a run has come to, and every promise that it broke."""

    verdict: Verdict
    counters: dict[str, Any]  # of the last agent, which sent what the others left
    broken: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """For the report."""
        return {"results": asdict(self.verdict), "delivery": self.counters, "broken": self.broken}


def close(site: Site, *, slack_ms: float) -> Books:
    """Bring a site to rest and look at everything it leaves."""
    broken: list[str] = []
    try:
        site.rest()
    except AssertionError as still:
        broken.append(f"not everything runs again after the last fault: {still}")
    broken += _frames(site.state())
    broken += _ended(site)
    broken += _left(site)
    site.configure(streams=False)
    site.restart()
    counters = _drained(site, broken)
    broken += _ended(site)
    broken += _left(site)
    _all_heard(site)
    verdict = judge(
        site.accepted(),
        site.heard(),
        site.gaps(),
        site.kills,
        site.durability,
        ends=site.ends(),
        slack_ms=slack_ms,
    )
    broken += verdict.broken
    broken += [f"the agent ended by itself: {how}" for how in site.ended_by_itself]
    broken += [f"left over by a kill of the agent: {child}" for child in site.left_by_kills]
    broken += site.wrong_replies
    broken += [
        f"a traceback in the log: {trace[:2000]}"
        for trace in site.agent.log().split("Traceback")[1:]
        if "as ordered" not in trace
    ]
    return Books(verdict=verdict, counters=counters, broken=tuple(broken))


def _frames(state: dict[str, Any]) -> list[str]:
    """Every frame is accounted for."""
    broken = []
    for name, stream in state["streams"].items():
        counts = dict(stream["frames"])
        received = counts.pop("received")
        if received != sum(counts.values()):
            broken.append(f"stream {name} received {received} frames, and accounts for {counts}")
    return broken


def _ended(site: Site) -> list[str]:
    """It ends when it is told to, in good order."""
    try:
        code = site.stop()
    except AssertionError as err:
        return [f"SIGTERM does not end all of it: {err}"]
    return [f"SIGTERM: exit code {code}"] if code else []


def _left(site: Site) -> list[str]:
    """Processes, shared memory and temporary files, of an agent that has ended and of those before it."""
    known = {site.ground.holder, site.broker.pid or 0}
    broken = []
    try:
        eventually(lambda: not strangers(known), what="no process is left")
    except AssertionError:
        broken.append(f"processes left over: {strangers(known)}")
    if used := used_bytes(SHARED_MEMORY):
        broken.append(f"{used} bytes of shared memory left over")
    if files := site.temporary():
        broken.append(f"temporary files left over: {files}")
    return broken


def _drained(site: Site, broken: list[str]) -> dict[str, Any]:
    """Wait until everything is sent; the counters of delivery then."""
    counters: dict[str, Any] = {}
    deadline_s = time.monotonic() + DRAIN_LIMIT_S
    while time.monotonic() < deadline_s:
        counters = site.state()["delivery"]
        # The question is answered while its reply, and at times a state, are on their way.
        if counters["on_disk"] == 0 and counters["waiting"] + counters["in_flight"] <= 1:
            break
        site.pass_until(time.monotonic() + 0.2)
    else:
        broken.append(f"what was left is not sent within {DRAIN_LIMIT_S:g} s: {counters}")
    came = counters["accepted"] + counters["recovered"]
    dropped = sum(count for name, count in counters.items() if name.startswith("dropped_"))
    went = dropped + sum(counters[name] for name in ("delivered", "superseded", "dead", *_ON_THE_WAY))
    if came != went:
        broken.append(f"delivery accounts for {went} of {came} messages: {counters}")
    return counters


def _all_heard(site: Site) -> None:
    """The broker has passed everything on: a message of our own comes after it."""
    site.watcher.wait_connected(30.0)
    mark = f"d/{site.agent.device}/mark"
    site.watcher.publish(mark, b"")
    site.watcher.wait_for(lambda message: message.topic.endswith("/mark"), 30.0)
