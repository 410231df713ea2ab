"""What a real agent measures of itself: over HTTP as Prometheus reads it, and on the metrics topic."""

import os
import signal
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.contract.digest import Digest
from tests.broker import Mosquitto, free_port
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

SCENE = {"id": "scene", "source": "test://scene?size=320x240"}
FACTS = {"id": "facts", "kind": "probe", "interval": 0.1}


class Scraped(AgentProcess):
    """An agent that tells its metrics on a port of its own."""

    port: int

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Values by name and label values; of a bucket without its edge, so that the last one is +Inf."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {
            (sample.name, *(value for label, value in sorted(sample.labels.items()) if label != "le")): value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            for value in (sample.value,)
        }


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[Scraped]:
    agent = Scraped(tmp_path, broker.url)
    agent.port = free_port()
    agent.configure([SCENE], [FACTS], health={"listen": f"127.0.0.1:{agent.port}", "publish_s": 0.5})
    with agent:
        yield agent


def test_metrics_and_digest_of_a_working_agent(agent: Scraped, broker: Mosquitto) -> None:
    with Watcher(broker.url, agent.device) as watcher:
        watcher.wait_for_results(5, 30.0)
        assert watcher.call("ping")["ok"]
        assert not watcher.call("stream.remove", {"id": "nobody"})["ok"]
        (worker,) = agent.children("vd:facts")
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: agent.metrics()["vedette_children_ended_total", "died", "worker"] == 1, 20.0)
        before = len(watcher.messages)
        results = watcher.wait_for_results(5, 30.0, since=before)

        def grown() -> dict[tuple[str, ...], float]:
            found = agent.metrics()
            assert found["vedette_stream_cpu_seconds_total", "scene"] > 0
            assert found["vedette_algorithm_cpu_seconds_total", "facts"] > 0
            assert found["vedette_algorithm_worker_cpu_seconds_total", "facts"] > 0
            return found

        values = eventually(grown, 30.0)
        assert values["vedette_result_latency_seconds_count", "facts", "scene"] >= 10
        seconds = values["vedette_result_latency_seconds_sum", "facts", "scene"]
        assert seconds / values["vedette_result_latency_seconds_count", "facts", "scene"] < 5
        assert min(result["latency_ms"] for result in results) / 1e3 <= seconds
        assert values["vedette_children_running", "capture"] == 1
        assert values["vedette_commands_total", "admitted"] == 2
        assert values["vedette_command_replies_total", "200"] == 1
        assert values["vedette_command_replies_total", "404"] == 1
        assert values["vedette_shared_memory_lent_bytes",] > 0
        assert values["vedette_disk_free_bytes",] > 0
        assert values["vedette_agent_ticks_total",] > 0
        for part in ("tick", "delivery", "store", "fork_server", "listener"):
            assert values["vedette_agent_part_hung", part] == 0

        message = watcher.wait_for(
            lambda message: message.topic.endswith("/metrics") and message.document["children_ended"] == 1,
            20.0,
            since=before,
        )
        assert (message.qos, message.retain) == (1, False)
        digest = Digest.model_validate_json(message.payload)
        assert (digest.streams, digest.streams_running, digest.algorithms) == (1, 1, 1)
        assert digest.ready
        assert digest.results >= 5
        assert digest.cpu_s > 0
        assert digest.memory > 1e7
        eventually(
            lambda: (watcher.latest("d/+/metrics") or {}).get("latency_s_p95"),
            20.0,
            "a digest with latencies",
        )
