"""The dashboard and the alarms of the documentation: their metrics exist, and Prometheus understands them.

Grafana itself is not started: it is in no distribution that the tests run on.
"""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import combinations
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import pytest

from agent.health.metrics import described
from tests.broker import Mosquitto, free_port
from tests.left_out import leave_out
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
# Of any process, by Prometheus' client libraries.
FOREIGN: dict[str, set[str]] = {"process_cpu_seconds_total": set(), "process_resident_memory_bytes": set()}
VARIABLES = {"$instance": ".*", "$__rate_interval": "10s", "$__range": "10s"}
SCRAPE_S = 0.5


def labels_by_metric() -> dict[str, set[str]]:
    """Every name that a query may use, with the labels that it has there."""
    found: dict[str, set[str]] = dict(FOREIGN)
    for name, kind, labels, _doc in described():
        if kind == "histogram":
            found |= {f"{name}_sum": {*labels}, f"{name}_count": {*labels}, f"{name}_bucket": {*labels, "le"}}
        else:
            found[name] = {*labels}
    return found


def test_every_metric_and_label_of_the_dashboard_exists() -> None:
    known = labels_by_metric()
    used = set()
    for title, expression in EXPRESSIONS:
        selectors = re.findall(r"\b((?:vedette|process)_\w+)\{([^}]*)\}", expression)
        assert selectors, title
        bare = re.sub(r"\{[^}]*\}", "", expression)
        assert re.findall(r"\b(?:vedette|process)_\w+", bare) == [name for name, _ in selectors], title
        labels: set[str] = set()
        for name, matchers in selectors:
            assert name in known, title
            labels |= known[name] | {"instance"}
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert "instance" in asked, title
            assert asked <= known[name] | {"instance"}, title
            used.add(name)
        for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
            assert set(grouped.split(", ")) <= labels, title
    legends = {
        key for p in PANELS for t in p["targets"] for key in re.findall(r"{{(\w+)}}", t["legendFormat"])
    }
    assert legends <= {"instance", *(label for labels in known.values() for label in labels)}
    assert len(used) > 30, "it shows most of what there is"


def test_every_state_has_its_colour() -> None:
    (panel,) = [panel for panel in PANELS if panel["type"] == "state-timeline"]
    (target,) = panel["targets"]
    numbers = dict(re.findall(r'state="(\w+)"\} == 1\) \* (\d)', target["expr"]))
    shown = {
        value["text"]: number
        for mapping in panel["fieldConfig"]["defaults"]["mappings"]
        for number, value in mapping["options"].items()
    }
    assert numbers == shown
    assert sorted(numbers) == ["ended", "opening", "paused", "refused", "retrying", "running"]


def test_the_dashboard_is_laid_out() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    for panel in DASHBOARD["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    sources = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert sources == {"${datasource}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "instance"]


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        leave_out(f"{name} is not installed (Debian: apt-get install prometheus)")
    return path


def alarms() -> str:
    """The rules that the documentation proposes."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", (DOCS / "metrics.md").read_text("utf-8"), re.DOTALL)
    (rules,) = [block for block in blocks if block.startswith("groups:")]
    return rules


def test_the_alarms_are_rules_over_metrics_that_exist(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(alarms(), "utf-8")
    checked = subprocess.run(
        [program("promtool"), "check", "rules", rules],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert set(re.findall(r"vedette_\w+", alarms())) <= labels_by_metric().keys()


class Prometheus:
    """Scrapes one address, with the rules of the documentation; `with` ends it."""

    def __init__(self, folder: Path, target: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._port = free_port()
        (folder / "rules.yml").write_text(alarms(), "utf-8")
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {int(SCRAPE_S * 1000)}ms}}\n"
            f"rule_files: [{folder / 'rules.yml'}]\n"
            f"scrape_configs: [{{job_name: vedette, static_configs: [{{targets: ['{target}']}}]}}]\n",
            "utf-8",
        )

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector that comes out; AssertionError as long as there is no answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/api/v1/query?" + urlencode({"query": expression}))
            answer = json.loads(connection.getresponse().read())
        except (OSError, json.JSONDecodeError) as err:
            raise AssertionError(f"no answer: {err}") from err
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


@pytest.fixture
def prometheus(tmp_path: Path, broker: Mosquitto) -> Iterator[Prometheus]:
    """It scrapes an agent at work."""
    program("prometheus")
    agent = AgentProcess(tmp_path, broker.url)
    address = f"127.0.0.1:{free_port()}"
    agent.configure(
        [{"id": "scene", "source": "test://scene?size=320x240"}],
        [{"id": "facts", "kind": "probe", "interval": 0.1}],
        [{"id": "archive", "kind": "file", "params": {"folder": str(tmp_path)}}],
        health={"listen": address},
    )
    with agent, Prometheus(tmp_path / "prometheus", address) as running:
        yield running


def test_every_panel_shows_something_of_an_agent_at_work(prometheus: Prometheus) -> None:
    eventually(lambda: prometheus.query("vedette_algorithm_results_total > 20"), 40.0, "results are counted")
    for title, expression in EXPRESSIONS:
        asked = expression
        for variable, value in VARIABLES.items():
            asked = asked.replace(variable, value)
        assert "$" not in asked, title

        def shown(asked: str = asked) -> list[str]:
            return [row["value"][1] for row in prometheus.query(asked) if row["value"][1] != "NaN"]

        assert eventually(shown, 20.0, f"{title}: {asked}")
