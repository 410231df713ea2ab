"""Everything that is made to go wrong: a table of faults, each with what it does and how it is undone."""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import psutil

from tests.chaos.ground import SHARED_MEMORY, STATE, fill, free
from tests.chaos.kinds import DEEDS
from tests.chaos.site import Site
from tests.watcher import Message

Doing = Callable[[Site, Random], AbstractContextManager[Callable[[], object]]]

REPLY_LIMIT_S = 60.0
_AT_ONCE = 40  # commands whose replies are waited for together; an agent works at a hundred at most
_HOUR_S = 3600.0
_TIMES = {"leaks": 6}  # until it has too much
_SPARE_BYTES = 100_000  # less than one picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong: begun by entering what `do` gives, undone by leaving it.

    What entering gives tells whether it has had its effect yet. It begins when `ready` says that there is a
    victim, and ends without effect when it has had none after `patience_s`. Faults that touch the same thing
    do not overlap, nor within `settles_s` after the end of this one.
    """

    name: str
    do: Doing
    ready: Callable[[Site], object]
    touches: frozenset[str]
    lasts_s: tuple[float, float]
    settles_s: float
    patience_s: float


def faults(*, commands: int, kills: int = 1) -> tuple[Fault, ...]:
    """The table; `commands` are sent in one burst of them, and the agent is killed so often in each round."""
    # Without a disk, a kill of the agent loses what is in memory: no spool survives both at once. And
    # the agent tries a disk that was full again after five seconds.
    disk_settles_s = 8.0
    children = ("capture", "worker", "memory", "rogue")
    agent = ("agent", "disk", "commands", *children)
    up, door, each = _agent_up, _running("door"), _running("each")
    table = [
        _fault("agent killed", _agent_killed, up, *agent, lasts_s=(0.0, 1.5), settles_s=2.0),
        _fault("capture killed", _killed("door"), door, "capture", lasts_s=(0.1, 0.2)),
        _fault("worker killed", _killed("each"), each, "worker", lasts_s=(0.1, 0.2)),
        # What an algorithm takes is asked of a child, so a command may well be refused meanwhile.
        _fault("fork server killed", _fork_server_killed, up, "commands", *children, lasts_s=(0.1, 0.2)),
        _fault("fork server stopped", _fork_server_stopped, up, "commands", *children),
        _fault("broker killed", _broker_killed, _subscribed, "broker", settles_s=1.5),
        _fault("broker restarted", _broker_restarted, _subscribed, "broker", settles_s=1.5),
        _fault("agent stopped", _agent_stopped, up, "agent"),
        _fault("capture stopped", _stopped("door"), door, "capture"),
        _fault("worker stopped", _stopped("each"), each, "worker"),
        _fault("broker stopped", _broker_stopped, _always, "broker"),
        _fault("link cut", _link(100), _connected, "link", lasts_s=(1.0, 6.0)),
        _fault("link loses 30 %", _link(30), _connected, "link", lasts_s=(1.0, 6.0)),
        _fault("link reset", _link_reset, _connected, "link", lasts_s=(0.1, 0.2)),
        _fault("camera stalls", _camera_stalls, _watched, "camera", lasts_s=(1.0, 4.0)),
        _fault("camera hangs up", _camera_hangs_up, _watched, "camera", lasts_s=(0.1, 0.2)),
        _fault("camera sends garbage", _camera_garbage, _watched, "camera"),
        _fault("camera away", _camera_away, _watched, "camera"),
        _fault("disk full", _disk_full, up, "disk", lasts_s=(1.0, 4.0), settles_s=disk_settles_s),
        _fault("clock ahead by hours", _clock(1), _always, "clock"),
        _fault("clock behind by hours", _clock(-1), _always, "clock"),
        _fault("shared memory full", _shared_memory_full, door, "memory", "capture", lasts_s=(1.0, 3.0)),
        _fault("commands", _commands(commands), _subscribed, "commands", "broker", "disk", patience_s=600.0),
    ]
    table += [_fault(f"algorithm {deed}", _algorithm(deed), _running("rogue"), "rogue") for deed in DEEDS]
    return tuple(table + [table[0]] * (kills - 1))


# --- who can be a victim ---


def _always(_: Site) -> bool:
    return True


def _agent_up(site: Site) -> object:
    return site.agent.process.poll() is None and site.agent.children("vd:")


def _running(name: str) -> Callable[[Site], object]:
    return lambda site: site.agent.process.poll() is None and site.agent.children(f"vd:{name}")


def _subscribed(site: Site) -> bool:
    return site.watcher.connected


def _connected(site: Site) -> bool:
    return site.relay.connections > 0


def _watched(site: Site) -> bool:
    return all(camera.clients for camera in site.cameras)


# --- what is done to them ---


def _fault(
    name: str,
    do: Doing,
    ready: Callable[[Site], object],
    *touches: str,
    lasts_s: tuple[float, float] = (0.3, 2.0),
    settles_s: float = 0.3,
    patience_s: float = 30.0,  # an agent that was killed needs some seconds
) -> Fault:
    return Fault(
        name=name,
        do=do,
        ready=ready,
        touches=frozenset(touches),
        lasts_s=lasts_s,
        settles_s=settles_s,
        patience_s=patience_s,
    )


def _at_once() -> bool:
    """It has its effect as soon as it has begun."""
    return True


@contextmanager
def _agent_killed(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    with site.agent_killed():
        yield _at_once


def _killed(name: str) -> Doing:
    @contextmanager
    def do(site: Site, _: Random) -> Iterator[Callable[[], object]]:
        victim = site.child(name)
        victim.kill()
        victim.wait(10.0)
        yield _at_once

    return do


def _stopped(name: str) -> Doing:
    @contextmanager
    def do(site: Site, _: Random) -> Iterator[Callable[[], object]]:
        with _frozen(site.child(name)):
            yield _at_once

    return do


def _fork_server(site: Site) -> psutil.Process:
    """The parent of all children."""
    return site.child("").parent() or psutil.Process(0)


@contextmanager
def _fork_server_killed(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    _fork_server(site).kill()
    yield _at_once


@contextmanager
def _fork_server_stopped(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    with _frozen(_fork_server(site)):
        yield _at_once


@contextmanager
def _agent_stopped(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    with _frozen(psutil.Process(site.agent.process.pid)):
        yield _at_once


@contextmanager
def _broker_stopped(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    with _frozen(psutil.Process(site.broker.pid)):
        yield _at_once


@contextmanager
def _frozen(process: psutil.Process) -> Iterator[Callable[[], object]]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield _at_once
    finally:
        if process.is_running():  # the agent may have lost its patience with a child
            process.send_signal(signal.SIGCONT)


@contextmanager
def _broker_killed(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    # What it has acknowledged and not yet passed on, mosquitto forgets when it is killed: with a subscriber
    # that listens, it passes on before it acknowledges.
    site.broker.kill()
    try:
        yield _at_once
    finally:
        site.broker.start()


@contextmanager
def _broker_restarted(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    site.broker.stop()
    try:
        yield _at_once
    finally:
        site.broker.start()


def _link(percent: int) -> Doing:
    @contextmanager
    def do(site: Site, _: Random) -> Iterator[Callable[[], object]]:
        site.ground.lose(percent)
        try:
            yield _at_once
        finally:
            site.ground.lose_nothing()

    return do


@contextmanager
def _link_reset(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    site.relay.cut()
    yield _at_once


@contextmanager
def _camera_stalls(site: Site, chance: Random) -> Iterator[Callable[[], object]]:
    camera = chance.choice(site.cameras)
    camera.stall()
    try:
        yield _at_once
    finally:
        camera.resume()


@contextmanager
def _camera_hangs_up(site: Site, chance: Random) -> Iterator[Callable[[], object]]:
    chance.choice(site.cameras).hang_up()
    yield _at_once


@contextmanager
def _camera_garbage(site: Site, chance: Random) -> Iterator[Callable[[], object]]:
    chance.choice(site.cameras).corrupt(chance.randrange(5, 40))
    yield _at_once


@contextmanager
def _camera_away(site: Site, chance: Random) -> Iterator[Callable[[], object]]:
    camera = chance.choice(site.cameras)
    camera.offline()
    try:
        yield _at_once
    finally:
        camera.online()


@contextmanager
def _disk_full(_site: Site, _: Random) -> Iterator[Callable[[], object]]:
    fill(STATE)
    try:
        yield _at_once
    finally:
        free(STATE)


def _clock(sign: int) -> Doing:
    @contextmanager
    def do(site: Site, chance: Random) -> Iterator[Callable[[], object]]:
        site.clock.shift(sign * chance.uniform(1, 30) * _HOUR_S)
        try:
            yield _at_once
        finally:
            site.clock.shift(0)

    return do


@contextmanager
def _shared_memory_full(site: Site, _: Random) -> Iterator[Callable[[], object]]:
    # Frames are lent room when their stream begins, so one has to begin.
    victim = site.child("door")
    fill(SHARED_MEMORY, spare_bytes=_SPARE_BYTES)
    try:
        victim.kill()
        yield _at_once
    finally:
        free(SHARED_MEMORY)


def _commands(count: int) -> Doing:
    @contextmanager
    def do(site: Site, _: Random) -> Iterator[Callable[[], object]]:
        # Beside everything else, for it may take a while.
        # All of it once in a run: meanwhile neither agent nor broker may be killed, nor the disk filled.
        burst, site.burst = (_AT_ONCE if site.burst else count), True
        sending = threading.Thread(target=_send, args=(site, burst), name="commands")
        sending.start()
        try:
            yield lambda: not sending.is_alive()
        finally:
            sending.join()

    return do


def _send(site: Site, count: int) -> None:
    for first in range(0, count, _AT_ONCE):
        since = len(site.watcher.messages)
        batch = {_command(site, number) for number in range(first, min(first + _AT_ONCE, count))}
        codes = Counter(reply["code"] for reply in _replies(site, batch, since))
        if codes != {200: len(batch)}:
            site.wrong_replies.append(f"commands that were well had the codes {dict(codes)}")
            return


def _replies(site: Site, names: set[str], since: int) -> list[dict[str, Any]]:
    """The first reply to each command."""
    missing = set(names)

    def answers(message: Message) -> bool:
        name = message.document["id"] if message.topic.endswith("/resp") else None
        found = name in missing
        missing.discard(name)
        return found

    try:
        found = site.watcher.wait_for_count(answers, len(names), REPLY_LIMIT_S, since=since)
    except AssertionError:
        site.wrong_replies.append(f"{len(missing)} of {len(names)} commands had no reply: {missing}")
        return []
    return [message.document for message in found]


def _command(site: Site, number: int) -> str:
    """Every second one removes what the one before has added: a stream, or an algorithm."""
    what = ("stream", "algorithm")[number // 2 % 2]
    name = f"x-{number // 2}"
    if number % 2:
        return site.watcher.command(f"{what}.remove", {"id": name})
    if what == "stream":
        # Most of them have no process of their own, for these take longer than a command.
        paused = number % 40 != 0
        stream = {"id": name, "source": "test://scene?size=64x48&fps=5", "paused": paused}
        return site.watcher.command("stream.add", stream)
    return site.watcher.command("algorithm.add", {"id": name, "kind": "probe", "streams": []})


def _algorithm(deed: str) -> Doing:
    @contextmanager
    def do(site: Site, _: Random) -> Iterator[Callable[[], object]]:
        wanted = site.orders.done(deed) + _TIMES.get(deed, 1)
        site.orders.give(deed)
        try:
            yield lambda: site.orders.done(deed) >= wanted
        finally:
            site.orders.take_back()

    return do
