"""The table of topics: what it builds, what it takes apart, and what it refuses."""

import pytest

from agent.contract.topic import checked_prefix, is_id
from agent.contract.topics import COMMAND, FLEET, RESULT, TOPICS, Addressed, Topics

TOPIC = Topics("vedette/v1", "gate-7", ("berlin", "all"))
HOSTILE = ["", "a/b", "+", "#", "$SYS", "a+", "a#", "a b", "ä", "a\0", "a\n", "x" * 65, "../x", "a/../b", "/"]


def test_every_topic_by_its_name() -> None:
    assert {
        "status": TOPIC.status,
        "info": TOPIC.info,
        "reported": TOPIC.reported,
        "gaps": TOPIC.gaps,
        "command": TOPIC.command("ping"),
        "commands": TOPIC.commands,
        "commands without groups": Topics("p", "x").commands,
        "response": TOPIC.response,
        "client_response": TOPIC.client_response("me"),
        "stream_status": TOPIC.stream_status("door"),
        "result": TOPIC.result("door", "movement"),
        "result_json": TOPIC.result_json("door", "movement"),
        "snapshot": TOPIC.snapshot("door"),
    } == {
        "status": "vedette/v1/d/gate-7/status",
        "info": "vedette/v1/d/gate-7/info",
        "reported": "vedette/v1/d/gate-7/reported",
        "gaps": "vedette/v1/d/gate-7/gaps",
        "command": "vedette/v1/d/gate-7/cmd/ping",
        "commands": (
            "vedette/v1/d/gate-7/cmd/+",
            "vedette/v1/g/berlin/cmd/+",
            "vedette/v1/g/all/cmd/+",
            "vedette/v1/all/cmd/+",
        ),
        "commands without groups": ("p/d/x/cmd/+", "p/all/cmd/+"),
        "response": "vedette/v1/d/gate-7/resp",
        "client_response": "vedette/v1/client/me/resp",
        "stream_status": "vedette/v1/d/gate-7/s/door/status",
        "result": "vedette/v1/d/gate-7/s/door/a/movement/result",
        "result_json": "vedette/v1/d/gate-7/s/door/a/movement/result.json",
        "snapshot": "vedette/v1/d/gate-7/s/door/snapshot",
    }


def test_the_rows_are_the_contract() -> None:
    assert {topic.name: (topic.direction, topic.qos, topic.retain) for topic in TOPICS} == {
        "status": ("out", 1, True),
        "info": ("out", 1, True),
        "reported": ("out", 1, True),
        "metrics": ("out", 1, False),
        "gaps": ("out", 1, True),
        "stream_status": ("out", 1, True),
        "result": ("out", 1, False),
        "result_json": ("out", 1, False),
        "snapshot": ("out", 1, False),
        "preview": ("out", 0, False),
        "diag_part": ("out", 1, False),
        "command": ("in", 1, False),
        "group_command": ("in", 1, False),
        "fleet_command": ("in", 1, False),
        "response": ("out", 1, False),
        "client_response": ("out", 1, False),
    }


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_what_is_built_is_taken_apart_again_and_by_no_other_row(topic: object) -> None:
    assert topic in TOPICS
    for row in TOPICS:
        ids = {place: f"{place}-1" for place in row.places}
        concrete = row.build("p/q", **ids)
        assert row.match("p/q", concrete) == ids
        assert [other for other in TOPICS if other.match("p/q", concrete) is not None] == [row]
        assert row.match("p", concrete) is None


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_id_leads_out_of_its_level(hostile: str) -> None:
    assert not is_id(hostile)
    with pytest.raises(ValueError, match="is no id"):
        Topics("vedette/v1", hostile)
    with pytest.raises(ValueError, match="is no id"):
        Topics("vedette/v1", "gate-7", ("berlin", hostile))
    for build in (TOPIC.stream_status, TOPIC.command, TOPIC.client_response, TOPIC.snapshot):
        with pytest.raises(ValueError, match="is no id"):
            build(hostile)
    with pytest.raises(ValueError, match="is no id"):
        TOPIC.result("door", hostile)


@pytest.mark.parametrize("prefix", ["", "/", "a/", "/a", "a//b", "+", "a/#", "$share/g", "$SYS", "a b"])
def test_no_prefix_with_wildcards_or_empty_levels(prefix: str) -> None:
    with pytest.raises(ValueError, match="is no topic prefix"):
        checked_prefix(prefix)
    with pytest.raises(ValueError, match="is no topic prefix"):
        Topics(prefix, "gate-7")


@pytest.mark.parametrize(
    ("topic", "addressed"),
    [
        ("vedette/v1/d/gate-7/cmd/ping", Addressed("ping")),
        ("vedette/v1/d/gate-7/cmd/stream.add", Addressed("stream.add")),
        ("vedette/v1/d/gate-7/cmd/unknown", Addressed("unknown")),
        ("vedette/v1/g/berlin/cmd/ping", Addressed("ping", "berlin")),
        ("vedette/v1/g/all/cmd/ping", Addressed("ping", "all")),
        ("vedette/v1/all/cmd/ping", Addressed("ping", FLEET)),
        ("vedette/v1/g/paris/cmd/ping", None),
        ("vedette/v1/g/gate-7/cmd/ping", None),
        ("vedette/v1/g/*/cmd/ping", None),
        ("vedette/v1/g/+/cmd/ping", None),
        ("vedette/v1/g//cmd/ping", None),
        ("vedette/v1/all/cmd/+", None),
        ("vedette/v1/all/cmd", None),
        ("vedette/v1/d/berlin/cmd/ping", None),
        ("vedette/v1/d/gate-8/cmd/ping", None),
        ("vedette/v1/d/gate-7/cmd", None),
        ("vedette/v1/d/gate-7/cmd/", None),
        ("vedette/v1/d/gate-7/cmd/a/b", None),
        ("vedette/v1/d/gate-7/cmd/+", None),
        ("vedette/v1/d/gate-7/resp", None),
        ("other/v1/d/gate-7/cmd/ping", None),
        ("x/vedette/v1/d/gate-7/cmd/ping", None),
        ("", None),
    ],
)
def test_what_the_topic_of_a_command_says(topic: str, addressed: Addressed | None) -> None:
    assert TOPIC.addressed(topic) == addressed


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("vedette/v1/client/me/resp", True),
        ("vedette/v1/d/gate-7/resp", True),
        ("vedette/v1/d/gate-8/resp", False),
        ("vedette/v1/d/gate-7/cmd/ping", False),
        ("vedette/v1/d/gate-7/status", False),
        ("vedette/v1/client/me/other", False),
        ("vedette/v1/client/resp", False),
        ("vedette/v1/client/a/b/resp", False),
        ("vedette/v1/client//resp", False),
        ("vedette/v1/client/+/resp", False),
        ("vedette/v1/client/#", False),
        ("vedette/v1/client/$x/resp", False),
        ("vedette/v1/client/me/resp/", False),
        ("/vedette/v1/client/me/resp", False),
        ("$SYS/broker", False),
        ("#", False),
        ("", False),
    ],
)
def test_the_agent_is_no_reflector(topic: str, allowed: bool) -> None:  # noqa: FBT001  a table
    assert TOPIC.may_respond_to(topic) is allowed


def test_filters_for_subscribers() -> None:
    assert RESULT.filter("vedette/v1") == "vedette/v1/d/+/s/+/a/+/result"
    assert RESULT.filter("vedette/v1", device="gate-7", stream="door") == (
        "vedette/v1/d/gate-7/s/door/a/+/result"
    )
    assert COMMAND.filter("p", device="x") == "p/d/x/cmd/+"
    with pytest.raises(ValueError, match="is no id"):
        RESULT.filter("vedette/v1", device="+")
