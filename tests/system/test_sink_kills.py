"""The whole agent, strict, killed again and again, and its sinks, too: nothing is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.system.sink_parts import FACTS, ROOT, SCENE, packages, results_in
from tests.watcher import Watcher


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url, environment={"PYTHONPATH": f"{ROOT}:{packages(tmp_path)}"})
    yield agent
    if agent.started:
        agent.kill()


def test_strict_sink_has_every_result_after_kills_of_the_agent_and_the_sink(
    agent: AgentProcess, broker: Mosquitto
) -> None:
    """Complete by (epoch, seq), but for what was under way when the agent was killed and never accepted."""
    out = agent.folder / "out"
    sink = {
        "id": "disk",
        "kind": "file",
        "durability": "strict",
        "batch_wait_s": 0.3,
        "params": {"folder": str(out), "rotate_bytes": 20_000, "keep": 1000},
    }
    agent.configure([SCENE], [FACTS | {"interval": 0.04}], delivery={"durability": "strict"}, sinks=[sink])
    with Watcher(broker.url, agent.device) as watcher:
        agent.start()
        for _ in range(3):
            before = len(watcher.messages)
            watcher.wait_for_results(30, 30.0, since=before)
            agent.children("vd:disk")[0].kill()
            before = len(watcher.messages)
            watcher.wait_for_results(20, 30.0, since=before)
            agent.kill()
            agent.start()
        before = len(watcher.messages)
        watcher.wait_for_results(10, 30.0, since=before)
        assert agent.terminate() == 0
        published = {(result["epoch"], result["seq"]) for result in watcher.results()}
    found = [pair for path in sorted(out.iterdir()) for pair in results_in(path)]
    # Each of the two paths may have missed the very last results of a killed epoch, which neither had
    # written yet; between the first and the last there is no hole.
    for epoch in range(1, 5):
        seqs = {seq for number, seq in found if number == epoch}
        assert seqs == set(range(1, max(seqs) + 1))
        assert max(seqs) >= max(seq for number, seq in published if number == epoch) - 3
