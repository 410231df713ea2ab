"""G. Delivery: results a second, what each costs in CPU and disk, and the way back from an outage."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent.delivery.saver import Durability
from benchmarks.figures import Data, Goal, goals, median, percentile, spread, table
from benchmarks.sending import BYTES, DEVICE, TOPIC, Sender
from tests.broker import Mosquitto
from tests.watcher import Message, Watcher

TITLE = "G. Delivery"
GOALS_PER_S: dict[Durability, int] = {"lazy": 5_000, "strict": 2_000}
LIVE_PER_S = 100
OUTAGE_S = 600
HEALTHY_S = 60
DRAINS_PER_S = (200, 1_000)  # the default, and more


def measure(*, quick: bool) -> Data:
    """As fast as it goes, at a healthy pace, and after an outage."""
    found: Data = {"sustained": {}, "healthy": {}, "recovery": {}}
    for repetition in range(1 if quick else 3):
        for durability in GOALS_PER_S:
            one = _send(durability, 5_000 if quick else 60_000, None)
            found["sustained"].setdefault(durability, []).append(one)
            print(f"G {repetition + 1}: {durability}, {one['per_s']:.0f} results/s")
    for durability in GOALS_PER_S:
        one = _send(durability, LIVE_PER_S * (3 if quick else HEALTHY_S), LIVE_PER_S)
        found["healthy"][durability] = one
        print(f"G: {durability} at {LIVE_PER_S}/s, {one['written_bytes']:.0f} bytes a result")
    for drain in DRAINS_PER_S[1:] if quick else DRAINS_PER_S:
        one = _recover(drain, LIVE_PER_S * (20 if quick else OUTAGE_S))
        found["recovery"][str(drain)] = one
        print(f"G: {one['kept']} results drained at {drain}/s in {one['seconds']:.0f} s")
    return found


def _send(durability: Durability, count: int, per_s: int | None) -> Data:
    with _site() as (broker, folder, watcher), Sender(broker.url, folder, durability) as sender:
        told = sender.ask("send", count, per_s)
        return told | _completeness(watcher, count)


def _recover(drain: int, kept: int) -> Data:
    """So many results wait when the broker comes back, and live ones go on coming."""
    with _site() as (broker, folder, watcher), Sender(broker.url, folder, "lazy", drain) as sender:
        broker.stop()
        waiting = sender.ask("keep", kept)
        broker.start()
        told = sender.ask("drain", LIVE_PER_S)
        proof = _completeness(watcher, kept + int(told["live"]))
        live = [m for m in watcher.matching(TOPIC) if not m.user_properties]
        late_ms = [(m.received_s - int(m.payload[12:32]) / 1e9) * 1e3 for m in live]
        return (
            told
            | proof
            | {"kept": kept, "bytes": waiting["bytes"]}
            | {"p50_ms": median(late_ms), "p99_ms": percentile(late_ms, 99)}
        )


@contextlib.contextmanager
def _site() -> Iterator[tuple[Mosquitto, Path, Watcher]]:
    with (
        tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder,
        Mosquitto(Path(folder) / "mosquitto", saves=False) as broker,
        Watcher(broker.url, DEVICE) as watcher,
    ):
        yield broker, Path(folder), watcher


def _completeness(watcher: Watcher, count: int) -> Data:
    """What the subscriber can prove: which numbers came, and how often."""

    def is_last(message: Message) -> bool:
        return message.topic.endswith(TOPIC)

    watcher.wait_for_count(is_last, count, 120.0, what="all results")
    seqs = [int(message.payload[:12]) for message in watcher.matching(TOPIC)]
    return {"missing": count - len(set(seqs)), "repeated": len(seqs) - len(set(seqs))}


def report(data: Data) -> str:
    """Tables in Markdown."""
    sustained, healthy, recovery = data["sustained"], data["healthy"], data["recovery"]
    everything = [one for ones in sustained.values() for one in ones]
    everything += [*healthy.values(), *recovery.values()]
    missing = sum(one["missing"] for one in everything)
    per_s = {durability: [one["per_s"] for one in ones] for durability, ones in sustained.items()}
    rows = [
        Goal(
            text=f"{durability}: at least {GOALS_PER_S[durability]:,} results/s",
            measured=f"{spread(per_s[durability], 0)} results/s",
            met=median(per_s[durability]) >= GOALS_PER_S[durability],
        )
        for durability in sustained
    ]
    idle = healthy["lazy"]
    rows += [
        Goal(
            text="lazy, healthy link: no result is written to disk",
            measured=f"{idle['rows'] * LIVE_PER_S * HEALTHY_S:.0f} rows",
            met=idle["rows"] == 0,
        ),
        Goal(text="the subscriber has every number", measured=f"{missing} missing", met=missing == 0),
    ]
    costs = [
        [
            f"{durability}, {pace}",
            spread([one["cpu_us"] for one in ones], 0),
            spread([one["rows"] for one in ones], 3),
            spread([one["written_bytes"] for one in ones], 0),
            str(sum(one["repeated"] for one in ones)),
        ]
        for durability in sustained
        for pace, ones in (
            ("as fast as it goes", sustained[durability]),
            (f"{LIVE_PER_S}/s", [healthy[durability]]),
        )
    ]
    drained = [
        [
            f"{drain}/s",
            f"{one['kept']:,}",
            f"{one['bytes'] / 1e6:.0f}",
            f"{one['seconds']:.0f}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.0f}",
            str(one["repeated"]),
        ]
        for drain, one in recovery.items()
    ]
    costs_head = ["", "CPU us a result", "rows written a result", "bytes written a result", "repeated"]
    drained_head = ["drain_rate", "waiting", "MB on disk", "s until nothing waits"]
    drained_head += ["live p50 ms", "live p99 ms", "repeated"]
    return f"""Results of {BYTES} bytes through the delivery of the agent, a process of its own, to mosquitto;
the subscriber, in Python, shares the cores. CPU is the sender's alone, with the making of the messages.

{goals(rows)}

{table(costs_head, costs)}

Each start writes a few pages, whatever comes after.

An outage of {OUTAGE_S // 60} minutes at {LIVE_PER_S} results/s, then the broker is back, while live results
go on coming at the same rate (`delivery.drain_rate` is 200 by default):

{table(drained_head, drained)}"""
