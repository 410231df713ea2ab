"""The files for Grafana, Telegraf, Node-RED and AWS IoT: what they name is in the contract and on the wire.

Every topic is one of the contract; every key is looked for in the messages of a real agent. The programs
themselves are not started here; for Node-RED see test_node_red.py.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import topic_matches_sub

from agent.config.streams import StreamConfig
from agent.contract.topics import (
    CLIENT_RESPONSE,
    COMMAND,
    DEFAULT_PREFIX,
    METRICS,
    REPORTED,
    RESULT_JSON,
    SNAPSHOT,
    STATUS,
    STREAM_STATUS,
    TOPICS,
)
from agent.contract.verbs import VERBS
from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.waiting import eventually
from tests.watcher import Watcher

DOCS = Path(__file__).parents[2] / "docs"
GRAFANA = json.loads((DOCS / "grafana-mqtt.json").read_text("utf-8"))
PANELS = [panel for panel in GRAFANA["panels"] if panel["type"] != "row"]
TELEGRAF = tomllib.loads((DOCS / "telegraf.conf").read_text("utf-8"))
FLOW = json.loads((DOCS / "node-red.json").read_text("utf-8"))
AWS = (DOCS / "aws-iot.yaml").read_text("utf-8")
AWS_PREFIX = "vedette"
AWS_SLASHES = 7
FILTERS = {topic.name: topic.filter(DEFAULT_PREFIX) for topic in TOPICS}
RULES = re.findall(r'Sql: !Sub "SELECT (.*?) FROM \'\$\{Prefix\}/(.*?)\'(?: WHERE (.*))?"', AWS)
ARN = re.compile(r":(client|topic|topicfilter)/\$\{Prefix\}/(\S*?)\"")


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    """Sees an agent with a stream and movement in it, until each kind of message has come."""
    folder = tmp_path_factory.mktemp("agent")
    with Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        agent = AgentProcess(folder, broker.url)
        agent.configure(
            streams=[{"id": "scene", "source": "test://scene?size=320x180&fps=10&shapes=3"}],
            algorithms=[{"id": "movement", "kind": "motion", "interval": 0.2, "params": {"warmup_s": 0.5}}],
            delivery={"codec": "both"},
            health={"listen": "", "publish_s": 1.0},
        )
        with Watcher(broker.url, agent.device) as seen, agent:
            result = RESULT_JSON.filter("x", device=agent.device).removeprefix("x/")
            seen.wait_for(
                lambda message: (
                    topic_matches_sub(f"{seen.prefix}/{result}", message.topic)
                    and message.document["data"]["moving"]
                ),
                30.0,
                what="movement",
            )
            for topic in (STATUS, METRICS, REPORTED, STREAM_STATUS):
                below = topic.filter(seen.prefix).removeprefix(f"{seen.prefix}/")
                eventually(lambda below=below: seen.matching(below), 20.0, what=topic.name)  # type: ignore[misc]
            # Numbers are told when there are some: a digest after results.
            seen.wait_for(
                lambda message: message.topic.endswith("/metrics") and message.document["latency_s_p50"],
                20.0,
                what="a digest with latencies",
            )
            yield seen


def documents(watcher: Watcher, topic_filter: str) -> list[dict[str, Any]]:
    """All that the real agent sent there."""
    found = [m.document for m in watcher.messages if topic_matches_sub(topic_filter, m.topic) and m.payload]
    assert found, topic_filter
    return found


def filled(topic: str, watcher: Watcher) -> str:
    """A panel's topic with the dashboard's variables; the device is the one that runs."""
    values = {variable["name"]: variable["query"] for variable in GRAFANA["templating"]["list"]}
    values["device"] = watcher.device
    return re.sub(r"\$(\w+)", lambda name: str(values[name[1]]), topic)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_grafana_panel_finds_its_fields(panel: dict[str, Any], watcher: Watcher) -> None:
    """As the data source reads JSON: each key at the top is a field, what is nested a field of JSON."""
    (target,) = panel["targets"]
    topic = filled(target["topic"], watcher)
    assert any(topic_matches_sub(known, topic) or known == topic for known in FILTERS.values()), topic
    fields: set[str] = set()
    for document in documents(watcher, topic):
        row = dict(document)
        for step in panel["transformations"]:
            if step["id"] == "extractFields":
                row |= row[step["options"]["source"]]
        fields |= {key for key, value in row.items() if not isinstance(value, dict | list) or key == "data"}
    (kept,) = [
        step["options"]["include"]["names"]
        for step in panel["transformations"]
        if step["id"] == "filterFieldsByName"
    ]
    assert kept[0] == "Time"
    assert set(kept[1:]) <= fields
    if panel["type"] == "stat":
        assert panel["options"]["reduceOptions"]["fields"] == f"/^{kept[1]}$/"
    for override in panel["fieldConfig"]["overrides"]:
        assert override["matcher"]["options"] in kept


def test_the_grafana_dashboard_is_laid_out() -> None:
    ids = [panel["id"] for panel in GRAFANA["panels"]]
    assert len(ids) == len(set(ids))
    for one, other in combinations((panel["gridPos"] for panel in GRAFANA["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in GRAFANA["panels"])
    used = set(re.findall(r"\$(\w+)", " ".join(panel["targets"][0]["topic"] for panel in PANELS)))
    assert used | {"datasource"} == {variable["name"] for variable in GRAFANA["templating"]["list"]}
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}


def test_telegraf_reads_topics_and_keys_that_exist(watcher: Watcher) -> None:
    digests, results = TELEGRAF["inputs"]["mqtt_consumer"]
    assert digests["topics"] == [METRICS.filter(DEFAULT_PREFIX)]
    assert results["topics"] == [RESULT_JSON.filter(DEFAULT_PREFIX)]
    (parsing,) = digests["topic_parsing"]
    assert parsing["topic"] == digests["topics"][0]
    names = dict(
        zip(
            parsing["tags"].split("/"), METRICS.build(DEFAULT_PREFIX, device="gate-7").split("/"), strict=True
        )
    )
    assert names["device"] == "gate-7"
    for source in (digests, results):
        for document in documents(watcher, source["topics"][0]):
            assert isinstance(document[source["json_time_key"]], int)
            assert set(source.get("tag_keys", ())) <= document.keys()
    assert "data" in documents(watcher, results["topics"][0])[0]
    clients = [source["client_id"] for source in (digests, results)]
    assert len(set(clients)) == len(clients), "two of one id push each other out"


def test_the_node_red_flow_hangs_together() -> None:
    ids = [node["id"] for node in FLOW]
    assert len(ids) == len(set(ids))
    for node in FLOW:
        assert {target for output in node.get("wires", []) for target in output} <= set(ids)
        assert node.get("z", ids[0]) in ids
        assert node["type"] not in {"mqtt in", "mqtt out"} or node["broker"] in ids
        assert node["type"] != "switch" or len(node["wires"]) == len(node["rules"])
    assert not any(node.get("credentials") for node in FLOW)


def test_the_node_red_flow_names_what_there_is(watcher: Watcher) -> None:
    subscribed = {node["topic"] for node in FLOW if node["type"] == "mqtt in"}
    inbox = CLIENT_RESPONSE.build(DEFAULT_PREFIX, client="node-red")
    assert subscribed == {
        *(topic.filter(DEFAULT_PREFIX) for topic in (RESULT_JSON, STATUS, SNAPSHOT)),
        inbox,
    }
    assert [node["respTopic"] for node in FLOW if node["type"] == "mqtt out"] == [inbox]
    assert [node["clientid"] for node in FLOW if node["type"] == "mqtt-broker"] == ["node-red"]
    result = documents(watcher, RESULT_JSON.filter(DEFAULT_PREFIX))[0]
    status = documents(watcher, STATUS.filter(DEFAULT_PREFIX))[0]
    reply = watcher.call("ping") | {"error": "why"}
    known: list[dict[str, Any]] = [result, status, reply]
    expressions = [
        text
        for node in FLOW
        for text in (node.get("property", ""), *(rule.get("to", "") for rule in node.get("rules", ())))
    ]
    paths = {path for text in expressions for path in re.findall(r"\bpayload\.([a-z_.]+)", text)}
    paths.remove("data.labels")  # of detectors, in the shapes that docs/result-shapes.md names
    assert len(paths) > 6
    for path in paths:
        assert any(reaches(document, path) for document in known), path


def reaches(document: dict[str, Any], path: str) -> bool:
    """Whether there is something at the end of the dotted path."""
    value: Any = document
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def test_the_commands_of_node_red_are_commands() -> None:
    found = {}
    for node in FLOW:
        if node["type"] == "inject":
            values = {prop["p"]: prop["v"] for prop in node["props"]}
            topic = values["topic"].replace('" & $env("DEVICE") & "', "gate-7").strip('"')
            ids = COMMAND.match(DEFAULT_PREFIX, topic)
            assert ids is not None
            request = json.loads(values["payload"].replace('"node-red-" & $millis()', '"a"'))
            found[ids["verb"]] = VERBS[ids["verb"]].args.model_validate(request["args"])
    assert found.keys() == {"ping", "stream.add", "stream.remove", "snapshot.take"}
    assert isinstance(found["stream.add"], StreamConfig)


def test_the_rules_of_aws_select_what_comes(watcher: Watcher) -> None:
    """With a prefix of one level, as the template says; the agent here has the usual one of two."""
    topics = {topic.filter(AWS_PREFIX): topic for topic in (RESULT_JSON, METRICS, STATUS)}
    assert len(RULES) == AWS.count("Sql:") == 4
    assert {f"{AWS_PREFIX}/{path}" for _, path, _ in RULES} == topics.keys()
    for selected, path, condition in RULES:
        topic = topics[f"{AWS_PREFIX}/{path}"]
        (level,) = set(re.findall(r"topic\((\d)\)", selected)) or {"3"}
        assert topic.build(AWS_PREFIX, **dict.fromkeys(topic.places, "x")).split("/")[2] == "x"
        assert level == "3", "the device, after the prefix and `d`"
        bare = re.sub(r"'[^']*'|\$\{\w+\}|\bAS \w+|\b\w+\(", " ", f"{selected} {condition}")
        named = set(re.findall(r"\b[a-z]\w*", bare))
        assert all(named <= document.keys() for document in documents(watcher, topic.filter(DEFAULT_PREFIX)))
    (lost,) = [condition for _, _, condition in RULES if condition]
    assert lost == "state = 'lost'"


def test_aws_carries_every_topic_of_a_device_with_a_short_prefix() -> None:
    """It takes topics of seven slashes; with the usual prefix those of results have eight."""
    assert f"Default: {AWS_PREFIX}\n" in AWS
    longest = max(topic.path.count("/") for topic in TOPICS) + 1
    assert AWS_PREFIX.count("/") + longest == AWS_SLASHES
    assert DEFAULT_PREFIX.count("/") + longest > AWS_SLASHES


def policy() -> dict[str, list[str]]:
    """What a thing called `me` may do: action to topics below the prefix."""
    allowed = {}
    for statement in AWS.split("- Effect: Allow")[1:]:
        action = re.search(r"Action: iot:(\w+)", statement)
        if action is not None:
            resources = [rest for _, rest in ARN.findall(statement)]
            allowed[action[1]] = [
                rest.replace("${!iot:Connection.Thing.ThingName}", "me") for rest in resources
            ]
    return allowed


def covers(action: str, path: str) -> bool:
    """Whether it is allowed; AWS' `*` also goes over slashes."""
    patterns = [re.escape(text).replace(r"\*", ".*") for text in policy()[action]]
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def test_the_policy_of_aws_lets_a_device_do_what_it_does_and_no_more() -> None:
    ids = {"device": "me", "stream": "door", "algorithm": "a", "client": "c", "request": "r", "part": "1"}
    for topic in TOPICS:
        if topic.direction == "out":
            path = topic.build("x", **{place: ids[place] for place in topic.places}).removeprefix("x/")
            assert covers("Publish", path), path
            assert covers("RetainPublish", path) == topic.retain, path
            if "client" not in topic.places:
                assert not covers("Publish", path.replace("/me/", "/other/")), path
    for path in ("d/me/cmd/ping", "g/yard/cmd/ping", "all/cmd/ping"):
        assert covers("Receive", path)
        assert not covers("Publish", path)
    for path in ("d/me/cmd/+", "g/yard/cmd/+", "all/cmd/+", "d/me/s/+/status"):
        assert covers("Subscribe", path)
    for path in ("d/other/cmd/ping", "d/other/s/door/a/a/result.json", "client/c/resp"):
        assert not covers("Receive", path)
    for path in ("d/other/cmd/+", "d/+/cmd/+", "d/+/status", "#", "client/+/resp"):
        assert not covers("Subscribe", path)
