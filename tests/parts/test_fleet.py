"""The simulated fleet says what devices say: every document is valid, and the results are complete."""

import time

import pytest

from agent.contract.digest import Digest
from agent.contract.info import Info
from agent.contract.result import Result, unpack_result
from agent.contract.status import DeviceStatus, Payload, Reported, StreamStatus
from tests.broker import Mosquitto
from tests.fleet import Fleet, fleet_running
from tests.fleet.documents import KINDS, STREAMS
from tests.waiting import eventually
from tests.watcher import Message, Watcher

MODELS: dict[str, type[Payload]] = {
    "status": DeviceStatus,
    "info": Info,
    "reported": Reported,
    "metrics": Digest,
    "s": StreamStatus,
}
DEVICES = 60


def document(message: Message) -> Payload | Result:
    """Valid, and with no key that the contract does not have."""
    parts = message.topic.removeprefix("vedette/v1/d/").split("/")
    if parts[-1] == "result":
        result = unpack_result(message.payload)
        assert [result.device, result.stream, result.algorithm] == [parts[0], parts[2], parts[4]]
        return result
    model = MODELS[parts[1]]
    made = model.model_validate_json(message.payload)
    assert set(message.document) == set(model.model_fields)
    return made


def test_every_document_is_valid_and_results_are_complete(broker: Mosquitto) -> None:
    with Watcher(broker.url) as watcher, Fleet(broker.url, devices=DEVICES) as fleet:
        eventually(lambda: len(watcher.matching("#")) == DEVICES * (3 + len(STREAMS)))
        assert all(message.retain for message in watcher.matching("#"))
        assert len(watcher.matching("d/+/status")) == DEVICES
        begun = len(watcher.matching("#"))
        reached = list(fleet.run(1000, 2.5))
        assert len(reached) >= 1
        eventually(lambda: len(watcher.matching("#")) == begun + fleet.sent)
        heard = watcher.matching("#")
    made = [document(message) for message in heard]
    states = {d.state.value for d in made if isinstance(d, DeviceStatus)}
    assert states == {"online", "offline", "lost"}
    results = [d for d in made if isinstance(d, Result)]
    assert len(results) > fleet.sent * 0.8
    assert {(r.stream, r.algorithm) for r in results} == {(s, a) for s in STREAMS for a in KINDS}
    assert len({r.device for r in results}) == fleet.live == DEVICES - 2
    for device in {r.device for r in results}:
        numbers = [r.seq for r in results if r.device == device]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    now_us = time.time_ns() // 1000
    assert all(now_us - 60_000_000 < r.time <= now_us for r in results)
    assert {type(d) for d in made[begun:]} == {Result, Digest, Reported, StreamStatus}


def test_it_runs_beside_a_test(broker: Mosquitto) -> None:
    with fleet_running(broker.url, devices=20, rate=200) as process, Watcher(broker.url) as watcher:
        eventually(lambda: len(watcher.matching("d/+/info")) == 20)
        watcher.wait_for_results(50)
        assert process.poll() is None
    assert process.returncode == 0


def test_a_broker_that_refuses_it_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Mosquitto(tmp_path_factory.mktemp("closed"), users={"jo": "secret"}) as broker:
        with pytest.raises(ConnectionError, match="refuses the fleet: 0x87"), Fleet(broker.url, devices=1):
            pass
        with Fleet(broker.url.replace("//", "//jo:secret@"), devices=1) as fleet:
            assert fleet.live == 1
