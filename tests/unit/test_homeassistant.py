"""What Home Assistant is told: documents by its rules, and templates that raise on nothing."""

import asyncio
import itertools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.config.algorithms import AlgorithmConfig
from agent.config.homeassistant import HomeAssistantConfig
from agent.contract.commands import Request
from agent.contract.homeassistant import DiscoveryTopics, level
from agent.contract.topics import Topics
from agent.contract.verbs import VERBS
from agent.homeassistant import templates
from agent.homeassistant.announcements import Announcements
from agent.homeassistant.entities import Drafts, Wanted
from agent.homeassistant.memory import Memory, components_in
from tests.homeassistant.rules import WRONG, problems

TOPICS = Topics("vedette/v1", "gate-7")
AGENT, DOOR = "homeassistant/device/gate-7/config", "homeassistant/device/gate-7/door/config"


def drafts(*, signed_only: bool = False, **config: Any) -> Drafts:  # noqa: ANN401  any key
    table = HomeAssistantConfig.model_validate({"enabled": True, **config})
    return Drafts(config=table, topics=TOPICS, version="1.2.3", signed_only=signed_only)


def wanted(*streams: str, **kinds: str) -> Wanted:
    algorithms = tuple(AlgorithmConfig(id=name, kind=kind) for name, kind in kinds.items())
    return Wanted(streams=streams, algorithms=algorithms)


def documents(drafts: Drafts, wanted: Wanted) -> dict[str, Any]:
    return {topic: json.loads(one.json_bytes()) for topic, one in drafts.documents(wanted).items()}


def render(template: str, payload: object = None, **values: object) -> str:
    """As Home Assistant: `value_json` is not there when the payload is no JSON."""
    known = values if payload is None else {"value_json": payload, **values}
    return _compiled(template).render(**known)


@cache
def _compiled(template: str) -> Template:
    return ImmutableSandboxedEnvironment().from_string(template)


# --- documents ----------------------------------------------------------------------------------------------


KINDS = {"movement": "motion", "health": "quality", "codes": "codes", "facts": "probe", "mine": "faces"}


def test_documents_obey_the_rules_and_wrong_ones_do_not() -> None:
    made = documents(drafts(fields={"facts": ["left.count"]}), wanted("door", "yard.2", **KINDS))
    first, second, _ = made
    assert (first, second) == (AGENT, DOOR)
    for document in made.values():
        assert problems(document) == []
        for what, wrong in WRONG(document):
            assert problems(wrong), what


def test_every_unique_id_is_there_once() -> None:
    # What could be mistaken for each other, if ids were only joined.
    kinds = {"a": "faces", "a.b": "faces", "s": "faces", "state": "motion", "fps": "probe"}
    made = documents(drafts(), wanted("a", "a.b", "s", "a-b", **kinds))
    ids = [one["unique_id"] for document in made.values() for one in document["components"].values()]
    assert len(ids) == len(set(ids)) > 40
    assert len({document["device"]["identifiers"][0] for document in made.values()}) == 5 == len(made)


def test_a_stream_belongs_to_its_agent_and_an_algorithm_to_its_streams() -> None:
    everywhere = AlgorithmConfig(id="movement", kind="motion", interval=60)
    at_door = AlgorithmConfig(id="mine", kind="faces", streams=("door",))
    made = documents(drafts(), Wanted(streams=("door", "yard"), algorithms=(everywhere, at_door)))
    agent, door, yard = made.values()
    assert door["device"]["via_device"] == agent["device"]["identifiers"][0]
    assert set(door["components"]) - set(yard["components"]) == {"mine/occupancy", "mine/count"}
    motion = yard["components"]["movement/motion"]
    assert motion["state_topic"] == "vedette/v1/d/gate-7/s/yard/a/movement/result.json"
    assert motion["expire_after"] == 300
    assert [one["topic"] for one in motion["availability"]] == [TOPICS.status, TOPICS.stream_status("yard")]


def test_only_the_algorithms_that_are_asked_for() -> None:
    named = documents(drafts(algorithms=["facts"]), wanted("door", **KINDS))
    (_, door) = named.values()
    assert {name for name in door["components"] if "/" in name} == {"facts/brightness"}
    (_, door) = documents(drafts(algorithms=[]), wanted("door", **KINDS)).values()
    assert not any("/" in name for name in door["components"])


def test_no_button_where_commands_have_to_be_signed() -> None:
    (_, door) = documents(drafts(signed_only=True), wanted("door")).values()
    assert "take_snapshot" not in door["components"]


def test_nothing_when_it_is_turned_off() -> None:
    assert drafts(enabled=False).documents(wanted("door", **KINDS)) == {}


@pytest.mark.parametrize(("name", "expected"), [("door", "door"), ("a_b-9", "a_b-9")])
def test_ids_without_a_dot_are_levels_as_they_are(name: str, expected: str) -> None:
    assert level(name) == expected


def test_ids_with_a_dot_are_levels_that_home_assistant_takes() -> None:
    names = ["a.b", "a-b", "a..b", "." * 64, "." * 63 + "-", "x" * 63 + "."]
    levels = [level(name) for name in names]
    assert len(set(levels)) == len(names)
    assert all(1 <= len(one) <= 64 and set(one) <= {*"abcdefx0123456789-"} for one in levels)
    topics = DiscoveryTopics("homeassistant", "host.example")
    assert topics.is_stream(topics.stream("yard.2"))
    assert not topics.is_stream(topics.agent)
    assert not topics.is_stream(DiscoveryTopics("homeassistant", "host").stream("yard"))


# --- templates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "count", "found"),
    [
        ({"objects": []}, "0", "OFF"),
        ({"objects": [{"box": [0, 0, 1, 1]}] * 3}, "3", "ON"),
        ({"count": 4, "codes": [1]}, "4", "ON"),
        ({"count": 0}, "0", "OFF"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, 1, 1]], "labels": ["a", "b"]}, "2", "ON"),
        ({"boxes": [0, 0, 1, 1]}, "1", "ON"),
        ({"box": [0, 0, 1, 1], "label": "face"}, "1", "ON"),
        ([[0, 0, 1, 1, 0.9, 2]], "1", "ON"),
        ([], "0", "OFF"),
        ({"brightness": 12.5}, "None", "None"),
        ({"objects": "many"}, "None", "None"),
        ("text", "None", "None"),
        (None, "None", "None"),
    ],
)
def test_shapes_are_counted(data: object, count: str, found: str) -> None:
    assert render(templates.COUNT, {"data": data}) == count
    assert render(templates.ANY, {"data": data}) == found


@pytest.mark.parametrize(
    ("template", "data", "expected"),
    [
        (templates.flag("moving"), {"moving": True}, "ON"),
        (templates.flag("moving"), {"moving": False}, "OFF"),
        (templates.flag("moving"), {"moving": None}, "None"),
        (templates.flag("ok", inverted=True), {"ok": True}, "OFF"),
        (templates.flag("ok", inverted=True), {"ok": False}, "ON"),
        (templates.rows("regions"), {"regions": [[0] * 5] * 2}, "2"),
        (templates.rows("regions"), {"regions": "ab"}, "None"),
        (templates.rows("regions"), {}, "None"),
        (templates.number("brightness"), {"brightness": 12.5}, "12.5"),
        (templates.number("left.count"), {"left": {"count": 3}}, "3"),
        (templates.number("left.count"), {"left": 3}, "None"),
        (templates.number("ok"), {"ok": True}, "1"),
        (templates.number("items"), {"a": 1}, "None"),
    ],
)
def test_values_of_results(template: str, data: object, expected: str) -> None:
    assert render(template, {"data": data}) == expected


def test_values_of_statuses() -> None:
    running = {"state": "running", "fps": 24.9, "cause": None, "error": "it's <gone>"}
    assert render(templates.STATE, running) == "running"
    assert render(templates.AILING, running) == "OFF"
    assert render(templates.AILING, {"state": "retrying"}) == "ON"
    assert render(templates.FRAME_RATE, running) == "24.9"
    assert render(templates.FRAME_RATE, {"fps": None}) == "None"
    assert render(templates.available("running"), running) == "online"
    assert render(templates.available("online"), running) == "offline"
    assert [render(templates.ONLINE, {"state": state}) for state in ("online", "lost")] == ["ON", "OFF"]
    told = json.loads(render(templates.attributes(("cause", "error")), running))
    assert told == {"cause": None, "error": "it's <gone>"}


@cache
def each_template() -> dict[str, str]:
    made = documents(drafts(fields={"facts": ["left.count"]}), wanted("door", **KINDS))
    return {
        f"{name}.{key}": text
        for document in made.values()
        for name, component in document["components"].items()
        for key, text in component.items()
        if key.endswith("value_template") or key == "json_attributes_template"
    } | {"available": templates.available("online")}


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["count", "boxes", "objects", "moving", "left", "brightness", "items", "box"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(TREES)
def test_no_template_raises_on_any_result(data: object) -> None:
    for template in set(each_template().values()):
        for payload in ({"data": data}, data):
            render(template, payload)


def test_no_template_raises_when_a_topic_is_cleared() -> None:
    for name, template in each_template().items():
        assert render(template) in {"None", "OFF", "offline", "{}"}, name


def test_the_button_sends_a_command_that_the_agent_takes() -> None:
    (_, door) = documents(drafts(), wanted("door")).values()
    button = door["components"]["take_snapshot"]
    assert button["command_topic"] == "vedette/v1/d/gate-7/cmd/snapshot.take"

    class Now:
        def timestamp(self) -> float:
            return 1_790_000_000.25

    payload = render(button["command_template"], now=Now)
    request = Request.model_validate_json(payload)
    assert request.id == "ha-1790000000250"
    assert VERBS["snapshot.take"].args.model_validate(request.args).model_dump()["stream"] == "door"
    ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(button["command_template"])


# --- what is remembered -------------------------------------------------------------------------------------


def test_the_memory_outlives_and_goes_when_there_is_nothing(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.read() == {}
    memory.write({"homeassistant/device/x/config": {"state": "sensor"}})
    assert Memory(tmp_path).read() == {"homeassistant/device/x/config": {"state": "sensor"}}
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    memory.write({})
    assert list(tmp_path.iterdir()) == []
    memory.write({})


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": 1}', b"\xff", b"{" * 100_000])
def test_a_memory_that_cannot_be_read_is_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "homeassistant.json").write_bytes(content)
    assert Memory(tmp_path).read() == {}


def test_topics_that_none_may_publish_to_are_not_believed(tmp_path: Path) -> None:
    (tmp_path / "homeassistant.json").write_text('{"a/#": {}, "": {}, "b/+": {}, "c": {}}')
    assert Memory(tmp_path).read() == {"c": {}}


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"components": 3}'])
def test_what_is_no_document_has_no_entities(payload: bytes) -> None:
    assert components_in(payload) is None


class Broker:
    """What is retained, as `publish` leaves it; `settled` is what a test says."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.settled = True

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, payload))

    @property
    def retained(self) -> dict[str, Any]:
        return {topic: json.loads(payload) for topic, payload in dict(self.published).items() if payload}


def play(folder: Path, broker: Broker, drafts: Drafts, steps: Callable[[Announcements], Any]) -> None:
    """Run an agent's announcements while `steps` goes on."""

    async def both() -> None:
        told = Announcements(
            drafts,
            folder,
            publish=broker.publish,
            settled=lambda: broker.settled,
            pause_s=0.001,
            settle_s=0.005,
        )
        work = asyncio.create_task(told.run())
        try:
            await steps(told)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    asyncio.run(both())


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not check():  # noqa: ASYNC110  of the world outside: it sets no event
            await asyncio.sleep(0.005)


def remembered(folder: Path) -> dict[str, Any]:
    return dict(Memory(folder).read())


def test_what_goes_is_taken_back_and_then_forgotten(tmp_path: Path) -> None:
    broker = Broker()

    async def steps(told: Announcements) -> None:
        told.want(("door",), wanted(movement="motion").algorithms)
        await until(lambda: DOOR in broker.retained)
        broker.settled = False
        told.want(("door",), ())
        gone = {"platform": "binary_sensor"}
        await until(lambda: broker.retained[DOOR]["components"].get("movement/motion") == gone)
        assert problems(broker.retained[DOOR]) == []
        assert "movement/motion" in remembered(tmp_path)[DOOR]
        told.want((), ())
        await until(lambda: DOOR not in broker.retained)
        assert DOOR in remembered(tmp_path), "the broker has not answered yet"
        broker.settled = True
        await until(lambda: DOOR not in remembered(tmp_path))
        assert list(broker.retained) == [AGENT]

    play(tmp_path, broker, drafts(), steps)


def test_a_later_agent_takes_back_what_an_earlier_one_announced(tmp_path: Path) -> None:
    broker = Broker()

    async def announce(told: Announcements) -> None:
        told.want(("door", "yard"), ())
        await until(lambda: len(broker.retained) == 3)

    async def nothing_left(_: Announcements) -> None:
        await until(lambda: not broker.retained and not remembered(tmp_path))

    async def moved(told: Announcements) -> None:
        told.want(("door",), ())
        await until(
            lambda: set(broker.retained) == {"ha/device/gate-7/config", "ha/device/gate-7/door/config"}
        )

    play(tmp_path, broker, drafts(), announce)
    play(tmp_path, broker, drafts(discovery_prefix="ha"), moved)
    play(tmp_path, broker, drafts(enabled=False), nothing_left)
    count = len(broker.published)
    play(tmp_path, broker, drafts(enabled=False), nothing_left)
    assert len(broker.published) == count, "there was nothing to say"


def test_what_was_removed_while_no_agent_ran_is_taken_back(tmp_path: Path) -> None:
    broker = Broker()

    async def announce(told: Announcements) -> None:
        told.want(("door",), wanted(movement="motion").algorithms)
        await until(lambda: DOOR in broker.retained)

    async def less(told: Announcements) -> None:
        told.want(("door",), ())
        await until(
            lambda: broker.retained[DOOR]["components"].get("movement/regions") == {"platform": "sensor"}
        )
        await until(lambda: "movement/regions" not in remembered(tmp_path)[DOOR])

    play(tmp_path, broker, drafts(), announce)
    play(tmp_path, broker, drafts(), less)


def test_a_state_folder_that_takes_nothing_keeps_nothing_from_being_said(tmp_path: Path) -> None:
    broker = Broker()
    (tmp_path / "homeassistant.new").mkdir()  # where the new file would be written

    async def steps(told: Announcements) -> None:
        told.want(("door",), ())
        await until(lambda: len(broker.retained) == 2)
        told.want((), ())
        await until(lambda: DOOR not in broker.retained)

    play(tmp_path, broker, drafts(), steps)


def test_what_the_broker_keeps_of_a_lost_state_folder_is_cleared(tmp_path: Path) -> None:
    broker = Broker()
    found = drafts().documents(wanted("door", movement="motion"))[DOOR].json_bytes()
    broker.publish(DOOR, found)

    async def steps(told: Announcements) -> None:
        told.want(("yard",), ())
        assert told.heard(DOOR, found)
        await until(lambda: DOOR not in broker.retained and len(broker.retained) == 2)

    play(tmp_path, broker, drafts(), steps)


def test_birth_has_everything_said_again_and_nothing_else_does(tmp_path: Path) -> None:
    broker = Broker()

    async def steps(told: Announcements) -> None:
        told.want(("door",), ())
        await until(lambda: len(broker.published) == 2)
        assert told.heard("homeassistant/status", b"offline")
        for topic, payload in list(broker.published):
            assert told.heard(topic, payload), "its own echo"
        told.want(("door",), ())
        assert told.heard("homeassistant/status", b"online")
        await until(lambda: len(broker.published) == 4)
        assert not told.heard(TOPICS.command("ping"), b"{}")

    play(tmp_path, broker, drafts(), steps)
    for (topic, payload), again in itertools.pairwise(broker.published[::2]):
        assert (topic, payload) == again


# --- agent.toml ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "codec", "fits"),
    [
        ({}, "msgpack", True),
        ({"enabled": True}, "msgpack", False),
        ({"enabled": True}, "both", True),
        ({"enabled": True}, "json", True),
        ({"enabled": True, "algorithms": []}, "msgpack", True),
    ],
)
def test_results_have_to_be_json(config: dict[str, Any], codec: str, fits: bool) -> None:  # noqa: FBT001  a column
    assert (HomeAssistantConfig.model_validate(config).problem_with(codec) is None) == fits


@pytest.mark.parametrize("field", ["a..b", "a.", "a['b']", "{{ 1 }}", ""])
def test_fields_are_paths_and_nothing_else(field: str) -> None:
    with pytest.raises(ValueError, match="String should"):
        HomeAssistantConfig.model_validate({"fields": {"facts": [field]}})
