"""Results as sinks get them."""

import time

import msgpack

from agent.sink import Item


def envelope(
    seq: int, *, epoch: int = 1, stream: str = "door", data: object = None, time_us: int | None = None
) -> bytes:
    packed: bytes = msgpack.packb(
        {
            "v": 1,
            "device": "gate-7",
            "epoch": epoch,
            "seq": seq,
            "stream": stream,
            "algorithm": "heads",
            "kind": "Heads",
            "version": "1",
            "frame": seq,
            "pts": seq / 25,
            "time": time.time_ns() // 1000 if time_us is None else time_us,
            "latency_ms": 3.5,
            "skipped": 0,
            "data": data,
        }
    )
    return packed


def item(
    seq: int, *, stream: str = "door", replay: bool = False, data: object = None, time_us: int | None = None
) -> Item:
    return Item(
        epoch=1,
        seq=seq,
        stream=stream,
        algorithm="heads",
        replay=replay,
        payload=envelope(seq, stream=stream, data=data, time_us=time_us),
    )


def items(*seqs: int) -> list[Item]:
    return [item(seq) for seq in seqs]
