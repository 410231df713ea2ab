"""A subscriber can prove that it has every result, or name those missing and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE = {"id": "scene", "source": "test://scene?size=160x120&fps=60&seed=1"}
FACTS = {"id": "facts", "kind": "probe", "interval": 0.0}

COUNTED = """
from algos import BaseAlgo

class Counted(BaseAlgo):
    '''Adds a byte to a file at each run.'''
    def init(self):
        self.file = open({file!r}, "ab", buffering=0)
    def run(self, frames):
        self.file.write(b".")
        return "x" * 200
"""


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that gives up to 60 results a second."""
    agent = AgentProcess(tmp_path, broker.url)
    yield agent
    if agent.started:
        agent.kill()


def _ends(watcher: Watcher) -> dict[int, tuple[str, bool, int]]:
    """Of each epoch: its state, whether its last number is known exactly, and that number."""
    document: dict[str, Any] = watcher.latest("d/+/gaps") or {"epochs": []}
    return {end["epoch"]: (end["state"], end["exact"], end["last"]) for end in document["epochs"]}


def _heard(watcher: Watcher, epoch: int) -> set[int]:
    return {result["seq"] for result in watcher.results() if result["epoch"] == epoch}


def test_where_an_epoch_ends_is_told_after_a_stop_and_after_a_kill(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    agent.configure([SCENE], [FACTS], delivery={"durability": "strict"})
    with Watcher(broker.url, agent.device) as watcher:
        with agent:
            watcher.wait_for_results(20, 20.0)
            agent.terminate()
        eventually(lambda: _ends(watcher).get(1, ("",))[0] == "ended", 10.0, "the last word of epoch 1")
        assert _ends(watcher)[1] == ("ended", True, max(_heard(watcher, 1)))
        assert _heard(watcher, 1) == set(range(1, max(_heard(watcher, 1)) + 1))
        agent.start()
        eventually(lambda: len(_heard(watcher, 2)) >= 20, 20.0, "results of epoch 2")
        agent.kill()
        agent.start()
        eventually(lambda: len(_heard(watcher, 3)) >= 5, 20.0, "results of epoch 3")
        eventually(
            lambda: _ends(watcher).get(2, ("",))[0] == "killed", 10.0, "epoch 2 is known to have ended"
        )
        state, exact, last = _ends(watcher)[2]
        assert (state, exact) == ("killed", True)
        eventually(lambda: _heard(watcher, 2) == set(range(1, last + 1)), 20.0, "all of epoch 2")
        assert _ends(watcher)[3][:2] == ("running", False)
        agent.terminate()


def test_what_a_full_spool_drops_is_announced_also_after_a_kill(
    agent: AgentProcess, broker: Mosquitto, tmp_path: Path
) -> None:
    agent.add_kind("counted", COUNTED.format(file=str(tmp_path / "runs")))
    delivery = {"durability": "strict", "results_max_bytes": 65_536, "drain_rate": 5_000}
    agent.configure([SCENE], [FACTS | {"kind": "Counted"}], delivery=delivery)
    with agent, Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for_results(5, 20.0)
        first = min(_heard(watcher, 1))
        broker.stop()
        agent.wait_for_log("broker.waiting")
        runs = tmp_path / "runs"
        begun = runs.stat().st_size
        eventually(lambda: runs.stat().st_size > begun + 600, 30.0, "more results than may wait")
        agent.kill()
        broker.start()
        watcher.wait_connected(20.0)
        agent.start()
        eventually(lambda: _ends(watcher).get(1, ("",))[0] == "killed", 20.0, "what became of epoch 1")
        last = _ends(watcher)[1][2]
        document = watcher.latest("d/+/gaps")
        dropped = {
            seq
            for gap in document["gaps"]
            for seq in range(gap["first"], gap["last"] + 1)
            if gap["epoch"] == 1
        }
        assert {gap["reason"] for gap in document["gaps"]} == {"spool full"}
        assert sum(gap["count"] for gap in document["gaps"]) == len(dropped) > 0
        everything = set(range(first, last + 1))
        eventually(lambda: _heard(watcher, 1) | dropped >= everything, 20.0, "all is there or announced")
        assert not _heard(watcher, 1) & dropped
        agent.terminate()


def test_results_that_nobody_hears_are_kept_if_asked(agent: AgentProcess, broker: Mosquitto) -> None:
    agent.configure([SCENE], [FACTS], delivery={"unmatched": "keep", "drain_rate": 5_000})
    with agent:
        agent.wait_for_log("broker.connected")
        with Watcher(broker.url, agent.device, filters=[f"vedette/v1/d/{agent.device}/reported"]) as watcher:
            eventually(lambda: _waiting(watcher) > 100, 30.0, "results wait")
        with Watcher(broker.url, agent.device) as watcher:
            eventually(lambda: 1 in _heard(watcher, 1), 30.0, "the first result comes after all")
            before = max(_heard(watcher, 1))
            eventually(lambda: max(_heard(watcher, 1)) > before + 50, 30.0, "live results come")
            eventually(lambda: _gapless(_heard(watcher, 1)), 20.0, "all of them")
            agent.terminate()


def _waiting(watcher: Watcher) -> int:
    delivery = (watcher.latest("d/+/reported") or {}).get("delivery", {})
    waiting: int = delivery.get("waiting", 0) + delivery.get("on_disk", 0)
    return waiting


def _gapless(seqs: set[int]) -> bool:
    return seqs == set(range(1, max(seqs) + 1))
