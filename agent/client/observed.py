"""What a watcher has heard of devices: their state, their results, and what changed just now."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from agent.client.completeness import Completeness
from agent.contract.decode import PayloadError
from agent.contract.gaps import Gaps
from agent.contract.result import Result, unpack_result
from agent.contract.status import AlgorithmStatus, DeviceState, DeviceStatus, Reported, StreamStatus
from agent.contract.topics import GAPS, REPORTED, RESULT, RESULT_JSON, STATUS, STREAM_STATUS
from agent.delivery.messages import Inbound

_RATE_OVER = 20  # results that the rate is taken from
_GOOD = ("online", "running", "paused", "ended", "opening", "starting", "idle", "offline")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something changed; `bad` when somebody may have to act."""

    device: str
    text: str
    bad: bool = False
    time_us: int = field(default_factory=lambda: time.time_ns() // 1000)


@dataclass(frozen=True, slots=True)
class Missing(Notice):
    """Results that have not come although later ones did; they may yet come late, after an outage."""

    epoch: int = 0
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Dropped(Notice):
    """Results that were missing, and of which the device says that it dropped them; the text says why."""

    epoch: int = 0
    count: int = 0


@dataclass(slots=True)
class Pair:
    """The results of one algorithm on one stream."""

    last: Result
    count: int = 0
    skipped: int = 0
    arrivals_s: deque[float] = field(default_factory=lambda: deque(maxlen=_RATE_OVER))

    @property
    def rate(self) -> float | None:
        """Results a second, lately; None before there are two."""
        span_s = self.arrivals_s[-1] - self.arrivals_s[0] if len(self.arrivals_s) > 1 else 0.0
        return (len(self.arrivals_s) - 1) / span_s if span_s > 0 else None


@dataclass(slots=True)
class Device:
    """One device, as far as it was heard of."""

    id: str
    status: DeviceStatus | None = None
    streams: dict[str, StreamStatus] = field(default_factory=dict)
    algorithms: dict[str, AlgorithmStatus] = field(default_factory=dict)
    report: Reported | None = None
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    completeness: Completeness | None = None
    gaps: Gaps | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A device has told its counters."""

    device: str
    report: Reported


Happening = Result | Notice | Measured
"""A result; something that has changed (`Missing` and `Dropped` are kinds of it); counters."""


class Observed:
    """Listens for `device` (None: all), and of its results for those of `stream` and `algorithm`."""

    def __init__(
        self,
        prefix: str,
        device: str | None = None,
        stream: str | None = None,
        algorithm: str | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.devices: dict[str, Device] = {}
        self.results = 0
        """How many came, of those that were asked for."""
        self._prefix = prefix
        self._device = device
        self._stream = stream
        self._algorithm = algorithm
        self._clock_s = clock_s

    @property
    def filters(self) -> list[str]:
        """What to subscribe to: all results of a device, since only these together are gapless."""
        only = {} if self._device is None else {"device": self._device}
        rows = (STATUS, REPORTED, GAPS, STREAM_STATUS, RESULT, RESULT_JSON)
        return [row.filter(self._prefix, **only) for row in rows]

    def hear(self, message: Inbound) -> Iterator[Happening]:
        """Take in a message, and tell what it changes; one that is not of the contract is skipped."""
        try:
            if ids := RESULT.match(self._prefix, message.topic) or RESULT_JSON.match(
                self._prefix, message.topic
            ):
                yield from self._result(self._at(ids["device"]), unpack_result(message.payload))
            elif ids := STATUS.match(self._prefix, message.topic):
                yield from self._status(self._at(ids["device"]), message.payload)
            elif ids := STREAM_STATUS.match(self._prefix, message.topic):
                yield from self._stream_status(self._at(ids["device"]), ids["stream"], message.payload)
            elif ids := REPORTED.match(self._prefix, message.topic):
                yield from self._reported(self._at(ids["device"]), message.payload)
            elif ids := GAPS.match(self._prefix, message.topic):
                device = self._at(ids["device"])
                device.gaps = Gaps.model_validate_json(message.payload) if message.payload else None
                yield from self._explained(device)
        except (PayloadError, ValidationError):
            yield Notice("", f"{message.topic}: not of the contract", bad=True)

    def _at(self, device: str) -> Device:
        return self.devices.setdefault(device, Device(device))

    def _result(self, device: Device, result: Result) -> Iterator[Happening]:
        known = device.completeness
        if known is None or result.epoch > known.epoch:
            if known is not None:
                yield Notice(device.id, f"epoch {result.epoch}: the agent was started again")
            known = device.completeness = Completeness(result.epoch)
        if result.epoch == known.epoch:
            found = known.hear(result.seq)
            if found is False:  # sent again, or the JSON twin
                return
            if isinstance(found, tuple):
                yield from self._explained(device)
                for first, last in known.missing_of(*found):
                    names = f"result {first} is" if first == last else f"results {first} to {last} are"
                    yield Missing(
                        device.id,
                        f"epoch {result.epoch}: {names} missing",
                        bad=True,
                        epoch=result.epoch,
                        first=first,
                        last=last,
                    )
        if self._stream not in (None, result.stream) or self._algorithm not in (None, result.algorithm):
            return
        pair = device.pairs.setdefault((result.stream, result.algorithm), Pair(result))
        pair.last = result
        pair.count += 1
        pair.skipped += result.skipped
        pair.arrivals_s.append(self._clock_s())
        self.results += 1
        yield result

    def _explained(self, device: Device) -> Iterator[Notice]:
        known = device.completeness
        for gap in device.gaps.gaps if device.gaps is not None and known is not None else ():
            if (
                known is not None
                and gap.epoch == known.epoch
                and (count := known.explain(gap.first, gap.last))
            ):
                what = "1 result was" if count == 1 else f"{count} results were"
                text = f"epoch {gap.epoch}: {what} dropped on the device: {gap.reason}"
                yield Dropped(device.id, text, bad=True, epoch=gap.epoch, count=count)

    def _status(self, device: Device, payload: bytes) -> Iterator[Notice]:
        before = device.status
        device.status = status = DeviceStatus.model_validate_json(payload) if payload else None
        if status is not None and (before is None or before.state is not status.state):
            yield Notice(device.id, status.state.value, bad=status.state is DeviceState.LOST)

    def _stream_status(self, device: Device, stream: str, payload: bytes) -> Iterator[Notice]:
        before = device.streams.pop(stream, None)
        if not payload:
            for pair in [pair for pair in device.pairs if pair[0] == stream]:
                del device.pairs[pair]
            if before is not None:
                yield Notice(device.id, f"stream {stream} removed")
            return
        device.streams[stream] = status = StreamStatus.model_validate_json(payload)
        if before is None or (before.state, before.error) != (status.state, status.error):
            yield Notice(device.id, f"stream {stream} {_said(status)}", bad=status.state not in _GOOD)

    def _reported(self, device: Device, payload: bytes) -> Iterator[Notice | Measured]:
        before = device.algorithms
        device.report = Reported.model_validate_json(payload) if payload else None
        device.algorithms = dict(device.report.algorithms) if device.report is not None else {}
        for name, status in device.algorithms.items():
            old = before.get(name)
            if old is None or (old.state, old.error) != (status.state, status.error):
                bad = status.state not in _GOOD or bool(status.error)
                yield Notice(device.id, f"algorithm {name} {_said(status)}", bad=bad)
        for name in before.keys() - device.algorithms.keys():
            for pair in [pair for pair in device.pairs if pair[1] == name]:
                del device.pairs[pair]
            yield Notice(device.id, f"algorithm {name} removed")
        if device.report is not None:
            yield Measured(device.id, device.report)


def _said(status: StreamStatus | AlgorithmStatus) -> str:
    words = status.state.value
    if isinstance(status, StreamStatus) and status.state == "running" and status.width:
        words += f" {status.width}x{status.height} {status.codec or ''}".rstrip()
    return f"{words}: {status.error}" if status.error else words
