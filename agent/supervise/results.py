"""From an outcome to what goes out: the envelope with its place in the sequence."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.result import ResultHead, json_result, pack_result
from agent.contract.topics import Topics
from agent.health.latency import Latencies
from agent.supervise.outside import Outcome

MSGPACK = "application/vnd.msgpack"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and where it goes."""

    topic: str
    payload: bytes
    content_type: str
    epoch: int
    seq: int


class Sequencer:
    """Numbers results: `(device, epoch, seq)` is unique and gapless over all streams and algorithms."""

    def __init__(self, topics: Topics, device: str, epoch: int) -> None:
        self._topics = topics
        self._device = device
        self._epoch = epoch
        self._seq = 0
        self.latencies = Latencies()

    def envelopes(self, outcome: Outcome) -> Iterator[Envelope]:
        """The result in its envelope, in each codec that was asked for; the twins have the same `seq`."""
        self._seq += 1
        pair, newest = outcome.window.pair, outcome.window.frames[-1]
        latency_s = (time.monotonic_ns() - newest.mono_ns) / 1e9
        self.latencies.observe(pair.stream, pair.algorithm, latency_s)
        head = ResultHead(
            device=self._device,
            epoch=self._epoch,
            seq=self._seq,
            stream=pair.stream,
            algorithm=pair.algorithm,
            kind=outcome.kind,
            version=outcome.version,
            frame=newest.number,
            pts=newest.pts_s,
            time=newest.wall_us,
            latency_ms=round(latency_s * 1e3, 3),
            skipped=outcome.window.skipped,
        )
        if outcome.data:
            topic = self._topics.result(pair.stream, pair.algorithm)
            yield Envelope(topic, pack_result(head, outcome.data), MSGPACK, self._epoch, self._seq)
        if outcome.json:
            topic = self._topics.result_json(pair.stream, pair.algorithm)
            yield Envelope(topic, json_result(head, outcome.json), JSON, self._epoch, self._seq)
